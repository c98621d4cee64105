// SPDX-License-Identifier: Apache-2.0

import Testing
import WarrenConfiguration
import WarrenCore

@testable import WarrenAssembly

@Suite struct RouteTests {
    private static let base = """
        inbounds:
          - { name: a, type: mixed, listen: "127.0.0.1:0", to: one }
          - { name: b, type: mixed, listen: "127.0.0.1:0" }
        outbounds:
          - { name: one, type: socks5, server: "proxy.test" }
          - { name: two, type: http, server: "proxy.test" }

        """

    @Test(
        "what is wrong is named",
        arguments: [
            ("{ inbound: c, to: one }", "there is no inbound \"c\""),
            ("{ to: tow }", "there is no outbound \"tow\""),
            ("{ to: [block, one] }", "\"block\" stands beside outbounds"),
            ("{ to: one, balance: first }", "there is nothing to balance"),
            ("{ to: one, port: 9-8 }", "ends before it begins"), ("{ to: one, port: 0 }", "expected a port"),
            ("{ to: one, port: 65536 }", "expected a port"), ("{ to: one, port: \"1-2-3\" }", "expected a port"),
            ("{ to: one, cidr: privat }", "is no network"),
            ("{ to: one, network: icmp }", "not one of tcp, udp"),
            ("{ cidr: public }", "the key \"to\" is missing"),
            ("{ to: one, ports: 1 }", "unknown key \"ports\""),
        ])
    func mistakes(route: String, problem: String) {
        let (_, problems) = assemble(Self.base + "routes:\n  - \(route)\n")
        #expect(problems.count == 1 && problems.first?.contains(problem) == true, "\(problems)")
    }

    @Test(
        "explains which rule a stream meets",
        arguments: [
            ("a", "www.corp.example:443", nil, "goes to two by the rule at a.yaml:8:5"),
            ("a", "10.1.2.3:443", "alice", "is blocked by the rule at a.yaml:9:5"),
            ("a", "10.1.2.3:443", nil, "goes to one, its inbound's own at a.yaml:"),
            ("b", "10.1.2.3:443", nil, "; egress refuses 10.1.2.3:443 is private"),
            ("b", "192.0.2.1:443", nil, "goes to direct, its inbound's own at a.yaml:"),
            ("b", "1.1.1.1:443", nil, "; egress allows 1.1.1.1:443 as a public address"),
            ("b", "example.net:443", nil, "; egress judges the address of example.net"),
        ] as [(String, String, String?, String)])
    func explains(inbound: String, target: String, user: String?, sentence: String) throws {
        let yaml =
            Self.base + """
                routes:
                  - { inbound: a, host: "*.corp.example", to: two }
                  - { user: alice, to: block }
                """
        let (assembly, problems) = assemble(yaml)
        #expect(problems == [])
        let explained = try #require(try assembly?.explain(inbound: inbound, target: target, user: user))
        #expect(explained.contains(sentence), "\(explained)")
    }

    @Test func doesNotExplainWhatIsNotThere() throws {
        let (assembly, _) = assemble(Self.base)
        let made = try #require(assembly)
        #expect(throws: Refusal.self) { _ = try made.explain(inbound: "c", target: "a:1", user: nil) }
        #expect(throws: Refusal.self) { _ = try made.explain(inbound: "a", target: "a", user: nil) }
    }

    @Test("rules about addresses ask for those of a name where they say so, and users may have an egress of their own")
    func resolves() throws {
        let yaml =
            Self.base + """
                routes:
                  - { inbound: b, cidr: 10.0.0.0/8, resolve: true, to: two }
                egress:
                  deny: [1.1.1.1]
                  users: { bob: { allow: [private], deny: ["10.9.0.0/16"] } }
                """
        let (assembly, problems) = assemble(yaml)
        #expect(problems == [])
        let made = try #require(assembly)
        func explain(_ target: String, _ user: String? = nil, _ addresses: [String]? = nil) throws -> String {
            try made.explain(
                inbound: "b", target: target, user: user, addresses: addresses?.compactMap { IPAddress($0) })
        }
        #expect(try explain("a.test:80").contains("asks for the address of a.test; add --resolve"))
        #expect(try explain("a.test:80", nil, ["10.1.1.1"]).contains("goes to two by the rule at a.yaml:"))
        #expect(try explain("a.test:80", nil, []).contains("a.test has no address"))
        #expect(try explain("a.test:80", nil, ["1.1.1.1"]).contains("denied by the rule 1.1.1.1 at a.yaml:"))
        #expect(try explain("192.168.1.1:80").contains("egress refuses 192.168.1.1:80 is private"))
        #expect(try explain("192.168.1.1:80", "bob").contains("egress allows 192.168.1.1:80 by private at a.yaml:"))
        #expect(try explain("1.1.1.1:80", "bob").contains("egress refuses"))
    }
}
