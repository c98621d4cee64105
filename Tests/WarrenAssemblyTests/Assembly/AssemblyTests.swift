// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import WarrenConfiguration
import WarrenJProxy
import WarrenTesting

@testable import WarrenAssembly

/// Reads a text with the program's own types; nil, and what it says, if it is not good.
func assemble(_ yaml: String, in folder: String = "") -> (assembly: Assembly?, problems: [String]) {
    let findings = Findings()
    let configuration = Configuration(
        yaml: yaml, name: "a.yaml", folder: folder, types: Registry.types, environment: { _ in nil }, findings: findings
    )
    do throws(ConfigurationFailure) {
        return (try Assembly(configuration, findings: findings), [])
    } catch {
        return (nil, error.problems.map(\.description))
    }
}

extension Findings {
    /// All problems as they print.
    var lines: [String] { self.problems.map(\.description) }
}

@Suite struct AssemblyTests {
    @Test func aWholeConfigurationIsGood() throws {
        let folder = try TemporaryFolder()
        try JProxyKeys.write(name: "alice", to: folder.path)
        folder.write("alice.pw", "secret\n")
        folder.write("cert.pem", TestCertificates.certificate)
        folder.write("key.pem", TestCertificates.key)
        folder.write("ca.pem", TestCertificates.authority)
        let (assembly, problems) = assemble(
            """
            log: { level: debug, format: json }
            inbounds:
              - { name: a, type: mixed, listen: "127.0.0.1:0", to: far, users: { alice: { passwordFile: alice.pw } } }
              - { name: b, type: socks5, listen: "127.0.0.1:0" }
              - { name: c, type: http, listen: "127.0.0.1:0", to: out }
              - { name: d, type: forward, listen: "127.0.0.1:0", target: "127.0.0.1:1" }
              - { name: e, type: jproxy, listen: "127.0.0.1:0", users: users, tls: { cert: cert.pem, key: key.pem } }
            outbounds:
              - { name: far, type: jproxy, server: "localhost:1", key: key.dat, tls: { ca: ca.pem } }
              - { name: out, type: direct, prefer: ipv4, bind: 127.0.0.1 }
            egress: { allow: [public, loopback], deny: ["10.0.0.0/8"] }
            """,
            in: folder.path
        )
        #expect(problems == [])
        #expect(assembly?.warnings == [])
        #expect(assembly?.log.level == .debug)
    }

    @Test func everyProblemIsNamedAtOnceWithItsPlace() throws {
        let folder = try TemporaryFolder()
        let (_, problems) = assemble(
            """
            inbounds:
              - { name: a, type: mixed, listen: "127.0.0.1:0", usrs: {} }
              - { name: b, type: jproxy, listen: "127.0.0.1:0", users: nobody }
            outbounds:
              - { name: c, type: jproxy, server: "localhost:1", key: none.dat }
              - { name: d, type: direct, bind: elsewhere }
            egress: { allow: [10.0.0.0/99] }
            """,
            in: folder.path
        )
        #expect(problems.count == 5)
        #expect(problems.map { $0.prefix(9) } == (["2", "3", "5", "6", "7"].map { "a.yaml:\($0):" }))
    }

    @Test func anUnknownKeyHasItsPlaceAndANeighbour() throws {
        let (_, problems) = assemble(
            """
            inbounds:
              - name: a
                type: socks5
                lisen: 127.0.0.1:0
            """
        )
        #expect(problems.contains { $0.hasPrefix("a.yaml:4:5: ") && $0.contains("\"lisen\"") && $0.contains("listen") })
        #expect(problems.contains { $0.contains("the key \"listen\" is missing") })
    }

    @Test func aMissingKeyFileIsNamed() throws {
        let folder = try TemporaryFolder()
        let (_, problems) = assemble(
            """
            inbounds: [{ name: a, type: mixed, listen: "127.0.0.1:0", to: far }]
            outbounds:
              - name: far
                type: jproxy
                server: localhost:1
                key: none.dat
            """,
            in: folder.path
        )
        #expect(problems.count == 1)
        #expect(problems.first?.hasPrefix("a.yaml:6:10: ") == true)
        #expect(problems.first?.contains("none.dat") == true)
    }

