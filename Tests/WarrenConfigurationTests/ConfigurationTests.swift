// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Testing
import WarrenTesting

@testable import WarrenConfiguration

/// The example of the interface.
private let example = """
    log: { level: info, format: text }          # trace debug info notice warning error · text | json
    inbounds:                                   # where streams come from
      - { name: browser, type: mixed, listen: 127.0.0.1:1080, to: office }
    outbounds:                                  # where streams go; `direct` always exists
      - { name: office, type: jproxy, server: relay.example.net:16384, key: key.dat }
    relays: []                                  # services that pair carriers and route nothing
    egress:                                     # what a client may ask `direct` for
      allow: [public]                           # public | private | loopback | CIDR | host pattern
      deny: []
    limits: { handshake: 10s, idle: 1h, streamsPerSession: 1024, sessions: 10000 }
    drain: 10s
    """

@Suite struct ConfigurationTests {
    @Test func readsTheExample() throws {
        let (configuration, findings) = makeConfiguration(example)
        #expect(configuration.log == Configuration.Log(level: .info, format: .text))
        let browser = try #require(configuration.inbounds.first)
        #expect(browser.name == "browser")
        #expect(browser.type == "mixed")
        #expect(browser.to == Located("office", at: Place(file: "a.yaml", line: 3, column: 63)))
        #expect(browser.place == Place(file: "a.yaml", line: 3, column: 5))
        #expect(browser.section.required("listen", .listenAddress)?.description == "127.0.0.1:1080")
        browser.section.finish()
        let office = try #require(configuration.outbounds.first)
        #expect(office.section.required("server", .target)?.description == "relay.example.net:16384")
        #expect(office.section.required("key", .path) == "key.dat")
        office.section.finish()
        #expect(configuration.relays.isEmpty)
        #expect(configuration.egress.allow == [Located("public", at: Place(file: "a.yaml", line: 8, column: 11))])
        #expect(configuration.egress.deny == [])
        #expect(configuration.limits == Configuration.Limits())
        #expect(configuration.drain == .seconds(10))
        #expect(throws: Never.self) { try findings.check() }
    }

