// SPDX-License-Identifier: Apache-2.0

import Crypto
import NIOCore

/// AES-256-GCM of one datagram, nonce and layout as Noise has them: `header 13B | sealed | tag 16B`.
enum Seal {
    static let tagLength = 16

    /// `zeros 4B | counter u64` (Noise, section 12.4).
    static func nonce(_ counter: UInt64) -> AES.GCM.Nonce {
        // 12 bytes are never refused. Were they, a random nonce would only make a datagram that nobody opens.
        (try? Self.withNonce(counter) { try AES.GCM.Nonce(data: $0) }) ?? AES.GCM.Nonce()
    }

    /// The 12 bytes of it on the stack.
    static func withNonce<Result>(
        _ counter: UInt64, _ body: (UnsafeRawBufferPointer) throws -> Result
    ) rethrows -> Result {
        let bytes = (
            UInt32(0), UInt32(truncatingIfNeeded: counter >> 32).bigEndian,
            UInt32(truncatingIfNeeded: counter).bigEndian
        )
        return try withUnsafeBytes(of: bytes, body)
    }

    /// The first 13 bytes of a datagram that is being made.
    struct Head {
        let index: UInt32
        let counter: UInt64

        /// Writes them to the front of a place that has room for them.
        func write(to room: UnsafeMutableRawBufferPointer) {
            room.storeBytes(of: SecureDatagrams.Kind.data.rawValue, as: UInt8.self)
            room.storeBytes(of: self.index.bigEndian, toByteOffset: 1, as: UInt32.self)
            room.storeBytes(of: self.counter.bigEndian, toByteOffset: 5, as: UInt64.self)
        }
    }
}
