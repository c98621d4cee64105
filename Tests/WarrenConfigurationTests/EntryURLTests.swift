// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import WarrenConfiguration

@Suite struct EntryURLTests {
    @Test func readsAProxyBehindAnother() throws {
        let (configuration, findings) = makeConfiguration(
            listen: ["mixed://127.0.0.1:1080", "mixed://[::1]:0?name=six"],
            forward: "socks5://relay.example.net:1080?user=alice&password-file=alice%2Epw"
        )
        #expect(configuration.inbounds.map(\.name) == ["mixed", "six"])
        #expect(configuration.inbounds.map(\.to?.value) == ["forward", "forward"])
        #expect(configuration.inbounds[1].section.required("listen", .listenAddress)?.description == "[::1]:0")
        let forward = try #require(configuration.outbounds.first)
        #expect(forward.name == "forward")
        #expect(forward.section.required("server", .target)?.description == "relay.example.net:1080")
        #expect(forward.section.required("user", .string) == "alice")
        #expect(forward.section.required("passwordFile", .path) == "alice.pw")
        forward.section.finish()
        #expect(configuration.inbounds[0].section.contains("listen"))
        #expect(findings.isEmpty)
    }

    @Test("reads both forms of a forward", arguments: ["?target=host:80", "/host:80", "?target=host%3A80"])
    func readsBothFormsOfAForward(rest: String) {
        let (configuration, findings) = makeConfiguration(listen: ["forward://:8080\(rest)"])
        #expect(configuration.inbounds.first?.section.required("target", .target)?.description == "host:80")
        #expect(configuration.inbounds.first?.section.required("listen", .listenAddress)?.description == ":8080")
        #expect(configuration.inbounds.first?.to == nil)
        #expect(findings.isEmpty)
    }

    @Test func putsTheAddressWhereTheTypeWantsIt() {
        let (configuration, findings) = makeConfiguration(
            listen: ["zhwkprox://a:1", "jet://b:2", "jet+relay://c:3", "pair://d:4"], forward: "direct://"
        )
        #expect(configuration.inbounds.map { $0.section.optional("dial", .string) } == ["a:1", nil])
        #expect(configuration.inbounds[1].section.required("relay", .string) == "b:2")
        #expect(configuration.relays.map { $0.section.required("listen", .string) } == ["c:3", "d:4"])
        #expect(configuration.outbounds.map(\.type) == ["direct"])
        #expect(findings.isEmpty)
    }

    @Test(
        "reads TLS settings", arguments: ["socks5+tls://a:1", "socks5://a:1?tls=true", "SOCKS5+TLS://a:1?tls=true"]
    )
    func readsTLS(url: String) {
        let (configuration, findings) = makeConfiguration(listen: ["mixed://:1"], forward: url)
        #expect(configuration.outbounds.first?.section.tls(for: .client)?.verifies == true)
        #expect(findings.isEmpty)
    }

    @Test func readsKeysUnderKeys() {
        let (configuration, findings) = makeConfiguration(
            listen: ["mixed://:1?users.bob-a.password-file=x&allow=a&allow=b"],
            forward: "socks5+tls://a:1?tls.server-name=example.net&tls.verify=false"
        )
        let tls = configuration.outbounds.first?.section.tls(for: .client)
        #expect(tls?.serverName?.value == "example.net")
        #expect(tls?.verifies == false)
        let inbound = configuration.inbounds.first?.section
        #expect(inbound?.sections("users")?.first?.name.value == "bob-a")
        #expect(inbound?.sections("users")?.first?.section.optional("passwordFile", .path) == "x")
        #expect(inbound?.required("allow", .list(.string)) == ["a", "b"])
        #expect(findings.isEmpty)
    }

