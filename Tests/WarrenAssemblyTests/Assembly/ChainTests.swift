// SPDX-License-Identifier: Apache-2.0

import Testing
import WarrenConfiguration
import WarrenCore
import WarrenRuntime

@testable import WarrenAssembly

@Suite struct ChainTests {
    private static let inbound = "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:0\", to: far }]\n"

    private static func socks5(_ name: String, _ through: String?) -> String {
        "  - { name: \(name), type: socks5, server: \"proxy.test\"\(through.map { ", through: \($0)" } ?? "") }\n"
    }

    @Test(
        "a circle is an error with its place",
        arguments: [["far", "far"], ["far", "b", "far"], ["far", "b", "c", "far"]])
    func circles(names: [String]) {
        let entries = zip(names, names.dropFirst()).map { Self.socks5($0, $1) }.joined()
        let (_, problems) = assemble(Self.inbound + "outbounds:\n" + entries)
        #expect(problems.count == names.count - 1)
        for name in names.dropLast() {
            #expect(problems.contains { $0.contains("\"\(name)\" would be reached through itself") })
        }
    }

    @Test("one that leads into a circle is in none")
    func behindACircle() {
        let entries = Self.socks5("far", "b") + Self.socks5("b", "c") + Self.socks5("c", "b")
        let (_, problems) = assemble(Self.inbound + "outbounds:\n" + entries)
        #expect(problems.count == 2 && !problems.contains { $0.contains("\"far\"") })
    }

    @Test(
        "only what dials a carrier is reached through something",
        arguments: [
            ("outbounds: [{ name: far, type: direct, through: direct }]", "\"far\" dials no carrier"),
            ("outbounds: [{ name: far, type: socks5, server: \"a:1\", through: fra }]", "there is no outbound \"fra\""),
            ("outbounds: [{ name: far, type: socks5, server: \"a:1\", password: x }]", "plain text"),
            ("outbounds: [{ name: far, type: socks5, server: \"a:1\", user: x }]", "\"passwordFile\" is missing"),
        ])
    func mistakes(outbounds: String, problem: String) {
        let (_, problems) = assemble(Self.inbound + outbounds)
        #expect(problems.count == 1 && problems.first?.contains(problem) == true, "\(problems)")
    }

    @Test("those that others are reached through are nearer")
    func depths() throws {
        let entries = Self.socks5("far", "b") + Self.socks5("b", "c") + Self.socks5("c", nil) + Self.socks5("d", nil)
        let findings = Findings()
        let configuration = Configuration(
            yaml: Self.inbound + "outbounds:\n" + entries, name: "a.yaml", types: Registry.types,
            environment: { _ in nil }, findings: findings)
        let chains = Chains(configuration)
        chains.check(findings)
        #expect(findings.isEmpty)
        #expect(["far", "b", "c", "d"].map { chains.depth(of: $0) } == [2, 1, 0, 0])
    }
}
