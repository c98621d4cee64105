// SPDX-License-Identifier: Apache-2.0

import CWarrenAES
import NIOCore
import Testing
import WarrenTesting

@testable import WarrenJProxy

/// Registers of one, two and four blocks, as far as this processor has them, say the same.
@Suite("jProxy cipher, register widths")
struct CipherWidthTests {
    typealias Transform =
        @Sendable (UnsafePointer<warren_aes128_key>?, UnsafePointer<UInt8>?, UnsafeMutablePointer<UInt8>?, Int) -> Void

    @Test(.enabled(if: warren_aes_available())) func agree() {
        var random = SeededRandom(5)
        var key = warren_aes128_key()
        warren_aes128_expand(&key, random.bytes(16).array)
        let widest = key.width
        for blocks in [0, 1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 100, 253, 255, 1000] {
            let plain = random.bytes(16 * blocks).array
            var narrow: (encrypted: [UInt8], decrypted: [UInt8])?
            for width in 0...widest {
                key.width = width
                let encrypted = Self.apply(warren_aes128_ecb_encrypt, key, plain)
                let decrypted = Self.apply(warren_aes128_ecb_decrypt, key, plain)
                #expect(Self.apply(warren_aes128_ecb_decrypt, key, encrypted) == plain)
                #expect(narrow.map { $0 == (encrypted, decrypted) } ?? true, "width \(width), \(blocks) blocks")
                narrow = narrow ?? (encrypted, decrypted)
            }
        }
    }

    /// Toward a lower address, overlapping, as far as that is promised.
    static func apply(_ transform: Transform, _ key: warren_aes128_key, _ bytes: [UInt8]) -> [UInt8] {
        var memory: [UInt8] = [0, 0, 0, 0, 0] + bytes
        memory.withUnsafeMutableBufferPointer { memory in
            guard let start = memory.baseAddress else { return }
            withUnsafePointer(to: key) { transform($0, start + 5, start, bytes.count / 16) }
        }
        return Array(memory.prefix(bytes.count))
    }
}
