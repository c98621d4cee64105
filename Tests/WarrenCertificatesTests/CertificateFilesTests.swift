// SPDX-License-Identifier: Apache-2.0

import Crypto
import Foundation
import NIOSSL
import SwiftASN1
import Testing
import X509

@testable import WarrenCertificates

@Suite struct CertificateFilesTests {
    /// A new folder that is removed when the value goes.
    final class Folder {
        let path = FileManager.default.temporaryDirectory.appending(path: "warren-\(UUID().uuidString)").path
        deinit { try? FileManager.default.removeItem(atPath: self.path) }

        func text(_ name: String) throws -> String {
            try String(contentsOfFile: "\(self.path)/\(name)", encoding: .utf8)
        }

        func mode(_ name: String) throws -> Int {
            let facts = try FileManager.default.attributesOfItem(atPath: "\(self.path)/\(name)")
            return (facts[.posixPermissions] as? NSNumber)?.intValue ?? 0
        }

        var names: [String] { ((try? FileManager.default.contentsOfDirectory(atPath: self.path)) ?? []).sorted() }
    }

    private let folder = Folder()
    private let now = Date(timeIntervalSince1970: 1_800_000_000)

    private func certificate(_ name: String) throws -> Certificate {
        try Certificate(pemEncoded: try self.folder.text(name))
    }

    @Test func namesTheHostItsAddressesAndWhatItIsFor() throws {
        let names = ["Relay.Example.net", "192.0.2.7", "2001:db8::1", "b\u{fc}cher.example", "relay.example.net"]
        let files = try CertificateFiles.write(names: names, to: self.folder.path, now: self.now)
        #expect(
            self.folder.names == ["authority.crt", "authority.key", "relay.example.net.crt", "relay.example.net.key"])
        #expect(files.authorityIsNew)
        let certificate = try self.certificate("relay.example.net.crt")
        let addresses: [[UInt8]] = [
            [192, 0, 2, 7], [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
        ]
        let expected: [GeneralName] = [
            .dnsName("relay.example.net"), .ipAddress(ASN1OctetString(contentBytes: addresses[0][...])),
            .ipAddress(ASN1OctetString(contentBytes: addresses[1][...])), .dnsName("xn--bcher-kva.example"),
        ]
        #expect(try certificate.extensions.subjectAlternativeNames.map(Array.init) == expected)
        #expect(try certificate.extensions.basicConstraints == .notCertificateAuthority)
        #expect(try certificate.extensions.keyUsage == KeyUsage(digitalSignature: true))
        #expect(try certificate.extensions.extendedKeyUsage == ExtendedKeyUsage([.serverAuth, .clientAuth]))
        #expect(certificate.notValidBefore == self.now - 3600)
        #expect(certificate.notValidAfter == self.now + 825 * 86_400)
        #expect(files.end == certificate.notValidAfter)
        #expect(certificate.signatureAlgorithm == .ecdsaWithSHA256)
    }

