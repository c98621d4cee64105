// SPDX-License-Identifier: Apache-2.0

import CWarrenAES
import Crypto
import CryptoExtras
import NIOCore
import Testing
import WarrenTesting

@Suite("AES-128-ECB by instructions", .enabled(if: warren_aes_available()))
struct CWarrenAESTests {
    static func key(_ bytes: [UInt8]) -> warren_aes128_key {
        var key = warren_aes128_key()
        warren_aes128_expand(&key, bytes)
        return key
    }

    static func encrypt(_ key: warren_aes128_key, _ plain: [UInt8]) -> [UInt8] {
        var out = [UInt8](repeating: 0xEE, count: plain.count)
        withUnsafePointer(to: key) { warren_aes128_ecb_encrypt($0, plain, &out, plain.count / 16) }
        return out
    }

    static func decrypt(_ key: warren_aes128_key, _ cipher: [UInt8]) -> [UInt8] {
        var out = [UInt8](repeating: 0xEE, count: cipher.count)
        withUnsafePointer(to: key) { warren_aes128_ecb_decrypt($0, cipher, &out, cipher.count / 16) }
        return out
    }

    /// The same by another implementation.
    static func reference(_ key: [UInt8], _ plain: [UInt8]) throws -> [UInt8] {
        try stride(from: 0, to: plain.count, by: 16).flatMap { start in
            var block = Array(plain[start..<start + 16])
            try AES.permute(&block, key: SymmetricKey(data: key))
            return block
        }
    }

    @Test(
        "FIPS-197 appendix B and C.1, SP 800-38A F.1.1",
        arguments: [
            (
                "2b7e151628aed2a6abf7158809cf4f3c", "3243f6a8885a308d313198a2e0370734",
                "3925841d02dc09fbdc118597196a0b32"
            ),
            (
                "000102030405060708090a0b0c0d0e0f", "00112233445566778899aabbccddeeff",
                "69c4e0d86a7b0430d8cdb78070b4c55a"
            ),
            (
                "2b7e151628aed2a6abf7158809cf4f3c",
                "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
                    + "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710",
                "3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf"
                    + "43b1cd7f598ece23881b00e3ed0306887b0c785e27e8ad3f8223207104725dd4"
            ),
        ])
    func knownAnswers(key: String, plain: String, cipher: String) {
        let key = Self.key(ByteBuffer(hex: key).array)
        #expect(ByteBuffer(bytes: Self.encrypt(key, ByteBuffer(hex: plain).array)).hex == cipher)
        #expect(ByteBuffer(bytes: Self.decrypt(key, ByteBuffer(hex: cipher).array)).hex == plain)
    }

    @Test func agreesWithAnotherImplementationAtEveryLength() throws {
        var random = SeededRandom(1)
        for blocks in Array(0...40) + [127, 255, 300] {
            let bytes = random.bytes(16).array
            let key = Self.key(bytes)
            let plain = random.bytes(16 * blocks).array
            let cipher = Self.encrypt(key, plain)
            #expect(try cipher == Self.reference(bytes, plain))
            #expect(Self.decrypt(key, cipher) == plain)
        }
    }

    @Test("works in place and toward lower addresses at any distance", arguments: 0...35)
    func overlapping(blocks: Int) {
        var random = SeededRandom(UInt64(blocks))
        let key = Self.key(random.bytes(16).array)
        let plain = random.bytes(16 * blocks).array
        let cipher = Self.encrypt(key, plain)
        for distance in [0, 1, 5, 15, 16, 17, 100, 127, 128, 129] {
            for isEncryption in [true, false] {
                var memory = [UInt8](repeating: 0, count: distance) + (isEncryption ? plain : cipher)
                memory.withUnsafeMutableBufferPointer { memory in
                    guard let start = memory.baseAddress else { return }
                    withUnsafePointer(to: key) { key in
                        let transform = isEncryption ? warren_aes128_ecb_encrypt : warren_aes128_ecb_decrypt
                        transform(key, start + distance, start, blocks)
                    }
                }
                #expect(Array(memory.prefix(16 * blocks)) == (isEncryption ? cipher : plain), "distance \(distance)")
            }
        }
    }

    @Test func padsHeaderAndDataOfEveryLength() {
        var random = SeededRandom(7)
        let key = Self.key(random.bytes(16).array)
        for header in [0, 1, 4, 5, 15, 16] {
            for count in Array(0...200) + [4074] {
                let head = random.bytes(header).array
                let data = random.bytes(count).array
                let padding = 16 - (header + count) % 16
                let plain = head + data + [UInt8](repeating: UInt8(padding), count: padding)
                var out = [UInt8](repeating: 0xEE, count: plain.count + 1)
                let written = withUnsafePointer(to: key) {
                    warren_aes128_ecb_encrypt_padded($0, head, header, data, count, &out)
                }
                #expect(written == plain.count)
                #expect(out.removeLast() == 0xEE)
                #expect(out == Self.encrypt(key, plain))
            }
        }
    }
}
