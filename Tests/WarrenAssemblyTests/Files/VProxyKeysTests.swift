// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import WarrenConfiguration
import WarrenSecureDatagrams
import WarrenTesting

@testable import WarrenAssembly

private func mode(of path: String) throws -> Int? {
    try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
}

private func text(_ path: String) throws -> String { try String(contentsOfFile: path, encoding: .utf8) }

@Suite struct VProxyKeysTests {
    @Test func writesAPairWhoseHalvesBelongTogether() throws {
        let folder = try TemporaryFolder()
        let written = try VProxyKeys.write(name: "laptop", to: folder.path)
        let publicFile = try #require(written.publicFile)
        #expect(written.keyFile == "\(folder.path)/laptop.key" && publicFile == "\(folder.path)/laptop.pub")
        #expect(try mode(of: written.keyFile) == 0o600)
        let key = try SecureDatagrams.PrivateKey(parsing: text(written.keyFile))
        #expect(try SecureDatagrams.PublicKey(parsing: text(publicFile)) == key.publicKey)
        #expect(try VProxyKeys.publicKeys(at: folder.path) == [key.publicKey])
    }

    @Test func writesOneSecretForBoth() throws {
        let folder = try TemporaryFolder()
        let written = try VProxyKeys.write(name: "both", isShared: true, to: folder.path)
        #expect(written.publicFile == nil)
        #expect(try mode(of: written.keyFile) == 0o600)
        _ = try SecureDatagrams.SharedKey(parsing: text(written.keyFile))
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["both.key"])
    }

    @Test func neverOverwritesAndLeavesNothingBehind() throws {
        let folder = try TemporaryFolder()
        try VProxyKeys.write(name: "laptop", to: folder.path)
        let before = try text("\(folder.path)/laptop.key")
        let error = #expect(throws: KeyFileFailure.self) { try VProxyKeys.write(name: "laptop", to: folder.path) }
        #expect(
            error?.description
                == "\(folder.path)/laptop.key is there already; move it away, or choose another folder with --out")
        #expect(try text("\(folder.path)/laptop.key") == before)
        try FileManager.default.removeItem(atPath: "\(folder.path)/laptop.key")
        #expect(throws: KeyFileFailure.self) { try VProxyKeys.write(name: "laptop", to: folder.path) }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["laptop.pub"])
    }

    @Test(arguments: ["", ".", "../laptop", "a/b"]) func refusesWhatIsNoNameOfAFile(name: String) throws {
        let folder = try TemporaryFolder()
        #expect(throws: KeyFileFailure.self) { try VProxyKeys.write(name: name, to: folder.path) }
    }

    @Test func namesTheDamagedFileInAFolder() throws {
        let folder = try TemporaryFolder()
        try VProxyKeys.write(name: "laptop", to: folder.path)
        folder.write("phone.pub", "hunter2")
        let refusal = #expect(throws: Refusal.self) { try VProxyKeys.publicKeys(at: folder.path) }
        #expect(
            refusal?.what
                == "holds phone.pub, which is not the key that is wanted here: it does not begin with "
                + "warren-vproxy-public:")
    }

    @Test func warnsOfReadersOnlyWhereThereIsNoKey() throws {
        let folder = try TemporaryFolder()
        try VProxyKeys.write(name: "both", isShared: true, to: folder.path)
        for (key, count) in [("", 2), (", key: both.key", 0)] {
            let (assembly, problems) = assemble(
                """
                inbounds:
                  - { name: in, type: vproxy, listen: ":1080", target: "127.0.0.1:22"\(key) }
                  - { name: door, type: forward, listen: "127.0.0.1:1", to: far }
                outbounds: [{ name: far, type: vproxy, server: "relay.example.net:8443"\(key) }]
                """, in: folder.path)
            #expect(problems == [])
            #expect(assembly?.warnings.filter { $0.description.contains("without TLS") }.count == count)
        }
    }
}
