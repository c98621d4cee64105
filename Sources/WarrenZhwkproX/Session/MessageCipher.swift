// SPDX-License-Identifier: Apache-2.0

import CWarrenAES
import Crypto
import CryptoExtras
import NIOCore

/// The key of a tunnel, expanded: AES-128-CFB128, started again for every message.
///
/// A class only so that copies of a machine share one schedule, which is wiped when the last one goes.
final class MessageCipher: @unchecked Sendable {
    // Sendable: nothing is written after `init`, neither here nor behind the pointer.
    /// Sixteen bytes: the vector, or the ciphertext that a message is continued behind.
    typealias Block = SIMD16<UInt8>

    private enum Engine {
        /// By the processor's AES instructions.
        case hardware(UnsafeMutablePointer<warren_aes128_key>)
        /// Slow, correct, everywhere.
        case portable(SymmetricKey)
    }

    /// What a message is encrypted from.
    let start: Block
    private let engine: Engine

    init(_ key: ZhwkproX.Key, hardware: Bool = warren_aes_available()) {
        var start = Block()
        for (index, byte) in key.iv.enumerated() { start[index] = byte }
        self.start = start
        if hardware {
            let schedule = UnsafeMutablePointer<warren_aes128_key>.allocate(capacity: 1)
            schedule.initialize(to: warren_aes128_key())
            warren_aes128_expand(schedule, key.bytes)
            self.engine = .hardware(schedule)
        } else {
            self.engine = .portable(SymmetricKey(data: key.bytes))
        }
    }

    deinit {
        guard case .hardware(let schedule) = self.engine else { return }
        UnsafeMutableRawBufferPointer(start: schedule, count: MemoryLayout<warren_aes128_key>.size)
            .initializeMemory(as: UInt8.self, repeating: 0)
        schedule.deallocate()
    }

    /// Decrypts the next part of a message to a place that does not overlap it.
    ///
    /// - Parameters:
    ///   - count: a multiple of 16, unless the message ends with it.
    ///   - chain: ``start``, or what the part before left here.
    func decrypt(_ source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, count: Int, chain: inout Block) {
        switch self.engine {
        case .hardware(let schedule):
            withUnsafeBytes(of: chain) { chain in
                warren_aes128_cfb_decrypt(
                    schedule, chain.baseAddress?.assumingMemoryBound(to: UInt8.self),
                    source.assumingMemoryBound(to: UInt8.self), target.assumingMemoryBound(to: UInt8.self), count)
            }
        case .portable(let key):
            var stream = chain
            for offset in 0..<count {
                if offset % 16 == 0 { stream = Self.permute(chain, key) }
                let byte = source.load(fromByteOffset: offset, as: UInt8.self)
                chain[offset % 16] = byte
                target.storeBytes(of: byte ^ stream[offset % 16], toByteOffset: offset, as: UInt8.self)
            }
        }
        if count >= 16 { chain = source.loadUnaligned(fromByteOffset: count - 16, as: Block.self) }
    }

    /// Encrypts messages where they stand, several at once.
    ///
    /// - Parameter messages: where each begins behind `bytes`, and how long it is; none reaches into another.
    func encrypt(_ messages: ContiguousArray<(start: Int, count: Int)>, in bytes: UnsafeMutableRawPointer) {
        switch self.engine {
        case .hardware(let schedule):
            withUnsafeTemporaryAllocation(of: warren_aes128_message.self, capacity: messages.count) { list in
                for (index, message) in messages.enumerated() {
                    let place = (bytes + message.start).assumingMemoryBound(to: UInt8.self)
                    list.initializeElement(at: index, to: warren_aes128_message(bytes: place, length: message.count))
                }
                withUnsafeBytes(of: self.start) { start in
                    warren_aes128_cfb_encrypt_each(
                        schedule, start.baseAddress?.assumingMemoryBound(to: UInt8.self), list.baseAddress,
                        messages.count)
                }
            }
        case .portable(let key):
            for message in messages { self.encrypt(bytes + message.start, count: message.count, key) }
        }
    }

    /// A small message of its own: the login's.
    func encrypted(_ plain: [UInt8]) -> [UInt8] {
        var bytes = plain
        bytes.withUnsafeMutableBytes {
            if let base = $0.baseAddress { self.encrypt([(0, $0.count)], in: base) }
        }
        return bytes
    }

    func decrypted(_ cipher: [UInt8]) -> [UInt8] {
        var chain = self.start
        var plain = cipher
        plain.withUnsafeMutableBytes { plain in
            cipher.withUnsafeBytes { cipher in
                guard let source = cipher.baseAddress, let target = plain.baseAddress else { return }
                self.decrypt(source, to: target, count: cipher.count, chain: &chain)
            }
        }
        return plain
    }

    private func encrypt(_ bytes: UnsafeMutableRawPointer, count: Int, _ key: SymmetricKey) {
        var chain = self.start
        var stream = chain
        for offset in 0..<count {
            if offset % 16 == 0 { stream = Self.permute(chain, key) }
            let byte = bytes.load(fromByteOffset: offset, as: UInt8.self) ^ stream[offset % 16]
            chain[offset % 16] = byte
            bytes.storeBytes(of: byte, toByteOffset: offset, as: UInt8.self)
        }
    }

    private static func permute(_ block: Block, _ key: SymmetricKey) -> Block {
        var block = block
        withUnsafeMutableBytes(of: &block) { bytes in
            var bytes = bytes
            do {
                try AES.permute(&bytes, key: key)
            } catch {
                preconditionFailure("a block of 16 bytes was refused")  // only wrong sizes are, and the size is ours
            }
        }
        return block
    }
}
