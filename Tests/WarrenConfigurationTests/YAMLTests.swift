// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import WarrenConfiguration

@Suite struct YAMLTests {
    private func read(_ yaml: String, environment: [String: String] = [:]) -> (ConfigNode?, [String]) {
        let findings = Findings()
        let node = ConfigNode.read(yaml: yaml, file: "a.yaml", environment: { environment[$0] }, findings: findings)
        return (node, findings.lines)
    }

    @Test func knowsThePlaceOfEveryKeyAndValue() throws {
        let (node, problems) = self.read("log: { level: 'info' }\n# héllo\nlist:\n  - é: ~\n    b: \"*\"\n")
        #expect(problems == [])
        guard case .map(let pairs) = try #require(node).content else { return #expect(Bool(false)) }
        #expect(pairs.map(\.key) == ["log", "list"])
        #expect(pairs[0].value.place == Place(file: "a.yaml", line: 1, column: 6))
        #expect(pairs[1].keyPlace == Place(file: "a.yaml", line: 3, column: 1))
        guard case .map(let log) = pairs[0].value.content, case .list(let list) = pairs[1].value.content,
            case .map(let entry) = list[0].content
        else { return #expect(Bool(false)) }
        #expect(
            log[0].value
                == ConfigNode(.scalar(.init("info", isQuoted: true)), at: Place(file: "a.yaml", line: 1, column: 15)))
        #expect(list[0].place == Place(file: "a.yaml", line: 4, column: 5))
        #expect(entry[0].value.isNull)
        #expect(
            entry[1].value
                == ConfigNode(.scalar(.init("*", isQuoted: true)), at: Place(file: "a.yaml", line: 5, column: 8)))
    }

    @Test func takesAnEmptyTextForAnEmptyMap() {
        #expect(self.read("").0?.content == .map([]))
        #expect(self.read("# nothing\n").0?.content == .map([]))
    }

    @Test func reportsEveryRepeatedKey() {
        let (node, problems) = self.read("a: 1\nb: { x: 1, 'x': 2, x: 3 }\na: 2\n\"a\": 3\nc: 1\nzz: 5\nzz: 6\n")
        #expect(node != nil)
        #expect(
            problems == [
                "a.yaml:2:12: the key \"x\" is given twice; first in line 2",
                "a.yaml:2:20: the key \"x\" is given twice; first in line 2",
                "a.yaml:3:1: the key \"a\" is given twice; first in line 1",
                "a.yaml:4:1: the key \"a\" is given twice; first in line 1",
                "a.yaml:7:1: the key \"zz\" is given twice; first in line 6",
            ]
        )
    }

    @Test func reportsRepeatedKeysItCannotRename() {
        #expect(self.read("a: 1\n\"\\x61\": 2\n").1 == ["a.yaml:2:1: the key \"a\" is given twice; first in line 1"])
        let escaped = self.read("\"\\x61\": 1\na: 2\n").1
        #expect(escaped == ["a.yaml:1:1: the key \"a\" is given more than once in its map"])
        #expect(self.read("'': 1\n'': 2\n").1 == ["a.yaml:1:1: the key \"\" is given more than once in its map"])
        let many = (0..<100).map { "k\($0): 1\nk\($0): 2\n" }.joined()
        #expect(self.read(many).1.count == 1)
    }

    @Test(
        "explains what is not YAML",
        arguments: [
            ("a: [1, 2\nb: 3\n", "a.yaml:1:4: "), ("a: b: c\n", "a.yaml:1:5: "), ("a:\n\tb: 1\n", "a.yaml:2:1: "),
            ("a: 'x\n", "a.yaml:1:4: "), ("a: @x\n", "a.yaml:1:4: "),
        ]
    )
    func explainsWhatIsNotYAML(yaml: String, place: String) {
        let (node, problems) = self.read(yaml)
        #expect(node == nil)
        #expect(problems.count == 1)
        #expect(problems.first?.hasPrefix("\(place)this is not YAML: ") == true, "\(problems)")
    }

    @Test func saysWhatToDoAboutATab() {
        #expect(self.read("a:\n\tb: 1\n").1.first?.hasSuffix("; indent with spaces, not with a tab") == true)
    }

    @Test func saysWhatToDoAboutAColonInBraces() {
        let hint = "; put a value that starts with a colon in quotes"
        #expect(self.read("a: { listen: :1080 }\n").1.first?.hasSuffix(hint) == true)
        #expect(self.read("a: { listen: \":1080\" }\nb: :1080\n").1 == [])
    }

    @Test func refusesControlCharactersAndSecondDocuments() {
        #expect(self.read("a: \u{0}").1 == ["a.yaml:1:4: the character U+0000 may not stand in a YAML file; remove it"])
        let expected = "a.yaml:2:1: a second document starts here; one file holds one configuration"
        #expect(self.read("a: 1\n---\nb: 1\n").1 == [expected])
        #expect(self.read("? [a]\n: 1\n").1.first?.hasPrefix("a.yaml:1:3: a key must be a word") == true)
        #expect(self.read("<<: { a: 1 }\n").1.count == 1)
    }

    @Test func followsAliases() {
        let section = makeSection("a: &x { port: 80 }\nb: *x\nc: &y 443\nd: *y\n")
        #expect(section.section("b")?.required("port", .port) == 80)
        #expect(section.required("d", .port) == 443)
        #expect(section.place(of: "d") == Place(file: "a.yaml", line: 4, column: 4))
        #expect(section.findings.isEmpty)
    }

    @Test func suggestsQuotesForAForgottenWildcard() {
        #expect(
            self.read("a: *.example.net\n").1 == [
                "a.yaml:1:4: \"*.example.net\" starts with *, so YAML takes it for an alias, and no anchor before it has "
                    + "this name; put a value that starts with * in quotes"
            ]
        )
        #expect(self.read("a: &x [*x]\n").1.count == 1)
    }

    @Test("stops at alias bombs", arguments: ["", "? *i\n: 1\n", "? [*i, *i]\n: 1\n"])
    func stopsAtAliasBombs(last: String) {
        var yaml = "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
        for (name, previous) in zip("bcdefghi", "abcdefgh") {
            yaml += "\(name): &\(name) [\(Array(repeating: "*\(previous)", count: 10).joined(separator: ", "))]\n"
        }
        let (_, problems) = self.read(yaml + last)
        #expect(problems.contains { $0.contains("there are more than 100000 values up to here") })
    }

    @Test("survives deep nesting", arguments: ["[", "{a: ", "- ", "? "])
    func survivesDeepNesting(opening: String) {
        for depth in [65, 900, 100_000] {
            #expect(!self.read(String(repeating: opening, count: depth)).1.isEmpty)
        }
        let nested = String(repeating: "[", count: 900) + String(repeating: "]", count: 900)
        #expect(self.read(nested).1 == ["a.yaml:1:66: this is nested more than 64 levels deep"])
    }

    @Test("never traps on garbage", arguments: 0..<10)
    func neverTrapsOnGarbage(seed: UInt64) {
        var state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 1
        func next(_ bound: Int) -> Int {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return Int(state % UInt64(bound))
        }
        let words = [
            "inbounds", "outbounds", "relays", "log", "limits", "egress", "tls", "users", "name", "type", "mixed", "to",
            "listen", ":", ": ", "- ", "\n", "\n  ", "\n    ", "{", "}", "[", "]", ",", "&a ", "*a", "'", "\"", "|",
            ">",
            "#", "\t", "${HOME}", "$$", "${", "!!", "%", "@", "? ", "<<", "é", "\u{10FA00}", "\u{0}", "10s", "1080",
            "\\",
            "127.0.0.1:1080", "[::1]:80", "---", "\r\n", "~", "🐇", "\u{FEFF}", "\u{85}", "://", "=", "&", "+tls", "%2",
        ]
        for _ in 0..<500 {
            let yaml = (0..<next(40)).map { _ in words[next(words.count)] }.joined()
            let (configuration, findings) = makeConfiguration(yaml, environment: ["HOME": "/"])
            for entry in configuration.inbounds + configuration.outbounds + configuration.relays {
                _ = entry.section.required("listen", .listenAddress)
                _ = entry.section.tls(for: .client)
                _ = entry.section.users()
                entry.section.finish()
            }
            #expect(findings.problems.allSatisfy { !$0.what.isEmpty })
            _ = makeConfiguration(listen: [yaml, "mixed://\(yaml)"], forward: "socks5://\(yaml)")
        }
    }
}
