// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

extension JProxy {
    /// What two Warrens tell each other beyond the deployed protocol; <doc:Extension> has all of it.
    enum Extension {
        static let version: UInt8 = 1
        /// A client that knows the extension says so in the minor version, which deployed servers accept and log.
        private static let announcement: UInt8 = 0xE0

        /// The minor version that announces version 1 to 15 of the extension.
        static func minor(announcing version: UInt8) -> UInt8 { Self.announcement | version }

        /// The version to use with a client of this minor version; nil if it announces none.
        static func version(announcedBy minor: UInt8) -> UInt8? {
            guard minor & 0xF0 == Self.announcement, minor != Self.announcement else { return nil }
            return min(minor & 0x0F, Self.version)
        }

        /// More credit than this for one stream cannot be meant.
        static let mostCredit = 1 << 31
    }

    /// A message of the extension. Its types are unknown to deployed peers, who never receive one.
    enum ExtendedMessage: Hashable, Sendable {
        /// S→C, the first packet behind the login: the extension is in use from here on.
        case welcome(version: UInt8)
        /// C→S: a connect that says how much the server may send before the client has taken any of it.
        case open(ConnectRequest, window: UInt32)
        /// S→C: the one answer to an open; the window is for the client to send.
        case opened(ConnectReply, window: UInt32)
        /// So many more bytes of the stream may be sent.
        case credit(id: UInt16, UInt32)
        /// No more payload follows from this side.
        case finish(id: UInt16)
        /// The stream is over at once in both directions; without a fault, in order.
        case reset(id: UInt16, StreamFault?)
        /// To be answered at once with the same number.
        case ping(UInt64)
        case pong(UInt64)
    }
}