    @Test func theAuthoritySignsHostsAndNothingElse() throws {
        _ = try CertificateFiles.write(names: ["relay.example.net"], to: self.folder.path, now: self.now)
        let authority = try self.certificate("authority.crt")
        let certificate = try self.certificate("relay.example.net.crt")
        #expect(authority.publicKey.isValidSignature(certificate.signature, for: certificate))
        #expect(authority.publicKey.isValidSignature(authority.signature, for: authority))
        #expect(certificate.issuer == authority.subject)
        #expect(try authority.extensions.basicConstraints == .isCertificateAuthority(maxPathLength: 0))
        #expect(try authority.extensions.keyUsage == KeyUsage(keyCertSign: true, cRLSign: true))
        #expect(
            try authority.extensions.subjectKeyIdentifier?.keyIdentifier
                == certificate.extensions.authorityKeyIdentifier?.keyIdentifier)
        #expect(authority.notValidAfter == self.now + 3650 * 86_400)
    }

    @Test func keysAreForTheirOwnerOnlyAndBelongToTheirCertificates() throws {
        _ = try CertificateFiles.write(names: ["relay"], to: self.folder.path, now: self.now)
        for name in ["relay", "authority"] {
            #expect(try self.folder.mode("\(name).key") == 0o600)
            let key = try P256.Signing.PrivateKey(pemRepresentation: try self.folder.text("\(name).key"))
            #expect(try self.certificate("\(name).crt").publicKey == Certificate.PublicKey(key.publicKey))
        }
        #expect(try self.folder.mode("relay.crt") == 0o644)
    }

    @Test func theTLSLibraryTakesThem() throws {
        let files = try CertificateFiles.write(names: ["relay", "192.0.2.7"], to: self.folder.path, now: self.now)
        let chain = try NIOSSLCertificate.fromPEMFile(files.certificate)
        #expect(chain.count == 1)
        #expect(chain.first?._subjectAlternativeNames().count == 2)
        var server = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) },
            privateKey: .privateKey(try NIOSSLPrivateKey(file: files.key, format: .pem)))
        server.trustRoots = .file(files.authority)
        server.certificateVerification = .noHostnameVerification
        _ = try NIOSSLContext(configuration: server)
    }

    @Test func anAuthorityThatIsThereSignsFurtherCertificates() throws {
        _ = try CertificateFiles.write(names: ["relay"], to: self.folder.path, now: self.now)
        let before = try self.folder.text("authority.crt")
        let later = self.now + 3600 * 86_400
        let files = try CertificateFiles.write(names: ["laptop"], to: self.folder.path, now: later)
        #expect(!files.authorityIsNew)
        #expect(try self.folder.text("authority.crt") == before)
        let authority = try self.certificate("authority.crt")
        let certificate = try self.certificate("laptop.crt")
        #expect(authority.publicKey.isValidSignature(certificate.signature, for: certificate))
        #expect(certificate.notValidAfter == authority.notValidAfter, "nothing outlives its authority")
        #expect(try self.certificate("relay.crt").serialNumber != certificate.serialNumber)
    }

    @Test("nothing is overwritten, and nothing is left of what failed", arguments: ["relay.key", "relay.crt"])
    func neverOverwrites(name: String) throws {
        try FileManager.default.createDirectory(atPath: self.folder.path, withIntermediateDirectories: true)
        try "mine".write(toFile: "\(self.folder.path)/\(name)", atomically: false, encoding: .utf8)
        #expect(throws: CertificateFailure.self) {
            try CertificateFiles.write(names: ["relay"], to: self.folder.path, now: self.now)
        }
        #expect(self.folder.names == [name])
        #expect(try self.folder.text(name) == "mine")
    }

    @Test func anAuthorityWithoutItsKeyIsNoReasonToMakeAnother() throws {
        _ = try CertificateFiles.write(names: ["relay"], to: self.folder.path, now: self.now)
        try FileManager.default.removeItem(atPath: "\(self.folder.path)/authority.key")
        let failure = #expect(throws: CertificateFailure.self) {
            try CertificateFiles.write(names: ["laptop"], to: self.folder.path, now: self.now)
        }
        #expect(failure?.description.contains("but not \(self.folder.path)/authority.key") == true)
        #expect(!self.folder.names.contains("laptop.key"))
    }

    @Test("an authority with a byte order mark signs as without, and UTF-16 is named")
    func marks() throws {
        _ = try CertificateFiles.write(names: ["relay"], to: self.folder.path, now: self.now)
        for name in ["authority.crt", "authority.key"] {
            let file = URL(fileURLWithPath: "\(self.folder.path)/\(name)")
            try Data("\u{FEFF}\(try self.folder.text(name))".utf8).write(to: file)
        }
        let files = try CertificateFiles.write(names: ["laptop"], to: self.folder.path, now: self.now)
        #expect(!files.authorityIsNew)
        let text = try self.folder.text("authority.key")
        let wide = try #require(text.data(using: .utf16LittleEndian))
        try wide.write(to: URL(fileURLWithPath: "\(self.folder.path)/authority.key"))
        let failure = #expect(throws: CertificateFailure.self) {
            try CertificateFiles.write(names: ["phone"], to: self.folder.path, now: self.now)
        }
        #expect(failure?.description == "\(self.folder.path)/authority.key is UTF-16 text; save it as UTF-8")
    }

    @Test("what is no file is told of and not waited for", .timeLimit(.minutes(1)), arguments: ["crt", "key"])
    func pipes(ending: String) throws {
        _ = try CertificateFiles.write(names: ["relay"], to: self.folder.path, now: self.now)
        let path = "\(self.folder.path)/authority.\(ending)"
        try FileManager.default.removeItem(atPath: path)
        try #require(mkfifo(path, 0o600) == 0)
        let failure = #expect(throws: CertificateFailure.self) {
            try CertificateFiles.write(names: ["laptop"], to: self.folder.path, now: self.now)
        }
        #expect(failure?.description == "\(path) is no regular file; put a file in its place")
        #expect(!self.folder.names.contains("laptop.key"))
    }

    @Test func anAuthorityThatCannotSignIsSaidToBeSo() throws {
        _ = try CertificateFiles.write(names: ["relay"], to: self.folder.path, now: self.now)
        let other = Folder()
        _ = try CertificateFiles.write(names: ["relay"], to: other.path, now: self.now)
        let (certificate, key) = (try self.folder.text("authority.crt"), try self.folder.text("authority.key"))
        let cases: [(String, String, Date, String)] = [
            ("nonsense", key, self.now, "no certificate"), (certificate, "nonsense", self.now, "no P-256 key"),
            (certificate, try other.text("authority.key"), self.now, "do not belong together"),
            (try self.folder.text("relay.crt"), try self.folder.text("relay.key"), self.now, "of an authority"),
            (certificate, key, self.now + 3651 * 86_400, "not valid today"),
        ]
        for (certificate, key, now, part) in cases {
            let failure = #expect(throws: CertificateFailure.self) {
                try CertificateAuthority(certificate: certificate, key: key, now: now)
            }
            #expect(failure?.description.contains(part) == true, "\(part)")
        }
    }

    @Test(
        "what is no host name and no address is refused",
        arguments: ["", "relay:443", "https://relay", "[::1]", "*.example.net", "a b", "../relay", "authority", "a..b"])
    func refusesOtherNames(name: String) {
        #expect(throws: CertificateFailure.self) {
            try CertificateFiles.write(names: [name], to: self.folder.path, now: self.now)
        }
        #expect(self.folder.names.isEmpty)
    }

    @Test func aLongNameStandsWhereItHasRoom() throws {
        let long = String(repeating: "a", count: 60) + ".example.net"
        _ = try CertificateFiles.write(names: [long], to: self.folder.path, now: self.now)
        let certificate = try self.certificate("\(long).crt")
        #expect(try certificate.extensions.subjectAlternativeNames.map(Array.init) == [.dnsName(long)])
    }
}
