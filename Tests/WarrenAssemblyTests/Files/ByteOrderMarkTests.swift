// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import WarrenConfiguration
import WarrenTesting

@testable import WarrenAssembly

/// Some editors and shells begin a file with a byte order mark, or write UTF-16.
@Suite("byte order marks") struct ByteOrderMarkTests {
    /// A configuration with one file of each kind, as it is written and what it holds.
    struct Kind: CustomTestStringConvertible, Sendable {
        let file: String
        let text: String
        let yaml: String
        var testDescription: String { self.file }
    }

    private static let mixed = "inbounds: [{ type: mixed, listen: \"127.0.0.1:0\" }]\n"
    private static let publicKey = """
        -----BEGIN PUBLIC KEY-----
        MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEew4FrrZrf+AfvwUa+CDkj2web0OL
        DSPBrgaNAaMCN9Ur2cHSNIinFZfwX3XrjUPVWmHx5ZW2xtmrWaElbwUOhQ==
        -----END PUBLIC KEY-----

        """

    private static func tls(_ cert: String, _ key: String, _ ca: String) -> String {
        "inbounds: [{ type: mixed, listen: \"127.0.0.1:0\", tls: { cert: \(cert), key: \(key), ca: \(ca) } }]\n"
    }

    static let kinds = [
        Kind(
            file: "password of a user", text: "hunter2\r\n",
            yaml: "inbounds: [{ type: mixed, listen: \"127.0.0.1:0\", users: { alice: { passwordFile: FILE } } }]\n"),
        Kind(
            file: "password for a proxy", text: "hunter2\n",
            yaml: mixed + "outbounds: [{ type: http, server: \"127.0.0.1:1\", user: alice, passwordFile: FILE }]\n"),
        Kind(
            file: "key of zhwkproX", text: "0123456789abcdef\n",
            yaml: "inbounds: [{ type: zhwkprox, dial: localhost, secretKeyFile: FILE }]\n"),
        Kind(
            file: "token of a device", text: "a.b.c\n",
            yaml:
                "inbounds: [{ type: mproxy, relay: \"wss://localhost\", tokenFile: FILE, services: { x.example: \"127.0.0.1:1\" } }]\n"
        ),
        Kind(
            file: "token of calls", text: "sesame\n",
            yaml: "relays: [{ type: jet, listen: \"127.0.0.1:0\", tokenFile: FILE }]\n"),
        Kind(
            file: "secret that signs tokens", text: String(repeating: "s", count: 32) + "\n",
            yaml: mixed + "outbounds: [{ type: mproxy, listen: \"127.0.0.1:0\", secretFile: FILE }]\n"),
        Kind(
            file: "public key of tokens", text: publicKey,
            yaml: mixed + "outbounds: [{ type: mproxy, listen: \"127.0.0.1:0\", publicKeyFile: FILE }]\n"),
        Kind(file: "certificate", text: TestCertificates.certificate, yaml: Self.tls("FILE", "key.pem", "ca.pem")),
        Kind(file: "private key", text: TestCertificates.key, yaml: Self.tls("cert.pem", "FILE", "ca.pem")),
        Kind(file: "authority", text: TestCertificates.authority, yaml: Self.tls("cert.pem", "key.pem", "FILE")),
    ]

    private static func folder(_ kind: Kind, _ bytes: Data) throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        folder.write("cert.pem", TestCertificates.certificate)
        folder.write("key.pem", TestCertificates.key)
        folder.write("ca.pem", TestCertificates.authority)
        let path = folder.write("FILE", "")
        try bytes.write(to: URL(fileURLWithPath: path))
        return folder
    }

    @Test("UTF-8 with a mark is read as without", arguments: kinds) func marked(kind: Kind) throws {
        for start in ["", "\u{FEFF}"] {
            let folder = try Self.folder(kind, Data((start + kind.text).utf8))
            #expect(assemble(kind.yaml, in: folder.path).problems == [])
        }
    }

    @Test("UTF-16 is named, and nothing of the content is shown", arguments: kinds) func wide(kind: Kind) throws {
        for (encoding, start) in [
            (String.Encoding.utf16LittleEndian, "\u{FEFF}"), (.utf16BigEndian, "\u{FEFF}"), (.utf16LittleEndian, ""),
        ] {
            let folder = try Self.folder(kind, try #require((start + kind.text).data(using: encoding)))
            let problems = assemble(kind.yaml, in: folder.path).problems
            #expect(problems.first?.contains("FILE") == true)
            #expect(problems.first?.hasSuffix(" is UTF-16 text; save it as UTF-8") == true, "\(problems)")
            #expect(!problems.joined().contains(kind.text.prefix(7)))
        }
    }

    @Test("a secret is what stands behind the mark") func secret() throws {
        let folder = try TemporaryFolder()
        folder.write("pw", "\u{FEFF}hunter2\n")
        let findings = Findings()
        let place = Place(argument: "x", position: 0)
        let node = ConfigNode(.scalar(.init("pw", isQuoted: true)), at: place)
        let section = Section(
            ConfigNode(.map([.init("file", at: place, node)]), at: place), folder: folder.path, findings: findings)
        #expect(section.required("file", .secretFile)?.text == "hunter2")
    }

    @Test("the file of an association in UTF-16 is named as such, and so is one that holds something else")
    func announcedOtherwise() throws {
        let folder = try TemporaryFolder()
        let file = AnnounceFile(path: folder.write("at", ""))
        let wide = try #require("\u{FEFF}e6ec698c-5793-4c63-af79-bd644ccf022f\n".data(using: .utf16LittleEndian))
        for (bytes, sentence) in [
            (wide, "is UTF-16 text; save it as UTF-8"),
            (Data("hello\n".utf8), "holds no association in its first line; write there what the accepter was told"),
        ] {
            try bytes.write(to: URL(fileURLWithPath: file.path))
            let refusal = #expect(throws: Refusal.self) { try file.read() }
            #expect(refusal.map(file.sentence) == "there is no association: \(file.path) \(sentence)")
        }
    }

    @Test("the file in which an association was announced may have a mark") func announced() throws {
        let folder = try TemporaryFolder()
        let id = "e6ec698c-5793-4c63-af79-bd644ccf022f"
        let path = folder.write("at", "\u{FEFF}\(id)\nrelay.example.net:8080\n")
        #expect(try AnnounceFile(path: path).read().association.uuidString.lowercased() == id)
    }
}
