// SPDX-License-Identifier: Apache-2.0

import CWarrenAES
import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenZhwkproX

@Suite("zhwkproX cipher")
struct CipherTests {
    struct Vectors: Decodable {
        struct Case: Decodable {
            var plaintext: String
            var ciphertext: String
        }

        var key: String
        var iv: String
        var cases: [Case]
    }

    static let engines = warren_aes_available() ? [true, false] : [false]

    @Test("the recorded vectors, by instructions and without", arguments: Self.engines)
    func vectors(hardware: Bool) throws {
        let vectors: Vectors = try Fixture.load("cipher")
        let key = try ZhwkproX.Key(ByteBuffer(hex: vectors.key).array, iv: ByteBuffer(hex: vectors.iv).array)
        #expect(key == .deployed)
        let cipher = MessageCipher(key, hardware: hardware)
        #expect(vectors.cases.count == 5)
        for vector in vectors.cases {
            let (plain, secret) = (ByteBuffer(hex: vector.plaintext).array, ByteBuffer(hex: vector.ciphertext).array)
            #expect(cipher.encrypted(plain) == secret)
            #expect(cipher.decrypted(secret) == plain)
        }
    }

    @Test("both engines agree on many messages at once, whole and in parts", .enabled(if: warren_aes_available()))
    func enginesAgree() throws {
        var random = SeededRandom(6)
        let key = try ZhwkproX.Key(random.bytes(16).array, iv: random.bytes(16).array)
        let (fast, slow) = (MessageCipher(key, hardware: true), MessageCipher(key, hardware: false))
        let counts = (0..<19).map { _ in Int.random(in: 0...200, using: &random) }
        let plain = random.bytes(counts.reduce(0, +)).array
        let messages = counts.reduce(into: ContiguousArray<(start: Int, count: Int)>()) {
            $0.append((start: ($0.last?.start ?? 0) + ($0.last?.count ?? 0), count: $1))
        }
        let secrets = [fast, slow].map { cipher in
            var bytes = plain
            bytes.withUnsafeMutableBytes { bytes in
                if let base = bytes.baseAddress { cipher.encrypt(messages, in: base) }
            }
            return bytes
        }
        #expect(secrets[0] == secrets[1])
        for message in messages {
            let secret = Array(secrets[0][message.start..<message.start + message.count])
            let expected = Array(plain[message.start..<message.start + message.count])
            #expect(fast.encrypted(expected) == secret)
            for cut in stride(from: 0, through: message.count, by: 16) {
                #expect(Self.decrypt(secret, cut: cut, fast) == expected)
                #expect(Self.decrypt(secret, cut: cut, slow) == expected)
            }
        }
    }

    static func decrypt(_ secret: [UInt8], cut: Int, _ cipher: MessageCipher) -> [UInt8] {
        var out = [UInt8](repeating: 0, count: secret.count)
        var chain = cipher.start
        out.withUnsafeMutableBytes { out in
            secret.withUnsafeBytes { secret in
                guard let source = secret.baseAddress, let target = out.baseAddress else { return }
                cipher.decrypt(source, to: target, count: cut, chain: &chain)
                cipher.decrypt(source + cut, to: target + cut, count: secret.count - cut, chain: &chain)
            }
        }
        return out
    }

    @Test func keysOfOtherLengthsAreRefused() {
        let good = [UInt8](repeating: 1, count: 16)
        #expect(throws: WireError(.tooShort, in: "key")) { try ZhwkproX.Key([]) }
        #expect(throws: WireError(.tooLong, in: "key")) { try ZhwkproX.Key(good + [1]) }
        #expect(throws: WireError(.tooShort, in: "iv")) { try ZhwkproX.Key(good, iv: [1]) }
    }

    @Test func aDescriptionShowsNothingOfTheKey() throws {
        let key = try ZhwkproX.Key(Array("secretsecretsecr".utf8))
        #expect("\(key)" == "a key of its own")
        #expect("\(ZhwkproX.Key.deployed)" == "the public key")
    }
}
