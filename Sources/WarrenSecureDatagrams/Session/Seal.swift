// SPDX-License-Identifier: Apache-2.0

import Crypto
import Foundation
import NIOCore

/// AES-256-GCM of one datagram, nonce and layout as Noise has them: `sealed | tag 16B`.
enum Seal {
    static let tagLength = 16

    /// `zeros 4B | counter u64` (Noise, section 12.4).
    static func nonce(_ counter: UInt64) -> AES.GCM.Nonce {
        let bytes = (
            UInt32(0), UInt32(truncatingIfNeeded: counter >> 32).bigEndian,
            UInt32(truncatingIfNeeded: counter).bigEndian
        )
        // 12 bytes are never refused. Were they, a random nonce would only make a datagram that nobody opens.
        return (try? withUnsafeBytes(of: bytes) { try AES.GCM.Nonce(data: $0) }) ?? AES.GCM.Nonce()
    }

    /// Writes the head as it stands, then `payload` sealed; the head is authenticated with it.
    ///
    /// - Returns: false, and nothing is written.
    static func write(
        _ payload: ByteBuffer, head: Head, with key: SymmetricKey, into datagram: inout ByteBuffer
    ) -> Bool {
        head.withBytes { head in
            let box = payload.withUnsafeReadableBytes { plain in
                try? AES.GCM.seal(plain, using: key, nonce: Self.nonce(head.counter), authenticating: head.bytes)
            }
            // `nonce 12B | sealed | tag`: one piece, which costs less than asking for its parts.
            guard let combined = box?.combined, combined.count == 12 + payload.readableBytes + Self.tagLength else {
                return false
            }
            datagram.reserveCapacity(minimumWritableBytes: SecureDatagrams.Header.length + combined.count - 12)
            datagram.writeBytes(head.bytes)
            combined.withUnsafeBytes { bytes in
                _ = datagram.writeBytes(UnsafeRawBufferPointer(rebasing: bytes.dropFirst(12)))
            }
            return true
        }
    }

    /// The payload of a datagram with ``SecureDatagrams/Header``; nil unless it is authentic.
    static func open(_ datagram: ByteBuffer, with key: SymmetricKey) -> ByteBuffer? {
        let plain = datagram.withUnsafeReadableBytes { bytes -> Data? in
            guard bytes.count >= SecureDatagrams.overhead else { return nil }
            let head = UnsafeRawBufferPointer(rebasing: bytes.prefix(SecureDatagrams.Header.length))
            guard let box = Self.box(bytes) else { return nil }
            return try? AES.GCM.open(box, using: key, authenticating: head)
        }
        guard let plain else { return nil }
        var payload = ByteBuffer()
        payload.reserveCapacity(plain.count)
        plain.withUnsafeBytes { bytes in _ = payload.writeBytes(bytes) }
        return payload
    }

    /// What stands behind the kind is `index 4B | counter 8B | sealed | tag`: a nonce and all that belongs to it, but for the
    /// index in place of zeros. In one piece it costs a third less than in three.
    private static func box(_ datagram: UnsafeRawBufferPointer) -> AES.GCM.SealedBox? {
        guard let start = datagram.baseAddress else { return nil }
        var combined = Data(bytes: start + 1, count: datagram.count - 1)
        combined.withUnsafeMutableBytes { $0.storeBytes(of: 0, as: UInt32.self) }
        return try? AES.GCM.SealedBox(combined: combined)
    }

    /// The first 13 bytes of a datagram that is being made.
    struct Head {
        let index: UInt32
        let counter: UInt64

        struct View {
            let bytes: UnsafeRawBufferPointer
            let counter: UInt64
        }

        /// The bytes on the stack.
        func withBytes<Result>(_ body: (View) -> Result) -> Result {
            withUnsafeTemporaryAllocation(byteCount: SecureDatagrams.Header.length, alignment: 1) { bytes in
                bytes.storeBytes(of: SecureDatagrams.Kind.data.rawValue, as: UInt8.self)
                bytes.storeBytes(of: self.index.bigEndian, toByteOffset: 1, as: UInt32.self)
                bytes.storeBytes(of: self.counter.bigEndian, toByteOffset: 5, as: UInt64.self)
                return body(View(bytes: UnsafeRawBufferPointer(bytes), counter: self.counter))
            }
        }
    }
}
