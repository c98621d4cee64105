// SPDX-License-Identifier: Apache-2.0

import Testing
import WarrenCore

@testable import WarrenWebSocks

@Suite("WebSocks PAC files") struct PACFileTests {
    private typealias File = WebSocks.PACFile

    @Test func everyPatternBecomesACondition() throws {
        let proxy = [
            File.Way.socks5(Host("127.0.0.1"), port: 1080), .http(Host("proxy.example"), port: 8080),
            .https(Host("tls.example"), port: 443), .direct,
        ]
        let file = File([
            .init(.suffix(".Example.net"), proxy), .init(.wildcard("*.Test"), []),
            .init(.network(try #require(IPAddress("10.0.0.0")), length: 8), [.direct]),
            .init(.network(try #require(IPAddress("fc00::")), length: 7), [.direct]), .init(.any, [proxy[0]]),
        ])
        let script = try file.script()
        let expected = #"""
            function FindProxyForURL(url, host) {
              host = host.toLowerCase().replace(/\.$/, "");
              if (host === "example.net" || dnsDomainIs(host, ".example.net")) return "SOCKS5 127.0.0.1:1080; \#
            PROXY proxy.example:8080; HTTPS tls.example:443; DIRECT";
              if (shExpMatch(host, "*.test")) return "DIRECT";
              if (/^[0-9]+(\.[0-9]+){3}$/.test(host) && isInNet(host, "10.0.0.0", "255.0.0.0")) return "DIRECT";
              if (host.indexOf(":") >= 0 && typeof isInNetEx === "function" && isInNetEx(host, "fc00::/7")) \#
            return "DIRECT";
              if (true) return "SOCKS5 127.0.0.1:1080";
              return "DIRECT";
            }

            """#
        #expect(script == expected)
    }

    @Test func nothingEndsAString() {
        #expect(File.quoted("a\"b\\c</script>\n\u{2028}") == #""a\"b\\c\u003c/script\u003e\u000a\u2028""#)
    }

    @Test func namesAndLengthsThatCouldMeanMoreAreRefused() throws {
        let odd = File([.init(.any, [.socks5(.name("a; DIRECT"), port: 1)])])
        #expect(throws: WireError(.badValue, in: "pac.proxy")) { try odd.script() }
        for length in [-1, 33] {
            let file = File([.init(.network(try #require(IPAddress("10.0.0.0")), length: length), [])])
            #expect(throws: WireError(.badValue, in: "pac.network")) { try file.script() }
        }
    }
}