    @Test(
        "refuses what is not an entry",
        arguments: [
            ("1080", "-L 1: this is not a URL; write type://host:port, such as mixed://127.0.0.1:1080"),
            (
                "socks5://bob:hunter2@a:1?x=y",
                "-L 1 (socks5://…@a:1?…): a user or a password does not belong here, where every process sees it; "
                    + "write ?users.NAME.password-file=FILE"
            ),
            ("mixed://:1#x", "-L 1 (mixed://:1?…): # has no meaning in this URL; write %23 for the character"),
            (
                "mixed://:1?a=%zz",
                "-L 1 (mixed://:1?…): a % must be followed by two hexadecimal digits; write %25 for the character"
            ),
            (
                "mixed://:1?a=%ff",
                "-L 1 (mixed://:1?…): the percent codes do not give UTF-8 text; "
                    + "write the characters themselves"
            ),
            (
                "mixed://:1?a",
                "-L 1 (mixed://:1?…): every part of the query needs a key and a value; write key=value&key=value"
            ),
            ("mixed+tsl://:1", "-L 1 (mixed+tsl://:1): the type has an unknown suffix +tsl; nearest known suffix: tls"),
            ("mixt://:1", "-L 1 (mixt://:1): there is no inbound of type \"mixt\"; nearest known type: mixed"),
            ("mixed://:1/x", "-L 1 (mixed://:1/x): the type mixed takes no path in its URL; use keys in the query"),
            (
                "mixed://:1?listen=:2",
                "-L 1 (mixed://:1?…) listen: the key \"listen\" is already given by the rest of the URL; "
                    + "remove it from the query"
            ),
            ("mixed://:1?to=x", "-L 1 (mixed://:1?…) to: there is no outbound \"x\"; known outbounds: direct"),
        ]
    )
    func refusesWhatIsNotAnEntry(url: String, problem: String) {
        #expect(makeConfiguration(listen: [url]).1.lines == [problem])
    }

    @Test func reportsProblemsOfKeysWithTheirKey() {
        let (configuration, findings) = makeConfiguration(
            listen: ["mixed://:99999?idle=soon&lingr=1s&password=hunter2", "mixed://"]
        )
        for entry in configuration.inbounds {
            _ = entry.section.required("listen", .listenAddress)
            _ = entry.section.optional("idle", .duration)
            _ = entry.section.optional("linger", .duration)
            _ = entry.section.secret("password")
            entry.section.finish()
        }
        #expect(
            findings.lines.sorted() == [
                "-L 1 (mixed://:99999?…) idle: expected a duration such as 10s, found \"soon\"",
                "-L 1 (mixed://:99999?…) lingr: unknown key \"lingr\"; nearest known key: linger",
                "-L 1 (mixed://:99999?…) password: a secret does not belong here in plain text; "
                    + "write it into a file and name that as passwordFile",
                "-L 1 (mixed://:99999?…): \":99999\" does not end in a port; "
                    + "write a port from 0 to 65535 after the colon",
                "-L 2 (mixed://): the key \"listen\" is missing; "
                    + "expected an address to listen on such as 127.0.0.1:1080",
            ]
        )
    }

    @Test func wantsSomethingToListenOn() {
        let expected = "-L: there is nothing to listen on; give one, such as -L mixed://127.0.0.1:1080"
        #expect(makeConfiguration(listen: []).1.lines == [expected])
        let (configuration, findings) = makeConfiguration(listen: ["mixed://:1"], forward: "nonsense")
        #expect(findings.lines == ["-F: this is not a URL; write type://host:port, such as mixed://127.0.0.1:1080"])
        #expect(configuration.inbounds.count == 1)
    }

    @Test func severalForwardsAreAChain() {
        let (configuration, findings) = makeConfiguration(
            listen: ["mixed://:1"], forward: "socks5://a:1", "http://b:2", "socks5://c:3")
        #expect(findings.isEmpty)
        #expect(configuration.outbounds.map(\.name) == ["forward-1", "forward-2", "forward"])
        #expect(configuration.outbounds.map(\.through?.value) == [nil, "forward-1", "forward-2"])
        #expect(configuration.inbounds.first?.to?.value == "forward")
    }
}