    @Test func reportsEveryProblemInOneGo() {
        let (configuration, findings) = makeConfiguration(
            """
            log: { level: loud }
            inbound: []
            inbounds:
              - { name: a, type: mixt, listen: a:1, to: ofice }
              - { name: a, type: mixed }
              - nonsense
            outbounds:
              - { name: office, typ: socks5 }
              - { name: direct, type: socks5 }
            drain: never
            limits: { sessions: 0 }
            """
        )
        for entry in configuration.inbounds + configuration.outbounds { entry.section.finish() }
        #expect(
            findings.lines == [
                "a.yaml:1:15: \"loud\" is not one of trace, debug, info, notice, warning, error",
                "a.yaml:2:1: unknown key \"inbound\"; nearest known key: inbounds",
                "a.yaml:4:22: there is no inbound of type \"mixt\"; nearest known type: mixed",
                "a.yaml:4:45: there is no outbound \"ofice\"; nearest known outbound: office",
                "a.yaml:5:13: the name \"a\" is taken; first used at a.yaml:4:13",
                "a.yaml:6:5: expected a map of keys, found \"nonsense\"",
                "a.yaml:8:5: the key \"type\" is missing; expected one of the types direct, http, jet, jproxy, socks5",
                "a.yaml:9:13: the name direct is reserved for the outbound of type direct; choose another name",
                "a.yaml:10:8: expected a duration such as 10s, found \"never\"",
                "a.yaml:11:21: expected a whole number from 1 to 1000000, found \"0\"",
            ]
        )
    }

    @Test func namesEntriesWithoutAName() {
        let (configuration, findings) = makeConfiguration(
            """
            inbounds: [{ type: mixed }, { type: mixed }, { type: mixed, name: mixed-2 }, { type: mixed, to: socks5 }]
            outbounds: [{ type: socks5 }, { type: direct }]
            """
        )
        #expect(configuration.inbounds.map(\.name) == ["mixed", "mixed-3", "mixed-2", "mixed-4"])
        #expect(configuration.outbounds.map(\.name) == ["socks5", "direct"])
        #expect(findings.isEmpty)
    }

    @Test func lastSectionsMayBeEmptyButNotAll() {
        let expected = "a.yaml:1:1: there are no inbounds and no relays, so there is nothing to run; write one, "
        #expect(makeConfiguration("").1.lines.first?.hasPrefix(expected) == true)
        #expect(makeConfiguration("relays:\n").1.lines.first?.hasPrefix(expected) == true)
        #expect(makeConfiguration("relays: [{ type: jet }]\ninbounds:\nlog:\nlimits:\n").1.isEmpty)
        #expect(makeConfiguration("- a\n").1.lines.first == "a.yaml:1:1: expected a map of keys, found a list")
        #expect(makeConfiguration("inbounds: 5\n").1.lines.count == 1)
    }

    @Test func sendsStreamsToDirectByDefault() {
        let (configuration, findings) = makeConfiguration("inbounds: [{ type: mixed }, { type: http, to: direct }]\n")
        #expect(configuration.inbounds.map(\.to?.value) == [nil, "direct"])
        #expect(findings.isEmpty)
    }

    @Test func readsFilesAndTheirTemporaryFolder() throws {
        let folder = try TemporaryFolder()
        let path = folder.write("warren.yaml", "inbounds: [{ type: jproxy, users: users }]\n")
        let findings = Findings()
        let configuration = Configuration(file: path, types: knownTypes, environment: noEnvironment, findings: findings)
        #expect(configuration.inbounds.first?.section.required("users", .path) == "\(folder.path)/users")
        #expect(findings.isEmpty)
    }

    @Test func saysWhyAFileCannotBeRead() throws {
        let folder = try TemporaryFolder()
        func lines(_ path: String) -> [String] {
            let findings = Findings()
            _ = Configuration(file: path, types: knownTypes, environment: noEnvironment, findings: findings)
            return findings.lines.map { $0.replacing(folder.path, with: "…") }
        }
        #expect(lines(folder.path) == ["…: the configuration file is a directory; name a file in it"])
        #expect(lines("none.yaml") == ["none.yaml: the configuration file does not exist; name it with -c FILE"])
        let large = folder.write("large", String(repeating: "#", count: (4 << 20) + 1))
        #expect(lines(large).first?.contains("holds more than 4MiB; name a smaller file") == true)
        let latin = "\(folder.path)/latin"
        try Data([0x61, 0x3A, 0x20, 0xE9]).write(to: URL(fileURLWithPath: latin))
        #expect(lines(latin).first?.contains("is not UTF-8 text; save it as UTF-8") == true)
        for (encoding, isMarked) in [
            (String.Encoding.utf16, true), (.utf16LittleEndian, true), (.utf16BigEndian, true),
            (.utf16LittleEndian, false), (.utf16BigEndian, false),
        ] {
            let marked = isMarked && encoding != .utf16 ? "\u{FEFF}log: {}" : "log: {}"
            let wide = try #require(marked.data(using: encoding))
            try wide.write(to: URL(fileURLWithPath: latin))
            #expect(lines(latin).first?.contains("is UTF-16 text; save it as UTF-8") == true)
        }
    }

    @Test("a byte order mark at the start of a file is no part of it")
    func leavesOutByteOrderMarks() throws {
        let folder = try TemporaryFolder()
        let text = "\u{FEFF}---\nlog: {}\negress: { allow: [loopback] }\n"
        #expect(try TextFile.read(folder.write("w.yaml", text), limit: 1000) == String(text.unicodeScalars.dropFirst()))
        let password = try TextFile.read(folder.write("pw", "\u{FEFF}s3cret\r\n"), limit: 1000)
        #expect(password == "s3cret\r\n")
    }

    @Test("the configuration comes through a pipe as well, and files that keys name do not")
    func readsPipesOnlyForItself() throws {
        let folder = try TemporaryFolder()
        let path = "\(folder.path)/pipe"
        try #require(mkfifo(path, 0o600) == 0)
        let refusal = Refusal("is no regular file", hint: "put a file in its place")
        #expect(throws: refusal) { try TextFile.read(path, limit: 1000) }
        #expect(throws: refusal) { try NamedFile.check("/dev/null") }
        Thread.detachNewThread {
            let writer = FileHandle(forWritingAtPath: path)
            try? writer?.write(contentsOf: Data("log: {}\n".utf8))
            try? writer?.close()
        }
        #expect(try TextFile.readStream(path, limit: 1000) == "log: {}\n")
    }

    @Test func readsFilesUpToTheirLimit() throws {
        let folder = try TemporaryFolder()
        let path = folder.write("a", "12345")
        #expect(try NamedFile.read(path, limit: 5) == Data("12345".utf8))
        #expect(throws: Refusal("holds more than 4B", hint: "name a smaller file")) {
            try NamedFile.read(path, limit: 4)
        }
    }
}
