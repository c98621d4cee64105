// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore

@testable import WarrenConfiguration

private enum Mode: String, CaseIterable {
    case auto
    case tls
    case tcp
}

@Suite struct ValueKindTests {
    /// What reading `k: text` as a kind reports, without the place.
    private func problem<Value>(_ text: String, _ kind: ValueKind<Value>) -> String {
        let section = makeSection("k: \(text)\n")
        guard section.required("k", kind) == nil else { return "fine" }
        let lines = section.findings.lines
        guard lines.count == 1, lines[0].hasPrefix("a.yaml:1:4: ") else { return "\(lines)" }
        return String(lines[0].dropFirst("a.yaml:1:4: ".count))
    }

    private func value<Value>(_ text: String, _ kind: ValueKind<Value>) -> Value? {
        makeSection("k: \(text)\n").required("k", kind)
    }

    @Test func readsWords() {
        #expect(self.value("x y", .string) == "x y")
        #expect(self.value("12", .string) == "12")
        #expect(self.problem("''", .string) == "\"\" holds no text")
        #expect(self.problem("~", .string) == "expected a text, found nothing")
        #expect(self.problem("[a]", .string) == "expected a text, found a list")
        #expect(self.problem("{ a: 1 }", .string) == "expected a text, found a map of keys")
        #expect(self.value("büro-2", .name) == "büro-2")
        let hint = "use 1 to 64 letters, digits, dashes, dots and underscores"
        #expect(self.problem("a b", .name) == "\"a b\" is not a name; \(hint)")
        #expect(self.value("tls", .oneOf(Mode.self)) == .tls)
        #expect(self.problem("tsl", .oneOf(Mode.self)) == "\"tsl\" is not one of auto, tls, tcp; nearest: tls")
        #expect(self.problem("xyz", .oneOf(["a", "bc"])) == "\"xyz\" is not one of a, bc")
    }

    @Test func readsTruthAndNumbers() {
        #expect(self.value("true", .bool) == true)
        #expect(self.value("\"false\"", .bool) == false)
        #expect(self.problem("yes", .bool) == "expected true or false, found \"yes\"; write true")
        #expect(self.problem("2", .bool) == "expected true or false, found \"2\"")
        #expect(self.value("-3", .int(in: -5...5)) == -3)
        #expect(self.problem("6", .int(in: 1...5)) == "expected a whole number from 1 to 5, found \"6\"")
        #expect(self.problem("+1", .int(in: 1...(.max))) == "expected a whole number of 1 or more, found \"+1\"")
        #expect(self.problem("99999999999999999999", .int(in: 1...5)).hasPrefix("expected"))
        #expect(self.value("65535", .port) == 65535)
        #expect(self.problem("0", .port) == "expected a port from 1 to 65535, found \"0\"")
        #expect(self.problem("65536", .port) == "expected a port from 1 to 65535, found \"65536\"")
    }

    @Test(
        "reads durations",
        arguments: [
            ("250ms", 250_000_000), ("10s", 10_000_000_000), ("5m", 300_000_000_000), ("1h", 3_600_000_000_000),
            ("1h30m", 5_400_000_000_000), ("7us", 7_000), ("1d", 86_400_000_000_000),
        ] as [(String, Int64)]
    )
    func readsDurations(text: String, nanoseconds: Int64) {
        #expect(self.value(text, .duration) == .nanoseconds(nanoseconds))
    }

