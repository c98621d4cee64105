// SPDX-License-Identifier: Apache-2.0

import CryptoExtras
import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenJProxy

@Suite("jProxy key files")
struct KeyFileTests {
    @Test func readsAndWritesWhatTheDeployedGeneratorWrote() throws {
        let files = try RecordedKeyFiles.load()
        let (client, user) = (try files.client, try files.user)
        #expect(client.serialized().hex == files.keyDat)
        #expect(user.serialized().hex == files.serverFile)
        #expect(user.name == "alice")
        #expect("users/\(user.fileName)" == files.serverFileName)
        #expect(client.hash == user.hash)
    }

    @Test func documentDialectIsLittleEndian() throws {
        let files = try RecordedKeyFiles.load()
        let client = try files.client.serialized(.document)
        #expect(client.getInteger(at: 0, endianness: .little, as: UInt32.self) == 1216)
        #expect(try JProxy.ClientKey(parsing: client, dialect: .document) == files.client)
        let user = try files.user.serialized(.document)
        #expect(try JProxy.UserFile(parsing: user, dialect: .document) == files.user)
        #expect(throws: WireError(.tooShort, in: "privateKey")) { try JProxy.ClientKey(parsing: client) }
    }

    @Test func namesTheFieldThatIsWrong() throws {
        let files = try RecordedKeyFiles.load()
        let key = ByteBuffer(hex: files.keyDat)
        let user = ByteBuffer(hex: files.serverFile)
        func cut(_ bytes: ByteBuffer, _ count: Int) -> ByteBuffer { bytes.getSlice(at: 0, length: count) ?? bytes }
        #expect(throws: WireError(.tooShort, in: "key.length")) { try JProxy.ClientKey(parsing: cut(key, 3)) }
        #expect(throws: WireError(.tooShort, in: "privateKey")) { try JProxy.ClientKey(parsing: cut(key, 900)) }
        #expect(throws: WireError(.tooShort, in: "hash")) { try JProxy.ClientKey(parsing: cut(key, 1230)) }
        #expect(throws: WireError(.tooLong, in: "key")) {
            try JProxy.ClientKey(parsing: ByteBuffer(hex: key.hex + "00"))
        }
        #expect(throws: WireError(.badValue, in: "privateKey")) {
            try JProxy.ClientKey(pkcs8: [1, 2, 3], hash: Array(repeating: 0, count: 32))
        }
        #expect(throws: WireError(.tooShort, in: "name")) { try JProxy.UserFile(parsing: cut(user, 6)) }
        #expect(throws: WireError(.tooShort, in: "salt")) { try JProxy.UserFile(parsing: cut(user, 200)) }
        #expect(throws: WireError(.tooShort, in: "publicKey")) { try JProxy.UserFile(parsing: cut(user, 500)) }
        #expect(throws: WireError(.tooLong, in: "user")) {
            try JProxy.UserFile(parsing: ByteBuffer(hex: user.hex + "00"))
        }
        var broken = user
        broken.setInteger(UInt8(0xFF), at: 2)
        #expect(throws: WireError(.badValue, in: "name")) { try JProxy.UserFile(parsing: broken) }
        broken = user
        broken.setInteger(UInt8(0x31), at: 263)
        #expect(throws: WireError(.badValue, in: "publicKey")) { try JProxy.UserFile(parsing: broken) }
    }

    @Test func refusesOtherKeySizes() throws {
        let key = try _RSA.Signing.PrivateKey(unsafeKeySize: .init(bitCount: 1024))
        #expect(throws: WireError(.badValue, in: "privateKey")) {
            try JProxy.ClientKey(pkcs8: Array(key.pkcs8DERRepresentation), hash: Array(repeating: 0, count: 32))
        }
        #expect(throws: WireError.self) { try JProxy.RSAKeys.checkPublic(Array(key.publicKey.derRepresentation)) }
    }

    @Test func generatesPairsThatWork() throws {
        var random = SeededRandom(3)
        let pair = try JProxy.KeyPair.generate(name: "bob \u{0}é\u{1F600}", using: &random)
        #expect(try JProxy.ClientKey(parsing: pair.client.serialized()) == pair.client)
        #expect(try JProxy.UserFile(parsing: pair.user.serialized()) == pair.user)
        var system: any RandomNumberGenerator & Sendable = SystemRandomNumberGenerator()
        let key = JProxy.SessionKey.random(using: &system)
        let encrypted = try #require(JProxy.SessionKey.encrypt(key, publicKey: pair.user.publicKey))
        #expect(encrypted.count == 256)
        #expect(JProxy.SessionKey.decrypt(encrypted, privateKey: pair.client.pkcs8, using: &system) == key)
    }

    @Test func badCiphertextGivesARandomKeyInsteadOfAnError() throws {
        let files = try RecordedKeyFiles.load()
        let substitute = Array(UInt8(1)...16)
        func decrypt(_ bytes: [UInt8]) throws -> [UInt8] {
            var random: any RandomNumberGenerator & Sendable = ScriptedRandom(bytes: substitute)
            return JProxy.SessionKey.decrypt(bytes, privateKey: try files.client.pkcs8, using: &random)
        }
        #expect(try decrypt(Array(repeating: 9, count: 256)) == substitute)
        #expect(try decrypt([]) == substitute)
        let long = JProxy.SessionKey.encrypt(Array(repeating: 7, count: 17), publicKey: try files.user.publicKey)
        #expect(try decrypt(try #require(long)) == substitute)
    }

    @Test(
        "modified UTF-8",
        arguments: [
            ("alice", "616c696365"), ("\u{0}", "c080"), ("é€", "c3a9e282ac"), ("\u{1F600}", "eda0bdedb880"), ("", ""),
        ])
    func modifiedUTF8(text: String, hex: String) {
        var bytes = ByteBuffer()
        bytes.writeModifiedUTF8(text)
        #expect(bytes.hex == hex)
        #expect(bytes.modifiedUTF8Text == text)
        #expect(text.modifiedUTF8Count == bytes.readableBytes)
    }

    @Test(
        "refuses what Java would not write",
        arguments: ["00", "c1bf", "80", "c3", "e28241", "eda0bd", "f09f9880", "e08080"])
    func badModifiedUTF8(hex: String) { #expect(ByteBuffer(hex: hex).modifiedUTF8Text == nil) }
}
