// SPDX-License-Identifier: Apache-2.0

import CryptoExtras
import Foundation
import NIOCore
import WarrenTesting

@testable import WarrenJProxy

/// A session recorded from deployed peers.
struct Recording: Decodable {
    struct Entry: Decodable {
        struct Fields: Decodable {
            var type: String
            var msg: String?
            var id: UInt16?
            var port: UInt16?
            var atype: UInt8?
            var alen: UInt8?
            var addr: String?
            var status: UInt8?
            var ms: UInt16?
            var dlen: Int?
            var reason: UInt8?
            var trailing: String?
        }

        var dir: String?
        var what: String?
        var hex: String
        var plaintext: String?
        var fields: Fields?
        var note: String?
    }

    var description: String
    var rsaPrivatePkcs8: String?
    var aesKey: String?
    var messages: [Entry]
    var c2sStream: String?
    var s2cStream: String?

    static let all = [
        "accept-minor-mismatch", "probe-bad-padding", "probe-dlen-too-long", "probe-early-data",
        "probe-max-packet-255-blocks", "probe-trailing-bytes", "probe-udp-icmp-unknown", "probe-zero-blocks",
        "reject-key",
        "reject-magic", "reject-version-major", "session-full", "client-key-rejected", "client-version-rejected",
    ]

    static func load(_ name: String) throws -> Recording { try Fixture.load(name) }

    func stream(_ dir: String) -> ByteBuffer {
        ByteBuffer(hex: self.messages.filter { $0.dir == dir }.map(\.hex).joined())
    }

    /// Every packet with a plaintext.
    var packets: [Entry] { self.messages.filter { $0.plaintext != nil && $0.what != "aes_key_rsa" } }

    var sessionKey: [UInt8] { ByteBuffer(hex: self.aesKey ?? "").array }

    /// The SPKI of the recorded client.
    var publicKey: [UInt8] {
        get throws {
            let pkcs8 = ByteBuffer(hex: self.rsaPrivatePkcs8 ?? "").array
            return try Array(_RSA.Signing.PrivateKey(derRepresentation: pkcs8).publicKey.derRepresentation)
        }
    }

    /// The recorded client's key file.
    var clientKey: JProxy.ClientKey {
        get throws {
            let hash = ByteBuffer(hex: self.messages.first { $0.what == "auth_hash" }?.hex ?? "").array
            return try JProxy.ClientKey(pkcs8: ByteBuffer(hex: self.rsaPrivatePkcs8 ?? "").array, hash: hash)
        }
    }
}

/// The key files that the deployed generator wrote.
struct RecordedKeyFiles: Decodable {
    var keyDat: String
    var serverFileName: String
    var serverFile: String

    static func load() throws -> RecordedKeyFiles { try Fixture.load("keyfiles") }
    var client: JProxy.ClientKey { get throws { try JProxy.ClientKey(parsing: ByteBuffer(hex: self.keyDat)) } }
    var user: JProxy.UserFile { get throws { try JProxy.UserFile(parsing: ByteBuffer(hex: self.serverFile)) } }
}
