// SPDX-License-Identifier: Apache-2.0

import Crypto
import NIOCore
import WarrenCore

extension ZhwkproX {
    /// What two Warrens tell each other beyond the deployed protocol; <doc:Extension> has all of it.
    enum Extension {
        /// Payload of the largest data message that is accepted, in bytes.
        static let mostData = 64 << 10
        /// A message that we send, head included, in bytes. Eight are encrypted side by side.
        static let pieces = 8 << 10
        /// More credit than this for one stream cannot be meant.
        static let mostCredit = 1 << 31
        /// Bytes of a mark.
        static let mark = 8

        private static let exit = "warren zhwkprox 1 exit"
        private static let inter = "warren zhwkprox 1 inter"

        /// What only a Warren knows that it means something: bytes of an authentication code over those before it.
        private static func mark(_ label: String, _ bytes: [UInt8], key: Key) -> [UInt8] {
            let code = HMAC<SHA256>.authenticationCode(
                for: Array(label.utf8) + bytes, using: SymmetricKey(data: key.bytes))
            return Array(code.prefix(Self.mark))
        }

        /// A challenge that another Warren recognises; to everybody else it is as random as `bytes`.
        ///
        /// - Parameter random: 14 bytes.
        static func challenge(random: [UInt8], key: Key) -> [UInt8] { random + Self.mark(Self.exit, random, key: key) }

        static func isMarked(challenge: [UInt8], key: Key) -> Bool {
            challenge.count == Login.challenge
                && Array(challenge.suffix(Self.mark)) == Self.mark(Self.exit, challenge.dropLast(Self.mark), key: key)
        }

        /// The answer of a Warren to the challenge of another: `random ‖ mark`.
        static func suffix(random: [UInt8], to challenge: [UInt8], key: Key) -> [UInt8] {
            random + Self.mark(Self.inter, challenge + random, key: key)
        }

        static func isMarked(suffix: [UInt8], to challenge: [UInt8], key: Key) -> Bool {
            suffix.count >= Self.mark
                && Array(suffix.suffix(Self.mark))
                    == Self.mark(Self.inter, challenge + suffix.dropLast(Self.mark), key: key)
        }

        private static func mark(_ label: String, _ bytes: ArraySlice<UInt8>, key: Key) -> [UInt8] {
            Self.mark(label, Array(bytes), key: key)
        }
    }

    /// A message of the extension other than payload.
    enum ExtendedMessage: Hashable, Sendable {
        /// I→S: the exit is to connect, and may send so much before any of it has been taken.
        case open(id: UInt32, StreamAddress, window: UInt32)
        /// S→I: the one answer to an open; the window is for the inter-server to send.
        case opened(id: UInt32, StreamFault?, window: UInt32)
        /// So many more bytes of the stream may be sent.
        case credit(id: UInt32, UInt32)
        /// No more payload follows from this side.
        case finish(id: UInt32)
        /// The stream is over at once in both directions; without a fault, in order.
        case reset(id: UInt32, StreamFault?)
        /// To be answered at once with the same number.
        case ping(UInt64)
        case pong(UInt64)
    }
}
