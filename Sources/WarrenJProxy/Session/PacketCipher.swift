// SPDX-License-Identifier: Apache-2.0

import CWarrenAES
import Crypto
import CryptoExtras
import NIOCore

/// The session key, expanded: AES-128-ECB with PKCS#7, the packets of one tunnel in both directions.
///
/// A class only so that copies of a machine share one schedule, which is wiped when the last one goes.
/// `@unchecked`: nothing is written after `init`.
final class PacketCipher: @unchecked Sendable {
    private enum Engine {
        /// By the processor's AES instructions.
        case hardware(UnsafeMutablePointer<warren_aes128_key>)
        /// Slow, correct, everywhere.
        case portable(SymmetricKey)
    }

    private let engine: Engine

    /// - Parameter key: 16 bytes.
    init(key: some Collection<UInt8>, hardware: Bool = warren_aes_available()) {
        precondition(key.count == JProxy.Login.sessionKey)
        if hardware {
            let schedule = UnsafeMutablePointer<warren_aes128_key>.allocate(capacity: 1)
            schedule.initialize(to: warren_aes128_key())
            let bytes = ContiguousArray(key)
            bytes.withUnsafeBufferPointer { warren_aes128_expand(schedule, $0.baseAddress) }
            self.engine = .hardware(schedule)
        } else {
            self.engine = .portable(SymmetricKey(data: Array(key)))
        }
    }

    deinit {
        guard case .hardware(let schedule) = self.engine else { return }
        UnsafeMutableRawBufferPointer(start: schedule, count: MemoryLayout<warren_aes128_key>.size)
            .initializeMemory(as: UInt8.self, repeating: 0)
        schedule.deallocate()
    }

    /// Decrypts `blocks` times 16 bytes to a place that does not overlap them.
    @inline(__always)
    func decrypt(_ source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, blocks: Int) {
        switch self.engine {
        case .hardware(let schedule):
            warren_aes128_ecb_decrypt(
                schedule, source.assumingMemoryBound(to: UInt8.self), target.assumingMemoryBound(to: UInt8.self), blocks
            )
        case .portable(let key):
            target.copyMemory(from: source, byteCount: 16 * blocks)
            Self.permute(target, blocks: blocks) { try AES.inversePermute(&$0, key: key) }
        }
    }

    /// Encrypts `blocks` times 16 bytes where they stand.
    func encrypt(_ bytes: UnsafeMutableRawPointer, blocks: Int) {
        switch self.engine {
        case .hardware(let schedule):
            let bytes = bytes.assumingMemoryBound(to: UInt8.self)
            warren_aes128_ecb_encrypt(schedule, bytes, bytes, blocks)
        case .portable(let key):
            Self.permute(bytes, blocks: blocks) { try AES.permute(&$0, key: key) }
        }
    }

    /// Encrypts `head ‖ data ‖ padding` from where the data lies.
    ///
    /// - Returns: the bytes written to `target`: the next multiple of 16 above `5 + count`.
    @inline(__always)
    func encrypt(
        head: (UInt8, UInt8, UInt8, UInt8, UInt8), _ data: UnsafeRawPointer, count: Int,
        to target: UnsafeMutableRawPointer
    ) -> Int {
        withUnsafeBytes(of: head) { head in
            switch self.engine {
            case .hardware(let schedule):
                return warren_aes128_ecb_encrypt_padded(
                    schedule, head.baseAddress?.assumingMemoryBound(to: UInt8.self), head.count,
                    data.assumingMemoryBound(to: UInt8.self), count, target.assumingMemoryBound(to: UInt8.self))
            case .portable:
                let blocks = (head.count + count) / 16 + 1
                let padding = 16 * blocks - head.count - count
                let plain = UnsafeMutableRawBufferPointer(start: target, count: 16 * blocks)
                plain.copyMemory(from: head)
                target.advanced(by: head.count).copyMemory(from: data, byteCount: count)
                for index in (head.count + count)..<plain.count { plain[index] = UInt8(truncatingIfNeeded: padding) }
                self.encrypt(target, blocks: blocks)
                return 16 * blocks
            }
        }
    }

    private static func permute(
        _ bytes: UnsafeMutableRawPointer, blocks: Int,
        _ permutation: (inout UnsafeMutableRawBufferPointer) throws -> Void
    ) {
        for index in 0..<blocks {
            var block = UnsafeMutableRawBufferPointer(start: bytes + 16 * index, count: 16)
            do {
                try permutation(&block)
            } catch {
                preconditionFailure("a block of 16 bytes was refused")  // only wrong sizes are, and the sizes are ours
            }
        }
    }
}

/// The measures of a packet, in bytes: `n u8 | ciphertext 16n`.
enum Packet {
    static let mostBlocks = 255
    static let mostBytes = 1 + 16 * mostBlocks
    /// A message of a full packet, at least one byte of padding taken off.
    static let mostMessage = 16 * mostBlocks - 1
    /// `type u8 | id u16 | length u16`
    static let dataHead = 5
    /// Payload of a full TCP or UDP message.
    static let mostData = mostMessage - dataHead

    /// The length of a decrypted message without its padding; nil if the padding is wrong.
    @inline(__always)
    static func messageLength(_ plain: UnsafeRawPointer, blocks: Int) -> Int? {
        let end = plain + 16 * blocks
        let padding = end.load(fromByteOffset: -1, as: UInt8.self)
        guard padding >= 1, padding <= 16 else { return nil }
        // Whole words, of which the last bytes count: all padding bytes are looked at, whatever they say.
        let expected = UInt64(padding) &* 0x0101_0101_0101_0101
        let low = UInt64(littleEndian: end.loadUnaligned(fromByteOffset: -16, as: UInt64.self)) ^ expected
        let high = UInt64(littleEndian: end.loadUnaligned(fromByteOffset: -8, as: UInt64.self)) ^ expected
        let bits = 8 * UInt64(padding)
        let isHighWrong = high & ~(.max >> bits)
        let isLowWrong = bits <= 64 ? 0 : low & ~(.max >> (bits - 64))
        guard isHighWrong | isLowWrong == 0 else { return nil }
        return 16 * blocks - Int(padding)
    }
}
