// SPDX-License-Identifier: Apache-2.0

import WarrenCore

extension VProxy {
    /// What two Warrens tell each other beyond the deployed protocol; <doc:Extension> has all of it.
    enum Extension {
        static let version: UInt8 = 1
        /// Behind the number of a PING or of its answer, before the version: "I am a Warren".
        static let mark = Array("warren".utf8)
        /// SYN and SYN-ACK: the stream has windows. PING: a message of the extension, which is not answered.
        static let flag: UInt8 = 0x2
        /// What either end may send on a stream before it has been given credit, in bytes.
        static let early = 16 << 10
        /// More credit than this for one stream cannot be meant.
        static let mostCredit = 1 << 31
        /// How long a client waits for the answer to its mark before it takes the server for a deployed one.
        static let patienceMilliseconds: Int64 = 1000
    }

    /// A message of the extension about one stream.
    enum ExtendedMessage: Hashable, Sendable {
        /// So many more bytes may be sent.
        case credit(UInt32)
        /// The stream is over at once in both directions, or refused; without a fault, in order.
        case reset(StreamFault?)
    }
}
