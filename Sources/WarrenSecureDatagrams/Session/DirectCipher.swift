// SPDX-License-Identifier: Apache-2.0

import CWarrenAEAD
import Crypto
import NIOCore

/// By the functions below swift-crypto, which prepare the key once and write where the bytes are wanted. Only where
/// ``isProven``.
///
/// The prepared key is theirs: freed, and overwritten then, with the last reference.
///
/// Sendable: nothing changes but in `deinit`, and the functions may be called by several threads at once with one key.
final class DirectCipher: DatagramCipher, @unchecked Sendable {
    /// They are linked, and do what swift-crypto does; tried once.
    static let isProven = CipherProof.holds { DirectCipher($0) }

    private static let allocator = ByteBufferAllocator()

    private let prepared: OpaquePointer

    /// - Returns: nil if the functions are not linked, or refuse the key.
    init?(_ key: SymmetricKey) {
        guard warren_aead_available(), key.bitCount == 8 * WARREN_AEAD_KEY_LENGTH,
            let prepared = key.withUnsafeBytes({ warren_aead_new($0.bytes) })
        else { return nil }
        self.prepared = prepared
    }

    deinit { warren_aead_free(self.prepared) }

    /// See ``DatagramCipher/seal(_:head:into:)``.
    func seal(_ payload: ByteBuffer, head: Seal.Head, into datagram: inout ByteBuffer) -> Bool {
        let header = SecureDatagrams.Header.length
        let length = header + payload.readableBytes + Seal.tagLength
        let written = datagram.writeWithUnsafeMutableBytes(minimumWritableBytes: length) { room in
            head.write(to: room)
            guard let out = room.bytes else { return 0 }
            let isSealed = payload.withUnsafeReadableBytes { plain in
                Seal.withNonce(head.counter) { nonce in
                    warren_aead_seal(self.prepared, nonce.bytes, out, header, plain.bytes, plain.count, out + header)
                }
            }
            return isSealed ? length : 0
        }
        return written == length
    }

    /// See ``DatagramCipher/open(_:counter:)``.
    func open(_ datagram: ByteBuffer, counter: UInt64) -> ByteBuffer? {
        let header = SecureDatagrams.Header.length
        guard datagram.readableBytes >= SecureDatagrams.overhead else { return nil }
        let sealed = datagram.readableBytes - header
        var payload = Self.allocator.buffer(capacity: sealed)
        var isAuthentic = false
        payload.writeWithUnsafeMutableBytes(minimumWritableBytes: sealed) { room in
            isAuthentic = datagram.withUnsafeReadableBytes { bytes in
                guard let start = bytes.bytes, let out = room.bytes else { return false }
                return Seal.withNonce(counter) { nonce in
                    warren_aead_open(self.prepared, nonce.bytes, start, header, start + header, sealed, out)
                }
            }
            return isAuthentic ? sealed - Seal.tagLength : 0
        }
        return isAuthentic ? payload : nil
    }
}

extension UnsafeRawBufferPointer {
    fileprivate var bytes: UnsafePointer<UInt8>? { self.baseAddress?.assumingMemoryBound(to: UInt8.self) }
}

extension UnsafeMutableRawBufferPointer {
    fileprivate var bytes: UnsafeMutablePointer<UInt8>? { self.baseAddress?.assumingMemoryBound(to: UInt8.self) }
}