    @Test func refusesOtherDurations() {
        #expect(self.value("0", .durationOrZero) == .zero)
        #expect(self.value("0s", .durationOrZero) == .zero)
        #expect(self.problem("0s", .duration) == "\"0s\" is no time at all; write a duration above 0")
        #expect(self.problem("10", .duration) == "\"10\" has no unit; write 10s, 5m or 1h")
        #expect(self.problem("10 s", .duration).hasPrefix("\"10 s\" has an unknown unit; nearest: "))
        #expect(self.problem("1.5s", .duration) == "\"1.5s\" is not a whole number; use a smaller unit")
        #expect(self.problem("-1s", .duration) == "expected a duration such as 10s, found \"-1s\"")
        #expect(self.problem("soon", .duration) == "expected a duration such as 10s, found \"soon\"")
        #expect(self.problem("[1s]", .duration) == "expected a duration such as 10s, found a list")
        #expect(self.problem("999999999999h", .duration) == "\"999999999999h\" is too large; write less")
        #expect(
            self.problem("99999999999999999999s", .duration) == "\"99999999999999999999s\" is too large; write less")
    }

    @Test func readsSizes() {
        #expect(self.value("512B", .size) == 512)
        #expect(self.value("64KiB", .size) == 65536)
        #expect(self.value("1MiB", .size) == 1 << 20)
        #expect(self.value("2GiB", .size) == 2 << 30)
        #expect(self.problem("64KB", .size) == "\"64KB\" has an unknown unit; nearest: KiB")
        #expect(self.problem("64", .size) == "\"64\" has no unit; write 512B, 64KiB or 1MiB")
        #expect(self.problem("0B", .size) == "\"0B\" holds nothing; write a size above 0")
        #expect(self.problem("9999999999GiB", .size) == "\"9999999999GiB\" is too large; write less")
        #expect(Size.words(4 << 20) == "4MiB")
        #expect(Size.words(1000) == "1000B")
    }

    @Test func readsAddressesToListenOn() throws {
        let loopback = IPAddress(v4: 0x7F00_0001)
        #expect(self.value("127.0.0.1:1080", .listenAddress) == ListenAddress(host: .address(loopback), port: 1080))
        #expect(self.value("':1080'", .listenAddress) == ListenAddress(host: nil, port: 1080))
        #expect(self.value("\"[::1]:0\"", .listenAddress)?.description == "[::1]:0")
        #expect(self.value("localhost:1080", .listenAddress) == ListenAddress(host: .name("localhost"), port: 1080))
        #expect(self.value(":1080", .listenAddress)?.description == ":1080")
    }

    @Test(
        "refuses addresses to listen on",
        arguments: [
            ("1080", "is only a port; write 127.0.0.1:1080, or \":1080\" for every interface"),
            ("localhost", "has no port; write host:port, or :port for every interface"),
            ("'*:80'", "is not an address to listen on; write :80"),
            ("unix:/run/x", "is a Unix domain socket, which is not supported; write host:port"),
            ("socks5://a:1", "is a URL; write host:port without a scheme"),
            ("::1:80", "holds an IPv6 address without brackets; write [::1]:1080"),
            ("'[::1:80'", "opens [ and never closes it; write [::1]:1080"),
            ("'[::1]80'", "has text between ] and the port; write [::1]:1080"),
            ("'[x]:80'", "has no IPv6 address between [ and ]; write [::1]:1080"),
            ("a:65536", "does not end in a port; write a port from 0 to 65535 after the colon"),
            ("'a:'", "does not end in a port; write a port from 0 to 65535 after the colon"),
            ("127.0.0.256:80", "does not hold a whole IPv4 address; write four numbers from 0 to 255 with dots"),
            ("a b:80", "does not name a host; use letters, digits, dashes and dots"),
            ("bücher.example:80", "does not name a host; write the xn-- form of the name"),
        ]
    )
    func refusesAddressesToListenOn(text: String, what: String) {
        let bare = text.replacing("'", with: "")
        #expect(self.problem(text, .listenAddress) == "\"\(bare)\" \(what)")
    }

    @Test func readsTargets() {
        #expect(self.value("example.net:443", .target) == Target(host: .name("example.net"), port: 443))
        #expect(self.value("\"[2001:db8::1]\"", .target(defaultPort: 53))?.description == "[2001:db8::1]:53")
        #expect(self.problem("example.net", .target) == "\"example.net\" has no port; write host:port")
        #expect(self.problem(":80", .target) == "\":80\" has no host; write host:port")
        #expect(self.problem("a:0", .target) == "\"a:0\" has port 0; write a port from 1 to 65535")
        let long = String(repeating: "a", count: 256)
        #expect(self.problem("\(long):80", .target).hasSuffix("write at most 253 bytes, and 1 to 63 between dots"))
    }

    @Test func readsListsAndMaps() {
        #expect(self.value("a", .list(.string)) == ["a"])
        #expect(self.value("[a, b]", .list(.string)) == ["a", "b"])
        #expect(self.value("[]", .list(.string)) == [])
        let section = makeSection("k: [1s, 2, {}]\nm: { ssh: 127.0.0.1:22, web: x }\n")
        #expect(section.required("k", .list(.duration)) == [.seconds(1)])
        let map = section.required("m", .map(.target))
        #expect(map?.map(\.name.value) == ["ssh"])
        #expect(
            section.findings.lines == [
                "a.yaml:1:9: \"2\" has no unit; write 10s, 5m or 1h",
                "a.yaml:1:12: expected a duration such as 10s, found a map of keys",
                "a.yaml:2:30: \"x\" has no port; write host:port",
            ]
        )
    }
}
