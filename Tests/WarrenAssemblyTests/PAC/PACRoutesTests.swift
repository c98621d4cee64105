// SPDX-License-Identifier: Apache-2.0

import Testing
import WarrenCore
import WarrenWebSocks

@testable import WarrenAssembly
@testable import WarrenRuntime

@Suite("what browsers are told of routes") struct PACRoutesTests {
    private static let proxy = [WebSocks.PACFile.Way.socks5(Host("127.0.0.1"), port: 1080)]

    /// The rules of the file, a line each.
    private static func told(_ routes: String, lastIsDirect: Bool = false) throws -> [String] {
        let (assembly, problems) = assemble(
            """
            inbounds: [{ name: a, type: mixed, listen: "127.0.0.1:1080", to: o }]
            outbounds: [{ name: o, type: socks5, server: "127.0.0.1:1" }]
            routes:
            \(routes)
            """)
        #expect(problems == [])
        let rules = Assembly.rules(for: "a", try #require(assembly).routes)
        let direct = DirectOutbound(name: "direct", dialer: Dialer(resolver: SystemResolver(), policy: EgressPolicy()))
        let other = Router([], [:], last: direct)
        let signposts = Signposts(rules, ["direct": direct, "o": other], last: lastIsDirect ? direct : other)
        return WebSocks.PACFile(through: Self.proxy, following: signposts).rules.map { rule in
            let way = rule.ways == [.direct] ? "direct" : "proxy"
            switch rule.pattern {
            case .any: return "any \(way)"
            case .suffix(let name): return "under \(name) \(way)"
            case .wildcard(let text): return "\(text) \(way)"
            case .network(let address, let length): return "\(address)/\(length) \(way)"
            }
        }
    }

    @Test func namesAndNetworksThatLeadToDirectAreDirect() throws {
        let told = try Self.told(
            """
              - { host: [example.net, "*.example.net"], to: direct }
              - { cidr: [10.0.0.0/8, loopback], to: direct }
              - { host: far.example, to: o }
            """)
        #expect(
            told == [
                "example.net direct", "*.example.net direct", "10.0.0.0/8 direct", "127.0.0.0/8 direct",
                "::1/128 direct",
                "far.example proxy", "any proxy",
            ])
    }

    @Test("what depends on more than the host goes to the inbound, which knows it")
    func unsureIsProxy() throws {
        #expect(try Self.told("  - { host: a.test, user: bob, to: direct }") == ["a.test proxy", "any proxy"])
        #expect(try Self.told("  - { host: a.test, port: 443, to: direct }") == ["a.test proxy", "any proxy"])
        #expect(try Self.told("  - { host: \"a.test:443\", to: direct }") == ["a.test proxy", "any proxy"])
        #expect(try Self.told("  - { host: a.test, to: [direct, o] }") == ["a.test proxy", "any proxy"])
        #expect(try Self.told("  - { host: a.test, to: block }") == ["a.test proxy", "any proxy"])
        #expect(
            try Self.told("  - { cidr: public, to: direct }") == ["0.0.0.0/0 proxy", "::/0 proxy", "any proxy"])
        // Any name may have such an address, and what comes behind the rule is not sure either.
        #expect(
            try Self.told(
                """
                  - { cidr: 10.0.0.0/8, resolve: true, to: o }
                  - { host: a.test, to: direct }
                """, lastIsDirect: true) == ["10.0.0.0/8 proxy", "any proxy"])
        #expect(
            try Self.told(
                """
                  - { user: bob, to: o }
                  - { host: a.test, to: direct }
                """, lastIsDirect: true) == ["any proxy"])
    }

    @Test func theLastWayIsTheInboundsOwn() throws {
        let rule = "  - { host: a.test, to: o }"
        #expect(try Self.told(rule, lastIsDirect: true) == ["a.test proxy", "any direct"])
        // No browser sends a datagram.
        #expect(try Self.told("  - { network: udp, to: direct }") == ["any proxy"])
    }

    @Test func aListOfItsOwnIsAllThatGoesThroughTheInbound() throws {
        let rules = try ["*.corp.example", "10.0.0.0/8"].map { try EgressRule($0) }
        let file = WebSocks.PACFile(through: Self.proxy, rules)
        let network = try #require(IPAddress("10.0.0.0"))
        #expect(
            file
                == WebSocks.PACFile([
                    .init(.wildcard("*.corp.example"), Self.proxy), .init(.network(network, length: 8), Self.proxy),
                ]))
    }
}
