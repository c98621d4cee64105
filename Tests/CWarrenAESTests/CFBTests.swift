// SPDX-License-Identifier: Apache-2.0

import CWarrenAES
import Crypto
import CryptoExtras
import NIOCore
import Testing
import WarrenTesting

@Suite("AES-128-CFB128 by instructions", .enabled(if: warren_aes_available()))
struct CFBTests {
    static let iv = Array(UInt8(0)...15)

    static func encrypt(_ key: warren_aes128_key, iv: [UInt8] = Self.iv, _ plain: [UInt8]) -> [UInt8] {
        var bytes = plain
        withUnsafePointer(to: key) { key in
            bytes.withUnsafeMutableBufferPointer { bytes in
                warren_aes128_cfb_encrypt(key, iv, bytes.baseAddress, bytes.baseAddress, bytes.count)
            }
        }
        return bytes
    }

    /// - Parameter isInPlace: otherwise into other memory, behind which nothing may be written.
    static func decrypt(
        _ key: warren_aes128_key, iv: [UInt8] = Self.iv, _ cipher: [UInt8], isInPlace: Bool = true
    ) -> [UInt8] {
        var bytes = cipher
        guard isInPlace else {
            var out = [UInt8](repeating: 0xEE, count: cipher.count + 1)
            withUnsafePointer(to: key) { warren_aes128_cfb_decrypt($0, iv, cipher, &out, cipher.count) }
            #expect(out.removeLast() == 0xEE)
            return out
        }
        withUnsafePointer(to: key) { key in
            bytes.withUnsafeMutableBufferPointer { bytes in
                warren_aes128_cfb_decrypt(key, iv, bytes.baseAddress, bytes.baseAddress, bytes.count)
            }
        }
        return bytes
    }

    /// Messages of these lengths side by side, a byte apart, and what became of that byte.
    static func encryptEach(_ key: warren_aes128_key, _ messages: [[UInt8]]) -> [[UInt8]] {
        var memory = Array(messages.map { $0 + [0xEE] }.joined())
        memory.withUnsafeMutableBufferPointer { memory in
            guard var place = memory.baseAddress else { return }
            let list = messages.map { (message: [UInt8]) -> warren_aes128_message in
                defer { place += message.count + 1 }
                return warren_aes128_message(bytes: place, length: message.count)
            }
            withUnsafePointer(to: key) { warren_aes128_cfb_encrypt_each($0, Self.iv, list, list.count) }
        }
        var start = 0
        return messages.map { (message: [UInt8]) -> [UInt8] in
            defer { start += message.count + 1 }
            #expect(memory[start + message.count] == 0xEE)
            return Array(memory[start..<start + message.count])
        }
    }

    /// The same by another implementation of AES, one block after the other.
    static func reference(_ key: [UInt8], iv: [UInt8] = Self.iv, _ plain: [UInt8]) throws -> [UInt8] {
        var chain = iv
        return try stride(from: 0, to: plain.count, by: 16).flatMap { start -> [UInt8] in
            var stream = chain
            try AES.permute(&stream, key: SymmetricKey(data: key))
            let block = zip(plain[start..<min(start + 16, plain.count)], stream).map { $0 ^ $1 }
            chain = block
            return block
        }
    }

    @Test func knownAnswersOfSP800_38AF3_13AndF3_14() {
        let key = CWarrenAESTests.key(ByteBuffer(hex: "2b7e151628aed2a6abf7158809cf4f3c").array)
        let plain = ByteBuffer(
            hex: "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
                + "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
        ).array
        let cipher = ByteBuffer(
            hex: "3b3fd92eb72dad20333449f8e83cfb4ac8a64537a0b3a93fcde3cdad9f1ce58b"
                + "26751f67a3cbb140b1808cf187a4f4dfc04b05357c5d1c0eeac4c66f9ff7f2e6"
        ).array
        #expect(Self.encrypt(key, plain) == cipher)
        #expect(Self.encryptEach(key, [plain]) == [cipher])
        #expect(Self.decrypt(key, cipher) == plain)
        #expect(Self.decrypt(key, cipher, isInPlace: false) == plain)
    }

    @Test func agreesWithAnotherImplementationAtEveryLength() throws {
        var random = SeededRandom(3)
        for count in Array(0...70) + [127, 128, 129, 1023, 1024, 1025, 1039, 1040, 1041, 2047, 2064, 4100] {
            let bytes = random.bytes(16).array
            let iv = random.bytes(16).array
            let key = CWarrenAESTests.key(bytes)
            let plain = random.bytes(count).array
            let cipher = Self.encrypt(key, iv: iv, plain)
            #expect(try cipher == Self.reference(bytes, iv: iv, plain))
            #expect(Self.decrypt(key, iv: iv, cipher) == plain)
            #expect(Self.decrypt(key, iv: iv, cipher, isInPlace: false) == plain)
        }
    }

    @Test func encryptsMessagesSideBySideAsOneByOne() {
        var random = SeededRandom(4)
        let key = CWarrenAESTests.key(random.bytes(16).array)
        for count in 0...20 {
            for most in [0, 15, 16, 40, 600] {
                let messages = (0..<count).map { _ in random.bytes(Int.random(in: 0...most, using: &random)).array }
                #expect(Self.encryptEach(key, messages) == messages.map { Self.encrypt(key, $0) })
            }
            let equal = (0..<count).map { _ in random.bytes(8 * 16 + count).array }
            #expect(Self.encryptEach(key, equal) == equal.map { Self.encrypt(key, $0) })
        }
    }

    @Test func decryptsInPartsThatEndAtBlocks() {
        var random = SeededRandom(5)
        let key = CWarrenAESTests.key(random.bytes(16).array)
        let plain = random.bytes(1500).array
        let cipher = Self.encrypt(key, plain)
        for cut in stride(from: 16, to: 1500, by: 16) {
            let first = Self.decrypt(key, Array(cipher[..<cut]))
            let rest = Self.decrypt(key, iv: Array(cipher[cut - 16..<cut]), Array(cipher[cut...]))
            #expect(first + rest == plain)
        }
    }
}