    @Test func aUsersFolderThatIsNotThereIsNamed() throws {
        let folder = try TemporaryFolder()
        let (_, problems) = assemble(
            """
            inbounds:
              - name: a
                type: jproxy
                listen: 127.0.0.1:0
                users: nobody
            """,
            in: folder.path
        )
        #expect(
            problems == [
                "a.yaml:5:12: the folder \(folder.path)/nobody cannot be read; "
                    + "create it, or correct the path or its mode"
            ]
        )
    }

    @Test(
        "a forward to its own port is a circle",
        arguments: [
            ("127.0.0.1:7000", "127.0.0.1:7000"), (":7000", "127.0.0.1:7000"), (":7000", "localhost:7000"),
            ("127.0.0.1:7000", "localhost:7000"), ("[::1]:7000", "[::1]:7000"), ("127.0.0.1:7000", "0.0.0.0:7000"),
            ("0.0.0.0:7000", "127.0.0.1:7000"), ("192.0.2.1:7000", "192.0.2.1:7000"), ("a.test:7000", "a.test:7000"),
        ])
    func aForwardToItself(listen: String, target: String) {
        let (_, problems) = assemble(
            "inbounds: [{ name: a, type: forward, listen: \"\(listen)\", target: \"\(target)\" }]")
        #expect(problems.count == 1)
        #expect(problems.first?.contains("leads to itself: it listens on \(listen)") == true)
    }

    @Test(
        "a forward to another port or machine is none",
        arguments: [
            ("127.0.0.1:7000", "127.0.0.1:7001"), ("127.0.0.1:0", "127.0.0.1:7000"), (":7000", "192.0.2.1:7000"),
            ("127.0.0.1:7000", "127.0.0.2:7000"), ("192.0.2.1:7000", "localhost:7000"),
        ])
    func aForwardElsewhere(listen: String, target: String) {
        let (_, problems) = assemble(
            "inbounds: [{ name: a, type: forward, listen: \"\(listen)\", target: \"\(target)\" }]")
        #expect(problems == [])
    }

    @Test func aForwardNeedsATarget() {
        let (_, problems) = assemble("inbounds: [{ name: a, type: forward, listen: \"127.0.0.1:0\" }]")
        #expect(problems.count == 1)
        #expect(problems.first?.contains("the key \"target\" is missing") == true)
    }

    @Test("TLS files that are missing, no PEM, or of two pairs", arguments: ["none.pem", "text.pem", "other.pem"])
    func tlsFiles(certificate: String) throws {
        let folder = try TemporaryFolder()
        folder.write("text.pem", "not a certificate")
        folder.write("other.pem", TestCertificates.otherCertificate)
        folder.write("key.pem", TestCertificates.key)
        let (_, problems) = assemble(
            """
            inbounds:
              - name: a
                type: socks5
                listen: 127.0.0.1:0
                tls: { cert: \(certificate), key: key.pem }
            """,
            in: folder.path
        )
        #expect(problems.count == 1)
        #expect(problems.first?.hasPrefix("a.yaml:5:") == true)
        if certificate != "other.pem" { #expect(problems.first?.contains(certificate) == true) }
        if certificate == "other.pem" {
            #expect(problems.first?.contains("check that key and certificate belong together") == true)
        }
    }

    @Test func aTLSKeyThatIsNoneIsNamed() throws {
        let folder = try TemporaryFolder()
        folder.write("cert.pem", TestCertificates.certificate)
        folder.write("key.pem", TestCertificates.certificate)
        let (_, problems) = assemble(
            "inbounds: [{ name: a, type: http, listen: \"127.0.0.1:0\", tls: { cert: cert.pem, key: key.pem } }]",
            in: folder.path
        )
        #expect(problems.count == 1)
        #expect(problems.first?.contains("\(folder.path)/key.pem holds no private key, only CERTIFICATE") == true)
    }

    @Test func theExtensionIsOnOrOff() throws {
        let folder = try TemporaryFolder()
        try JProxyKeys.write(name: "alice", to: folder.path)
        func problems(_ word: String) -> [String] {
            let entry = "{ name: a, type: jproxy, listen: \"127.0.0.1:0\", users: users, extension: \(word) }"
            return assemble("inbounds:\n  - \(entry)\n", in: folder.path).problems
        }
        #expect(problems("on") == [])
        #expect(problems("off") == [])
        #expect(problems("maybe").count == 1)
    }

    @Test func listenersOnTheNetworkWithoutTLSAreWarnedOf() throws {
        let folder = try TemporaryFolder()
        try JProxyKeys.write(name: "alice", to: folder.path)
        let (assembly, problems) = assemble(
            """
            inbounds:
              - { name: a, type: socks5, listen: ":1080" }
              - { name: b, type: jproxy, listen: "192.0.2.1:1", users: users }
              - { name: c, type: http, listen: "[::1]:0" }
            outbounds:
              - { name: far, type: jproxy, server: relay.example.net, key: key.dat }
            """,
            in: folder.path
        )
        #expect(problems == [])
        let warnings = assembly?.warnings.map(\.description) ?? []
        #expect(warnings.count == 5)
        #expect(warnings.first?.hasPrefix("a.yaml:2:38: a (socks5) listens on :1080 without TLS") == true)
        #expect(
            warnings[1].contains(": a (socks5) listens on :1080 without users: everybody who reaches it may use it"))
        #expect(warnings[3].hasPrefix("a.yaml:6:"))
        #expect(warnings[3].contains(": nothing leads to the outbound \"far\"; name it under to:"))
        #expect(warnings.last?.contains(": far (jproxy) dials relay.example.net:16384 without TLS") == true)
    }
}
