// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Testing
import WarrenConfiguration
import WarrenCore
import WarrenRuntime
import WarrenTesting

@testable import WarrenAssembly

@Suite struct ServicesTests {
    @Test func theLongestServiceThatFitsHasAVisitor() {
        var services = Services()
        let targets = ["dev.example": 1, "*.dev.example": 2, "a.dev.example": 3, "22": 4]
        for (key, port) in targets {
            let isGood = services.add(key, LocalService(.tcp(Host("127.0.0.1"), port: UInt16(port))))
            #expect(isGood)
        }
        for key in ["a b", "", "*.", "0", "70000.", "*.*"] {
            let isTaken = services.add(key, LocalService(.tcp(Host("127.0.0.1"), port: 9)))
            #expect(!isTaken, "\(key)")
        }
        func port(_ name: String, _ port: UInt16 = 443) -> UInt16? {
            guard case .tcp(_, let port)? = services.find(.service(name: name, port: port))?.target else { return nil }
            return port
        }
        #expect(port("dev.example") == 1 && port("x.dev.example") == 2 && port("a.dev.example") == 3)
        #expect(port("y.a.dev.example") == 3 && port("other.example") == nil)
        #expect(port("", 22) == 4 && port("", 23) == nil)
        let isAll = services.add("*", LocalService(.tcp(Host("127.0.0.1"), port: 5)))
        #expect(isAll && port("other.example") == 5 && port("", 23) == nil)
    }

    /// In a folder with a token, a certificate and secrets.
    private static func assembleAll(_ yaml: String) throws -> (assembly: Assembly?, problems: [String]) {
        let folder = try TemporaryFolder()
        folder.write("cert.pem", TestCertificates.certificate)
        folder.write("key.pem", TestCertificates.key)
        folder.write("token", "a.b.c\n")
        folder.write("secret", "0123456789abcdef0123456789abcdef\n")
        return assemble(yaml, in: folder.path)
    }

    private static func device(_ services: String) -> String {
        """
        inbounds:
          - name: dev
            type: mproxy
            relay: [wss://relay.example, wss://other.example:8443]
            lanes: 3
            tokenFile: token
            services:
              \(services)
        """
    }

    @Test(
        "targets and blocks are services",
        arguments: [
            "dev.example: 127.0.0.1:80", "dev.example: unix:/run/web.sock", "dev.example: { target: unix:web.sock }",
            "dev.example: { target: localhost:80, host: localhost, forwarded: true, proxyProtocol: v1 }",
            "\"22\": { target: localhost:22, proxyProtocol: v2 }",
            "dev.example: { target: localhost:80, tls: { cert: cert.pem, key: key.pem }, forwarded: false }",
        ])
    func good(services: String) throws {
        let (assembly, problems) = try Self.assembleAll(Self.device(services))
        #expect(problems == [] && assembly != nil)
    }

    @Test(
        "what is wrong with a service is told with its place",
        arguments: [
            ("dev.example: 80", "8:20: \"80\" is only a port"), ("dev.example: {}", "the key \"target\" is missing"),
            ("dev.example: [a]", "a target such as 127.0.0.1:8080 or unix:/run/web.sock, or a block with a target"),
            ("dev.example: { target: localhost:80, hosts: a }", "unknown key \"hosts\""),
            ("dev.example: { target: localhost:80, tls: true }", "a listener with TLS needs a certificate"),
            ("dev.example: { target: localhost:80, tls: { cert: cert.pem } }", "the key \"key\" is missing"),
            ("dev.example: { target: localhost:80, host: a b }", "\"a b\" does not name a host"),
            ("dev.example: { target: localhost:80, proxyProtocol: v3 }", "is not one of v1, v2"),
            ("dev.example: { target: localhost:80, forwarded: maybe }", "expected true or false"),
            ("dev_example..: localhost:80", "is neither a name nor a port"),
            ("dev.example: unix:\(String(repeating: "a", count: 200))", "is too long for a socket"),
        ])
    func problems(services: String, sentence: String) throws {
        let (_, problems) = try Self.assembleAll(Self.device(services))
        #expect(problems.count == 1, "\(problems)")
        #expect(problems.first?.contains(sentence) == true, "\(problems)")
    }

    private static func relay(_ inbound: String, _ outbound: String) -> String {
        """
        inbounds:
          - { name: all, type: public, to: devices, \(inbound) }
          - { name: other, type: mixed, listen: "127.0.0.1:0" }
        outbounds:
          - { name: devices, type: mproxy, secretFile: secret, \(outbound) }
        """
    }

    @Test func aRelaySharesItsPort() throws {
        let tls = "tls: { cert: cert.pem, key: key.pem }"
        for keys in ["host: relay.example", "host: [relay.example, a.example], \(tls)"] {
            let (assembly, problems) = try Self.assembleAll(
                Self.relay("listen: \"127.0.0.1:443\"", "sharedWith: all, \(keys)"))
            #expect(problems == [] && assembly != nil)
        }
    }

    @Test(
        "what cannot be shared is told",
        arguments: [
            ("sharedWith: all", "the key \"host\" is missing"),
            ("sharedWith: other, host: relay.example", "name a public inbound that leads to: devices"),
            ("sharedWith: all, host: relay.example, listen: \":1\"", "the port is that of another inbound"),
            ("sharedWith: none, host: relay.example", "there is no inbound \"none\""),
            ("host: relay.example, listen: \"127.0.0.1:443\"", "write sharedWith: all in its place"),
            ("sharedWith: all, host: a b", "is no host name"),
        ])
    func badShares(outbound: String, sentence: String) throws {
        let (_, problems) = try Self.assembleAll(Self.relay("listen: \"127.0.0.1:443\"", outbound))
        #expect(problems.count == 1, "\(problems)")
        #expect(problems.first?.contains(sentence) == true, "\(problems)")
    }

    @Test func aProcessOfADeviceNamesItselfAndNothingElseIsTakenForIt() {
        let instance = DeviceInstance()
        #expect(DeviceInstance(instance.text)?.text == instance.text && instance.text != DeviceInstance().text)
        for text in ["", "x", "a b", String(repeating: "a", count: 65), "é"] { #expect(DeviceInstance(text) == nil) }
    }
}
