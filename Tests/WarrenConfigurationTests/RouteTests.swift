// SPDX-License-Identifier: Apache-2.0

import Testing
import WarrenCore
import WarrenRuntime

@testable import WarrenConfiguration

@Suite struct RouteTests {
    private static let base = """
        inbounds:
          - { name: a, type: mixed, listen: "127.0.0.1:0", to: one }
          - { name: b, type: mixed, listen: "127.0.0.1:0" }
        outbounds:
          - { name: one, type: socks5, server: "proxy.test" }
          - { name: two, type: http, server: "proxy.test" }

        """

    @Test func readsEveryKey() throws {
        let (configuration, findings) = makeConfiguration(
            Self.base + """
                routes:
                  - { inbound: a, user: [alice, bob], host: "*.corp.example", cidr: "10.0.0.0/8:22", port: [443, 8000-8999],
                      network: tcp, to: [two, direct], balance: roundRobin }
                  - { to: block }
                """)
        #expect(findings.isEmpty, "\(findings.lines)")
        let rule = try #require(configuration.routes.first?.rule)
        #expect(rule.place == "a.yaml:8:5")
        #expect(rule.users == ["alice", "bob"] && rule.network == .tcp)
        #expect(rule.destinations?.map(\.description) == ["*.corp.example", "10.0.0.0/8:22"])
        #expect(rule.ports == [443...443, 8000...8999])
        #expect(rule.target == .outbounds(["two", "direct"], .roundRobin))
        #expect(configuration.routes.map { $0.concerns("a") } == [true, true])
        #expect(configuration.routes.map { $0.concerns("b") } == [false, true])
        #expect(configuration.routes.last?.rule.target == .block)
    }
}
