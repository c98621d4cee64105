// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import WarrenConfiguration
import WarrenTesting

@testable import WarrenAssembly

/// What people write by mistake, where it is found, and what they are told: cause and remedy.
///
/// Every secret in here is `hunter2`, and no message may show it. More problems than the first may follow.
struct Mistake: CustomTestStringConvertible, Sendable {
    let yaml: String
    let place: String
    let says: String

    init(_ yaml: String, _ place: String, _ says: String) {
        self.yaml = yaml
        self.place = place
        self.says = says
    }

    var testDescription: String { "\(self.place) \(self.says.prefix(60))" }
}

/// The same on a command line: those of `-L`, those of `-F`, and the first line that comes of it.
struct URLMistake: CustomTestStringConvertible, Sendable {
    let listen: [String]
    let forward: [String]
    let says: String

    init(_ listen: [String], _ forward: [String], _ says: String) {
        self.listen = listen
        self.forward = forward
        self.says = says
    }

    var testDescription: String { String(self.says.prefix(80)) }
}

@Suite struct MistakesTests {
    @Test("a mistake in a file", arguments: Mistakes.all) func inFile(mistake: Mistake) throws {
        let folder = try Self.folder()
        let problems = assemble(mistake.yaml, in: folder.path).problems.map { problem in
            problem.replacing("\(folder.path)/", with: "").replacing(folder.path, with: "FOLDER")
                .replacing(/[0-9A-F]{64}/, with: "HASH")
        }
        let place = mistake.place.isEmpty ? "a.yaml" : "a.yaml:\(mistake.place)"
        #expect(problems.first == "\(place): \(mistake.says)")
        #expect(!problems.joined().contains("hunter2"))
    }

    @Test("a mistake in a URL", arguments: Mistakes.urls) func inURL(mistake: URLMistake) {
        let findings = Findings()
        let configuration = Configuration(
            listen: mistake.listen, forward: mistake.forward, types: Registry.types, findings: findings)
        _ = try? Assembly(configuration, findings: findings)
        #expect(findings.lines.first == mistake.says)
        #expect(!findings.lines.joined().contains("hunter2"))
    }

    /// One bad file and one good one of each kind.
    private static func folder() throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        let files = FileManager.default
        folder.write("cert.pem", TestCertificates.certificate)
        folder.write("key.pem", TestCertificates.key)
        folder.write("other.pem", TestCertificates.otherKey)
        folder.write("cut.pem", String(TestCertificates.certificate.prefix(200)))
        folder.write("locked.pem", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n")
        folder.write("pw", "hunter2\n")
        folder.write("empty.pw", "")
        folder.write("nul.pw", "hunter2\0x\n")
        folder.write("short.key", "sixteen")
        let wide = try #require("\u{FEFF}hunter2\n".data(using: .utf16LittleEndian))
        try wide.write(to: URL(fileURLWithPath: "\(folder.path)/wide.pw"))
        try Data([0x68, 0x75, 0xE9, 0x0A]).write(to: URL(fileURLWithPath: "\(folder.path)/latin.pw"))
        try files.createDirectory(atPath: "\(folder.path)/folder", withIntermediateDirectories: false)
        try files.createDirectory(atPath: "\(folder.path)/wrong", withIntermediateDirectories: false)
        let made = try JProxyKeys.write(name: "alice", to: folder.path)
        let name = URL(fileURLWithPath: made.userFile).lastPathComponent
        try files.copyItem(atPath: made.userFile, toPath: "\(folder.path)/user.dat")
        try files.copyItem(atPath: made.clientFile, toPath: "\(folder.path)/wrong/\(name)")
        try VProxyKeys.write(name: "near", to: folder.path)
        try VProxyKeys.write(name: "both", isShared: true, to: folder.path)
        try Mistakes.makeKindsOfFiles(in: folder.path)
        return folder
    }
}

enum Mistakes {
    static let all = [
        Self.shapeOfTheFile, Self.words, Self.addresses, Self.entries, Self.secrets, Self.files, Self.rules,
        Self.webSocks, Self.vproxy, Self.pac, Self.typesOfTheirOwn, Self.kindsOfFiles,
    ].flatMap { $0 }

    static let shapeOfTheFile: [Mistake] = [
        Mistake(
            "", "1:1",
            "there are no inbounds and no relays, so there is nothing to run; write one, such as inbounds: [{ type: mixed, listen: 127.0.0.1:1080 }]"
        ),
        Mistake("- a\n", "1:1", "expected a map of keys, found a list"),
        Mistake(
            "hunter2\n", "1:1",
            "this file holds a text, and no keys with values; name the configuration file with -c FILE"),
        Mistake("inbounds: {}\n", "1:11", "expected a list of entries, found a map of keys"),
        Mistake("inbounds: mixed\n", "1:11", "expected a list of entries, found \"mixed\""),
        Mistake("inbounds: [mixed]\n", "1:12", "expected a map of keys, found \"mixed\""),
        Mistake(
            "inbounds:\n", "1:1",
            "there are no inbounds and no relays, so there is nothing to run; write one, such as inbounds: [{ type: mixed, listen: 127.0.0.1:1080 }]"
        ),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\n---\ninbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\n",
            "2:1", "a second document starts here; one file holds one configuration"),
        Mistake(
            "%YAML 9.9\n---\ninbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\n", "1:1",
            "this is not YAML: found incompatible YAML document; remove the line; this is YAML 1.1"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\ninbounds: []\n", "2:1",
            "the key \"inbounds\" is given twice; first in line 1"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\ninbound: []\n", "2:1",
            "unknown key \"inbound\"; nearest known key: inbounds"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\nLimits: {}\n", "2:1",
            "unknown key \"Limits\"; nearest known key: limits"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\nlog:\n\tlevel: info\n", "3:1",
            "this is not YAML: found character that cannot start any token while scanning for the next token; indent with spaces, not with a tab"
        ),
        Mistake(
            "inbounds:\n  - type:mixed\n    listen: 127.0.0.1:1\n", "2:9",
            "this is not YAML: there is no space after this colon; write a space after the colon"),
        Mistake(
            "inbounds:\n  - type:mixed\n", "2:5",
            "\"type\" is followed by a colon without a space; write a space after the colon"),
        Mistake(
            "inbounds:\n  - type: mixed\n      listen: 127.0.0.1:1\n", "3:7",
            "this is not YAML: this line stands deeper than the one before it, which has its value already; check the indentation"
        ),
        Mistake(
            "inbounds:\n  - type: mixed\n   listen: 127.0.0.1:1\n", "3:4",
            "this is not YAML: did not find expected '-' indicator while parsing a block collection; check the indentation and the brackets before it"
        ),
        Mistake(
            "inbounds:\n  - type:\u{A0}mixed\n    listen: 127.0.0.1:1\n", "2:10",
            "this is not YAML: a space that is none (U+00A0) stands here; write a plain space"),
        Mistake(
            "inbounds:\n  - type: mixed\n    \u{A0}listen: 127.0.0.1:1\n", "2:5",
            "the key \"listen\" is missing; expected an address to listen on such as 127.0.0.1:1080"),
        Mistake(
            "inbounds:\n  - { type: mixed, listen: 127.0.0.1:1\nlog: { level: info }\n", "2:5",
            "this is not YAML: the { that opens here is not closed; write } before line 3"),
        Mistake(
            "inbounds: [\n  { type: mixed, listen: 127.0.0.1:1 }\nlog: {}\n", "1:11",
            "this is not YAML: the [ that opens here is not closed; write ] before line 3"),
        Mistake(
            "inbounds:\n  - { type: mixed, listen: \"127.0.0.1:1 }\n", "2:28",
            "this is not YAML: the quote that opens here is not closed; close it in line 2"),
        Mistake(
            "inbounds:\n  - { type: mixed, listen: :1 }\n", "2:28",
            "this is not YAML: did not find expected node content while parsing a flow node; put a value that starts with a colon in quotes"
        ),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\negress: { allow: [*.example.net] }\n",
            "2:19",
            "\"*.example.net\" starts with *, so YAML takes it for an alias, and no anchor before it has this name; put a value that starts with * in quotes"
        ),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\negress: { allow: [@x] }\n", "2:19",
            "this is not YAML: found character that cannot start any token while scanning for the next token; put the value in quotes"
        ),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\n<<: { drain: 1s }\n", "2:1",
            "\"<<\" cannot be a key: aliases and merges are not for keys; write the keys themselves"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\n? [a]\n: 1\n", "2:3",
            "a key must be a word; put a value that starts with a bracket in quotes"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\ndrain: &x *x\n", "2:8",
            "\"*x\" starts with *, so YAML takes it for an alias, and no anchor before it has this name; put a value that starts with * in quotes"
        ),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\ndrain: \u{7}\n", "2:8",
            "the character U+0007 may not stand in a YAML file; remove it"),
    ]

    static let words: [Mistake] = [
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\nlog: { level: warn }\n", "2:15",
            "\"warn\" is not one of trace, debug, info, notice, warning, error; nearest: warning"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\nlog: { level: loud }\n", "2:15",
            "\"loud\" is not one of trace, debug, info, notice, warning, error"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\nlog: { format: jsno }\n", "2:16",
            "\"jsno\" is not one of text, json; nearest: json"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\nlog: { levl: info }\n", "2:8",
            "unknown key \"levl\"; nearest known key: level"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\nlog: info\n", "2:6",
            "expected a map of keys, found \"info\""),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\ndrain: 10\n", "2:8",
            "\"10\" has no unit; write 10s, 5m or 1h"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\ndrain: 10sec\n", "2:8",
            "\"10sec\" has an unknown unit; write 10s, 5m or 1h"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\ndrain: 1.5s\n", "2:8",
            "\"1.5s\" is not a whole number; use a smaller unit"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\ndrain: -1s\n", "2:8",
            "expected a duration such as 10s, found \"-1s\""),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\ndrain: soon\n", "2:8",
            "expected a duration such as 10s, found \"soon\""),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\ndrain: 99999999999h\n", "2:8",
            "\"99999999999h\" is too large; write less"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\ndrain: [1s]\n", "2:8",
            "expected a duration such as 10s, found a list"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\ndrain:\n", "2:7",
            "expected a duration such as 10s, found nothing"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\nlimits: { handshake: 0s }\n", "2:22",
            "\"0s\" is no time at all; write a duration above 0"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\nlimits: { sessions: 0 }\n", "2:21",
            "expected a whole number from 1 to 1000000, found \"0\""),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\nlimits: { sessions: many }\n", "2:21",
            "expected a whole number from 1 to 1000000, found \"many\""),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\nlimits: { sessions: 1e3 }\n", "2:21",
            "expected a whole number from 1 to 1000000, found \"1e3\""),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\nlimits: { sessions: 99999999999999999999 }\n",
            "2:21", "expected a whole number from 1 to 1000000, found \"99999999999999999999\""),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\nlimits: { idel: 1h }\n", "2:11",
            "unknown key \"idel\"; nearest known key: idle"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\nlimits: 5\n", "2:9",
            "expected a map of keys, found \"5\""),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\nadmin: { listen: /run/x }\n", "2:18",
            "expected unix:/path of a socket, found \"/run/x\""),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\nadmin: { listen: \"unix:xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\" }\n",
            "2:18",
            "\"unix:xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…\" is too long for a socket; use a shorter path"
        ),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\nadmin: {}\n", "2:8",
            "the key \"listen\" is missing; expected unix:/path of a socket"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\nadmin: true\n", "2:8",
            "expected a map of keys, found \"true\""),
    ]

    static let addresses: [Mistake] = [
        Mistake(
            "inbounds: [{ type: mixed, listen: 1080 }]\n", "1:35",
            "\"1080\" is only a port; write 127.0.0.1:1080, or \":1080\" for every interface"),
        Mistake(
            "inbounds: [{ type: mixed, listen: 0x1F90 }]\n", "1:35",
            "\"0x1F90\" has no port; write host:port, or :port for every interface"),
        Mistake(
            "inbounds: [{ type: mixed, listen: localhost }]\n", "1:35",
            "\"localhost\" has no port; write host:port, or :port for every interface"),
        Mistake(
            "inbounds: [{ type: mixed, listen: \"127.0.0.1:\" }]\n", "1:35",
            "\"127.0.0.1:\" does not end in a port; write a port from 0 to 65535 after the colon"),
        Mistake(
            "inbounds: [{ type: mixed, listen: \"127.0.0.1:99999\" }]\n", "1:35",
            "\"127.0.0.1:99999\" does not end in a port; write a port from 0 to 65535 after the colon"),
        Mistake(
            "inbounds: [{ type: mixed, listen: \"127.0.0.1:-1\" }]\n", "1:35",
            "\"127.0.0.1:-1\" does not end in a port; write a port from 0 to 65535 after the colon"),
        Mistake(
            "inbounds: [{ type: mixed, listen: \"127.0.0.1:+1\" }]\n", "1:35",
            "\"127.0.0.1:+1\" does not end in a port; write a port from 0 to 65535 after the colon"),
        Mistake(
            "inbounds: [{ type: mixed, listen: \"127.0.0.1:http\" }]\n", "1:35",
            "\"127.0.0.1:http\" does not end in a port; write a port from 0 to 65535 after the colon"),
        Mistake(
            "inbounds: [{ type: mixed, listen: \"127.0.0.256:1\" }]\n", "1:35",
            "\"127.0.0.256:1\" does not hold a whole IPv4 address; write four numbers from 0 to 255 with dots"),
        Mistake(
            "inbounds: [{ type: mixed, listen: \"*:1\" }]\n", "1:35", "\"*:1\" is not an address to listen on; write :1"
        ),
        Mistake(
            "inbounds: [{ type: mixed, listen: \"::1:1\" }]\n", "1:35",
            "\"::1:1\" holds an IPv6 address without brackets; write [::1]:1080"),
        Mistake(
            "inbounds: [{ type: mixed, listen: \"[::1:1\" }]\n", "1:35",
            "\"[::1:1\" opens [ and never closes it; write [::1]:1080"),
        Mistake(
            "inbounds: [{ type: mixed, listen: \"[::1]1\" }]\n", "1:35",
            "\"[::1]1\" has text between ] and the port; write [::1]:1080"),
        Mistake(
            "inbounds: [{ type: mixed, listen: \"[x]:1\" }]\n", "1:35",
            "\"[x]:1\" has no IPv6 address between [ and ]; write [::1]:1080"),
        Mistake(
            "inbounds: [{ type: mixed, listen: \"a b:1\" }]\n", "1:35",
            "\"a b:1\" does not name a host; use letters, digits, dashes and dots"),
        Mistake(
            "inbounds: [{ type: mixed, listen: \"bücher.example:1\" }]\n", "1:35",
            "\"bücher.example:1\" does not name a host; write the xn-- form of the name"),
        Mistake(
            "inbounds: [{ type: mixed, listen: unix:/run/x }]\n", "1:35",
            "\"unix:/run/x\" is a Unix domain socket, which is not supported; write host:port"),
        Mistake(
            "inbounds: [{ type: mixed, listen: http://127.0.0.1:1 }]\n", "1:35",
            "\"http://127.0.0.1:1\" is a URL; write host:port without a scheme"),
        Mistake(
            "inbounds: [{ type: mixed, listen: \"alice:hunter2@127.0.0.1:1\" }]\n", "1:35",
            "\"…@127.0.0.1:1\" holds a user before the @; write host:port, and the keys user and passwordFile beside it"
        ),
        Mistake(
            "inbounds: [{ type: mixed, listen: [127.0.0.1:1] }]\n", "1:35",
            "expected an address to listen on such as 127.0.0.1:1080, found a list"),
        Mistake(
            "inbounds: [{ type: mixed, listen: { port: 1 } }]\n", "1:35",
            "expected an address to listen on such as 127.0.0.1:1080, found a map of keys"),
        Mistake(
            "inbounds: [{ type: mixed, listen: \"\" }]\n", "1:35",
            "\"\" has no port; write host:port, or :port for every interface"),
        Mistake(
            "inbounds: [{ type: mixed, listen: ~ }]\n", "1:35",
            "expected an address to listen on such as 127.0.0.1:1080, found nothing"),
        Mistake(
            "inbounds: [{ type: mixed, listen: \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx:1\" }]\n",
            "1:35",
            "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…\" does not name a host; write at most 253 bytes, and 1 to 63 between dots"
        ),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", to: o }]\noutbounds: [{ name: o, type: socks5, server: 1080 }]\n",
            "2:46", "\"1080\" is only a port; write host:1080, such as 127.0.0.1:1080"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", to: o }]\noutbounds: [{ name: o, type: socks5, server: \"localhost:0\" }]\n",
            "2:46", "\"localhost:0\" has port 0; write a port from 1 to 65535"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", to: o }]\noutbounds: [{ name: o, type: socks5, server: \":1080\" }]\n",
            "2:46", "\":1080\" has no host; write host:port"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", to: o }]\noutbounds: [{ name: o, type: socks5, server: \"bob:hunter2@localhost:1\" }]\n",
            "2:46",
            "\"…@localhost:1\" holds a user before the @; write host:port, and the keys user and passwordFile beside it"
        ),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", to: o }]\noutbounds: [{ name: o, type: socks5, server: \"socks5://bob:hunter2@localhost:1\" }]\n",
            "2:46",
            "\"socks5://…@localhost:1\" holds a user before the @; write host:port, and the keys user and passwordFile beside it"
        ),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", to: o }]\noutbounds: [{ name: o, type: direct, bind: eth0 }]\n",
            "2:44", "\"eth0\" is not an address; write an IP address of this machine"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", to: o }]\noutbounds: [{ name: o, type: direct, prefer: ipv5 }]\n",
            "2:46", "\"ipv5\" is not one of ipv4, ipv6; nearest: ipv4"),
    ]

    static let entries: [Mistake] = [
        Mistake(
            "inbounds: [{ name: a, type: public, listen: \"127.0.0.1:1\" }]\n", "1:12",
            "\"a\" leads to \"direct\", which serves no public names; write to: and the name of an mproxy outbound"),
        Mistake(
            "inbounds: [{ listen: \"127.0.0.1:1\" }]\n", "1:12",
            "the key \"type\" is missing; expected one of the types forward, http, jet, jproxy, mixed, mproxy, public, socks5, stdio, vproxy, websocks, zhwkprox"
        ),
        Mistake(
            "inbounds: [{ type: mixt, listen: \"127.0.0.1:1\" }]\n", "1:20",
            "there is no inbound of type \"mixt\"; nearest known type: mixed"),
        Mistake(
            "inbounds: [{ type: [mixed], listen: \"127.0.0.1:1\" }]\n", "1:20",
            "expected one of the types forward, http, jet, jproxy, mixed, mproxy, public, socks5, stdio, vproxy, websocks, zhwkprox, found a list"
        ),
        Mistake(
            "inbounds: [{ type: direct, listen: \"127.0.0.1:1\" }]\n", "1:20",
            "there is no inbound of type \"direct\"; an entry of this type belongs under outbounds:"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", to: o }]\noutbounds: [{ name: o, type: mixed, listen: \"127.0.0.1:2\" }]\n",
            "2:30", "there is no outbound of type \"mixed\"; an entry of this type belongs under inbounds:"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\nrelays: [{ type: mixed, listen: \"127.0.0.1:2\" }]\n",
            "2:18", "there is no relay of type \"mixed\"; an entry of this type belongs under inbounds:"),
        Mistake(
            "inbounds: [{ type: jet, listen: \"127.0.0.1:1\" }]\n", "1:33",
            "an inbound of type jet dials a relay and listens nowhere; write relay: host:port, or put the entry under relays: to be the relay"
        ),
        Mistake(
            "inbounds: [{ type: mixed }]\n", "1:12",
            "the key \"listen\" is missing; expected an address to listen on such as 127.0.0.1:1080"),
        Mistake(
            "inbounds: [{ type: mixed, lisen: \"127.0.0.1:1\" }]\n", "1:12",
            "the key \"listen\" is missing; expected an address to listen on such as 127.0.0.1:1080"),
        Mistake(
            "inbounds: [{ type: mixed, listen: \"127.0.0.1:1\", timeout: 1s }]\n", "1:50",
            "unknown key \"timeout\"; known keys: limits, listen, name, pac, through, tls, to, type, users"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", to: ofice }]\noutbounds: [{ name: office, type: direct }]\n",
            "1:63", "there is no outbound \"ofice\"; nearest known outbound: office"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", name: b }]\n", "1:59",
            "the key \"name\" is given twice; first in line 1"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", through: direct }]\n", "1:68",
            "\"a\" dials no carrier; only what dials a server or a relay can be reached through an outbound"),
        Mistake(
            "inbounds: [{ name: \"a b\", type: mixed, listen: \"127.0.0.1:1\" }]\n", "1:20",
            "\"a b\" is not a name; use 1 to 64 letters, digits, dashes, dots and underscores"),
        Mistake(
            "inbounds: [{ name: \"\", type: mixed, listen: \"127.0.0.1:1\" }]\n", "1:20",
            "\"\" is not a name; use 1 to 64 letters, digits, dashes, dots and underscores"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\noutbounds: [{ name: direct, type: socks5, server: \"localhost:1\" }]\n",
            "2:21", "the name direct is reserved for the outbound of type direct; choose another name"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }, { name: a, type: mixed, listen: \"127.0.0.1:2\" }]\n",
            "1:69", "the name \"a\" is taken; first used at a.yaml:1:20"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }, { name: b, type: mixed, listen: \"127.0.0.1:1\" }]\n",
            "1:93", "\"a\" listens on 127.0.0.1:1 already; choose another port"),
        Mistake(
            "inbounds: [{ type: forward, listen: \"127.0.0.1:1\" }]\n", "1:12",
            "the key \"target\" is missing; expected a host and port, or an outbound under \"to\" that knows where to go"
        ),
        Mistake(
            "inbounds: [{ type: forward, listen: \"127.0.0.1:1\", target: \"127.0.0.1:1\" }]\n", "1:60",
            "leads to itself: it listens on 127.0.0.1:1; name another port, or listen on one"),
        Mistake(
            "inbounds: [{ type: forward, listen: \"127.0.0.1:1\", target: 22 }]\n", "1:60",
            "\"22\" is only a port; write host:22, such as 127.0.0.1:22"),
        Mistake(
            "inbounds: [{ type: forward, listen: \"127.0.0.1:1\", target: \"localhost:22\", network: udp }]\n", "1:85",
            "\"udp\" is not one of tcp"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", to: b }]\noutbounds: [{ name: b, type: socks5, server: \"localhost:1\", through: c }, { name: c, type: socks5, server: \"localhost:2\", through: b }]\n",
            "2:70", "\"b\" would be reached through itself; take one \"through\" out of the circle"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", to: o }]\noutbounds: [{ name: o, type: direct, through: direct }]\n",
            "2:47", "\"o\" dials no carrier; only what dials a server or a relay can be reached through an outbound"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", to: o }]\noutbounds: [{ name: o, type: socks5 }]\n",
            "2:13", "the key \"server\" is missing; expected a host and port such as example.net:443"),
    ]

    static let secrets: [Mistake] = [
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", users: { alice: hunter2 } }]\n", "1:75",
            "a password does not belong here in plain text; write alice: { passwordFile: FILE }"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", users: { alice: 12345 } }]\n", "1:75",
            "a password does not belong here in plain text; write alice: { passwordFile: FILE }"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", users: { \"alice:hunter2\": {} } }]\n", "1:68",
            "the name of a user holds a colon; write NAME: { passwordFile: FILE }"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", users: { alice:hunter2 } }]\n", "1:68",
            "the name of a user holds a colon; write NAME: { passwordFile: FILE }"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", users: alice:hunter2 }]\n", "1:66",
            "expected a map from names to maps of keys, found a text that is not shown"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", users: [alice, hunter2] }]\n", "1:66",
            "expected a map from names to maps of keys, found a list"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", users: {} }]\n", "1:66",
            "there are no users, so nobody could log in; remove it to let everybody in"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", users: { alice: } }]\n", "1:75",
            "the key \"passwordFile\" is missing; expected a file that holds the password"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", users: { alice: { password: hunter2 } } }]\n",
            "1:87",
            "a secret does not belong here in plain text; write it into a file and name that as passwordFile, or ${NAME} from the environment"
        ),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", users: { alice: { pasword: hunter2 } } }]\n",
            "1:75", "the key \"passwordFile\" is missing; expected a file that holds the password"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", users: { alice: { password: *hunter2 } } }]\n",
            "1:87",
            "a text that is not shown starts with *, so YAML takes it for an alias, and no anchor before it has this name; put a value that starts with * in quotes"
        ),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", users: { alice: { password: \"${hunter2\" } } }]\n",
            "1:87", "a text that is not shown opens ${ and never closes it; write ${NAME}, or $$ for a dollar sign"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", users: { alice: { password: \"${NOT_SET}\" } } }]\n",
            "1:87", "\"${NOT_SET}\" needs the environment variable NOT_SET, which is not set; set it and start again"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", users: { alice: { password: [hunter2] } } }]\n",
            "1:87", "expected a variable of the environment such as ${PASSWORD}, found a list; or use passwordFile"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", users: { alice: { passwordFile: hunter2 } } }]\n",
            "1:91",
            "the file that is named here does not exist; name a file in FOLDER with nothing but the secret in it"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", users: { alice: { passwordFile: \"hunter2\\nx\" } } }]\n",
            "1:91",
            "the file that is named here does not exist; name a file in FOLDER with nothing but the secret in it"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", users: { alice: { passwordFile: nosuch.pw } } }]\n",
            "1:91", "\"nosuch.pw\" does not exist; create it or correct the path"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", users: { alice: { passwordFile: folder } } }]\n",
            "1:91",
            "the file that is named here is a directory; name a file in FOLDER with nothing but the secret in it"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", users: { alice: { passwordFile: empty.pw } } }]\n",
            "1:91", "\"empty.pw\" holds no secret in its first line; write nothing but the secret there"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", users: { alice: { passwordFile: nul.pw } } }]\n",
            "1:91", "\"nul.pw\" holds a zero byte in its first line; write the secret as text"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", users: { alice: { passwordFile: wide.pw } } }]\n",
            "1:91", "\"wide.pw\" is UTF-16 text; save it as UTF-8"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", users: { alice: { passwordFile: latin.pw } } }]\n",
            "1:91", "\"latin.pw\" is not UTF-8 text; save it as UTF-8"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", users: { alice: { passwordFile: pw, password: \"${X}\" } } }]\n",
            "1:105", "\"${X}\" needs the environment variable X, which is not set; set it and start again"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", password: hunter2 }]\n", "1:59",
            "unknown key \"password\"; known keys: limits, listen, name, pac, through, tls, to, type, users"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", user: \"alice:hunter2\" }]\n", "1:59",
            "unknown key \"user\"; nearest known key: users"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", to: o }]\noutbounds: [{ name: o, type: socks5, server: \"localhost:1\", user: \"bob:hunter2\", passwordFile: pw }]\n",
            "2:67",
            "the user needs a name of 1 to 255 bytes without a colon; write the name alone, and passwordFile: FILE beside it"
        ),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", to: o }]\noutbounds: [{ name: o, type: socks5, server: \"localhost:1\", user: bob }]\n",
            "2:13", "the key \"passwordFile\" is missing; expected a file that holds the password"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", to: o }]\noutbounds: [{ name: o, type: socks5, server: \"localhost:1\", passwordFile: pw }]\n",
            "2:13", "the key \"user\" is missing; expected the name that the password belongs to"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", to: o }]\noutbounds: [{ name: o, type: http, server: \"localhost:1\", user: bob, password: hunter2 }]\n",
            "2:80",
            "a secret does not belong here in plain text; write it into a file and name that as passwordFile, or ${NAME} from the environment"
        ),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", to: o }]\noutbounds: [{ name: o, type: zhwkprox, listen: \"127.0.0.1:2\", secretKey: hunter2hunter2hu }]\n",
            "2:74",
            "a secret does not belong here in plain text; write it into a file and name that as secretKeyFile, or ${NAME} from the environment"
        ),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", to: o }]\noutbounds: [{ name: o, type: zhwkprox, listen: \"127.0.0.1:2\", secretKeyFile: short.key }]\n",
            "2:78", "the key does not have 16 bytes; write 16 characters, or 32 hexadecimal digits"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", to: o }]\noutbounds: [{ name: o, type: zhwkprox, listen: \"127.0.0.1:2\", iv: short }]\n",
            "2:67", "a text that is not shown does not have 16 bytes; write 16 characters, or 32 hexadecimal digits"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\nrelays: [{ type: jet, listen: \"127.0.0.1:2\", tokenFile: hunter2 }]\n",
            "2:57",
            "the file that is named here does not exist; name a file in FOLDER with nothing but the secret in it"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\nrelays: [{ type: jet, listen: \"127.0.0.1:2\", token: hunter2 }]\n",
            "2:46", "unknown key \"token\"; nearest known key: tokenFile"),
    ]

    static let files: [Mistake] = [
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", to: o }]\noutbounds: [{ name: o, type: jproxy, server: localhost }]\n",
            "2:13", "the key \"key\" is missing; expected the path of a file"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", to: o }]\noutbounds: [{ name: o, type: jproxy, server: localhost, key: nosuch.dat }]\n",
            "2:62", "\"nosuch.dat\" does not exist; create it or correct the path"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", to: o }]\noutbounds: [{ name: o, type: jproxy, server: localhost, key: user.dat }]\n",
            "2:62", "user.dat is a user file of the server; name the key.dat that was made with it"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", to: o }]\noutbounds: [{ name: o, type: jproxy, server: localhost, key: pw }]\n",
            "2:62",
            "pw is no jProxy key file (too short in privateKey); copy it anew, or make one with: warren keygen jproxy NAME"
        ),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", to: o }]\noutbounds: [{ name: o, type: jproxy, server: localhost, key: folder }]\n",
            "2:62",
            "the file that is named here is a directory; name a file in FOLDER with nothing but the secret in it"),
        Mistake(
            "inbounds: [{ type: jproxy, listen: \"127.0.0.1:1\", users: nosuch }]\n", "1:58",
            "the folder nosuch cannot be read; create it, or correct the path or its mode"),
        Mistake(
            "inbounds: [{ type: jproxy, listen: \"127.0.0.1:1\", users: key.dat }]\n", "1:58",
            "the folder key.dat cannot be read; create it, or correct the path or its mode"),
        Mistake(
            "inbounds: [{ type: jproxy, listen: \"127.0.0.1:1\", users: wrong }]\n", "1:58",
            "wrong/HASH.dat is the key of a client; move it to the client, and keep the users/<HASH>.dat that was made with it"
        ),
        Mistake(
            "inbounds: [{ type: jproxy, listen: \"127.0.0.1:1\", users: { alice: hunter2 } }]\n", "1:58",
            "expected a path, found a map of keys"),
        Mistake(
            "inbounds: [{ type: jproxy, listen: \"127.0.0.1:1\" }]\n", "1:12",
            "the key \"users\" is missing; expected a path"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", tls: true }]\n", "1:64",
            "a listener with TLS needs a certificate; write tls: { cert: FILE, key: FILE }"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", tls: yes }]\n", "1:64",
            "expected true or false, found \"yes\"; write true"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", tls: {} }]\n", "1:64",
            "the key \"cert\" is missing; expected a PEM file; cert and key go together"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", tls: { cert: cert.pem } }]\n", "1:64",
            "the key \"key\" is missing; expected a PEM file; cert and key go together"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", tls: { key: key.pem } }]\n", "1:64",
            "the key \"cert\" is missing; expected a PEM file; cert and key go together"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", tls: { cert: cert.pem, key: cert.pem } }]\n",
            "1:87", "cert.pem holds no private key, only CERTIFICATE; name the PEM file with the key"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", tls: { cert: key.pem, key: key.pem } }]\n",
            "1:72", "key.pem holds no PEM certificate; name a PEM file (-----BEGIN CERTIFICATE-----)"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", tls: { cert: cert.pem, key: other.pem } }]\n",
            "1:64",
            "the TLS settings do not work; check that key and certificate belong together; our own certificate comes first"
        ),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", tls: { cert: cut.pem, key: key.pem } }]\n",
            "1:72", "cut.pem holds a damaged or cut off block \"CERTIFICATE\"; copy the file anew"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", tls: { cert: cert.pem, key: locked.pem } }]\n",
            "1:87",
            "locked.pem holds an encrypted private key, for whose passphrase nobody can be asked; write it without a passphrase (openssl pkey -in OLD -out NEW) and with mode 600"
        ),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", tls: { cert: nosuch.pem, key: key.pem } }]\n",
            "1:72", "\"nosuch.pem\" does not exist; create it or correct the path"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", tls: { cert: cert.pem, key: key.pem, ca: pw } }]\n",
            "1:100", "pw holds no PEM certificate; name a PEM file (-----BEGIN CERTIFICATE-----)"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", tls: { cert: cert.pem, key: key.pem, verfy: true } }]\n",
            "1:96", "unknown key \"verfy\"; nearest known key: verify"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", tls: { cert: cert.pem, key: \"-----BEGIN PRIVATE KEY----- hunter2\" } }]\n",
            "1:87",
            "the file that is named here does not exist; name a file in FOLDER with nothing but the secret in it"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", to: o }]\noutbounds: [{ name: o, type: socks5, server: \"localhost:1\", tls: { serverName: 192.0.2.1 } }]\n",
            "2:80",
            "serverName is an address, but another host is dialled; dial that address, or write a name that the certificate holds"
        ),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", to: o }]\noutbounds: [{ name: o, type: socks5, server: \"localhost:1\", tls: { truncation: maybe } }]\n",
            "2:80", "\"maybe\" is not one of reset, allow"),
    ]

    static let rules: [Mistake] = [
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\negress: { allow: any }\n", "2:18",
            "'any' is not a rule; for every address write 0.0.0.0/0 and ::/0"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\negress: { allow: [pubic] }\n", "2:19",
            "'pubic' is none of the words public, private, loopback, localhost; a host of this name is written 'pubic.'; nearest: public"
        ),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\negress: { allow: [\"10.0.0.1/8\"] }\n",
            "2:19", "'10.0.0.1/8' has bits after its prefix; the network is 10.0.0.0/8, the address 10.0.0.1"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\negress: { allow: [\"10.0.0.0/33\"] }\n",
            "2:19", "'33' in '10.0.0.0/33' is not a prefix length from 0 to 32"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\negress: { alow: [public] }\n", "2:11",
            "unknown key \"alow\"; nearest known key: allow"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\negress: { users: { bob: private } }\n",
            "2:25", "expected a map of keys, found a text that is not shown"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\nroutes: [{ host: x.example }]\n", "2:10",
            "the key \"to\" is missing; expected one or more values, each a name such as office"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\nroutes: [{ to: nowhere }]\n", "2:16",
            "there is no outbound \"nowhere\"; known outbounds: block, direct"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\nroutes: [{ to: [block, direct] }]\n",
            "2:17", "\"block\" stands beside outbounds; give it a rule of its own"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\nroutes: [{ to: direct, balance: roundRobin }]\n",
            "2:33", "there is nothing to balance; name several outbounds in \"to\""),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\nroutes: [{ to: direct, port: 0 }]\n",
            "2:30", "expected a port such as 443, or a range such as 8000-8999, found \"0\""),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\nroutes: [{ to: direct, port: 90-80 }]\n",
            "2:30", "\"90-80\" ends before it begins; write 80-90"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\nroutes: [{ to: direct, cidr: x.example }]\n",
            "2:30", "\"x.example\" is no network; write it under host"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\nroutes: [{ to: direct, host: 10.0.0.0/8 }]\n",
            "2:30", "\"10.0.0.0/8\" is no host; write it under cidr"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\nroutes: [{ to: direct, resolve: true }]\n",
            "2:33", "there is no address to compare with; write cidr beside it"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\nroutes: [{ to: direct, inbound: b }]\n",
            "2:33", "there is no inbound \"b\"; nearest known inbound: a"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\nroutes: [{ to: direct, hots: x }]\n",
            "2:24", "unknown key \"hots\"; nearest known key: host"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\" }]\nroutes: { to: direct }\n", "2:9",
            "expected a list of entries, found a map of keys"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", limits: { up: 10 } }]\n", "1:73",
            "\"10\" has no unit; write 64KiB or 10MiB"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", limits: { up: 10MB } }]\n", "1:73",
            "\"10MB\" has an unknown unit; nearest: MiB"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", limits: { up: 1B } }]\n", "1:73",
            "\"1B\" is too slow to be of use; write 1KiB or more"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", limits: { streems: 1 } }]\n", "1:69",
            "unknown key \"streems\"; nearest known key: streams"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", limits: { total: 0KiB } }]\n", "1:76",
            "\"0KiB\" holds nothing; write a size above 0"),
    ]

    static let typesOfTheirOwn: [Mistake] = [
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", to: o }]\noutbounds: [{ name: o, type: jet, relay: localhost }]\n",
            "2:13", "the key \"association\" is missing; expected the UUID under which the two meet"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", to: o }]\noutbounds: [{ name: o, type: jet, relay: localhost, association: 1234 }]\n",
            "2:66", "\"1234\" is not a UUID; copy what the accepter printed, all 36 characters"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", to: o }]\noutbounds: [{ name: o, type: jet, relay: \"wss://localhost\", association: e6ec698c-5793-4c63-af79-bd644ccf022f }]\n",
            "2:42", "wss://localhost:443 is a WebSocket, which only version 2 knows; give association and candidate"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", to: o }]\noutbounds: [{ name: o, type: jet, relay: \"htp://localhost\", association: e6ec698c-5793-4c63-af79-bd644ccf022f }]\n",
            "2:42", "\"htp://localhost\" starts with an unknown scheme; known schemes: tcp, tls, ws, wss"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", to: o }]\noutbounds: [{ name: o, type: jet, relay: \"tcp://localhost/path\", association: e6ec698c-5793-4c63-af79-bd644ccf022f }]\n",
            "2:42", "\"tcp://localhost/path\" has a path; write scheme://host:port; only ws and wss have a path"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", to: o }]\noutbounds: [{ name: o, type: jet, relay: localhost, association: e6ec698c-5793-4c63-af79-bd644ccf022f, version: 3 }]\n",
            "2:113", "expected a whole number from 1 to 2, found \"3\""),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", to: o }]\noutbounds: [{ name: o, type: jet, relay: localhost, association: e6ec698c-5793-4c63-af79-bd644ccf022f, version: 2 }]\n",
            "2:13",
            "the key \"candidate\" is missing; expected the UUID of a candidate of the association; version 2 needs one"
        ),
        Mistake(
            "inbounds: [{ type: jet, relay: localhost, target: \"localhost:22\", association: e6ec698c-5793-4c63-af79-bd644ccf022f }]\n",
            "1:80", "in version 1 the relay names the association; leave it out, or give a candidate for version 2"),
        Mistake(
            "inbounds: [{ type: jet, relay: localhost }]\n", "1:12",
            "the key \"target\" is missing; expected a host and port, or an outbound under \"to\" that knows where to go"
        ),
        Mistake(
            "relays: [{ type: jet, listen: \"wss://127.0.0.1:1\" }]\n", "1:31",
            "a listener with TLS needs a certificate; write tls: { cert: FILE, key: FILE } beside it"),
        Mistake(
            "relays: [{ type: jet, listen: \"127.0.0.1:1\", version: 3 }]\n", "1:55",
            "expected a whole number from 1 to 2, found \"3\""),
        Mistake(
            "relays: [{ type: jet, listen: \"127.0.0.1:1\", ping: 1ms }]\n", "1:52",
            "a ping is due every second at most, and every hour at least; write 15s"),
        Mistake(
            "relays: [{ type: jet, listen: \"127.0.0.1:1\", to: direct }]\n", "1:46",
            "unknown key \"to\"; known keys: api, dialect, instance, listen, mask, maxPending, maxPendingPerAddress, name, ping, strict, timeout, tls, tokenFile, type, version"
        ),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", to: o }]\noutbounds: [{ name: o, type: zhwkprox }]\n",
            "2:13", "the key \"listen\" is missing; expected an address to listen on such as 127.0.0.1:1080"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", to: o }]\noutbounds: [{ name: o, type: zhwkprox, listen: \"127.0.0.1:2\", sharedWith: a }]\n",
            "2:48", "the port is that of another inbound; remove it, or sharedWith"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", to: o }]\noutbounds: [{ name: o, type: zhwkprox, sharedWith: b }]\n",
            "2:52", "there is no inbound \"b\"; nearest known inbound: a"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", to: o }]\noutbounds: [{ name: o, type: zhwkprox, listen: \"127.0.0.1:2\", exits: newset }]\n",
            "2:70", "\"newset\" is not one of newest, first, pool; nearest: newest"),
        Mistake(
            "inbounds: [{ type: zhwkprox, dial: \"ws://localhost\" }]\n", "1:36",
            "ws://localhost:80 is a WebSocket, which this protocol does not know; write tcp:// or tls://"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", to: o }]\noutbounds: [{ name: o, type: jproxy, server: localhost, key: key.dat, lanes: 0 }]\n",
            "2:78", "expected auto, or a number of tunnels from 1 to 64, found \"0\""),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", to: o }]\noutbounds: [{ name: o, type: jproxy, server: localhost, key: key.dat, dialect: old }]\n",
            "2:80", "\"old\" is not one of deployed, document"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", to: o }]\noutbounds: [{ name: o, type: jproxy, server: localhost, key: key.dat, budget: 64 }]\n",
            "2:79", "\"64\" has no unit; write 512B, 64KiB or 1MiB"),
        Mistake(
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", to: o }]\noutbounds: [{ name: o, type: jproxy, server: localhost, key: key.dat, linger: long }]\n",
            "2:79", "expected a duration such as 10s, found \"long\""),
    ]

    static let urls: [URLMistake] = [
        URLMistake(["1080"], [], "-L 1: this is not a URL; write type://host:port, such as mixed://127.0.0.1:1080"),
        URLMistake(
            ["127.0.0.1:1080"], [], "-L 1: this is not a URL; write type://host:port, such as mixed://127.0.0.1:1080"),
        URLMistake(
            ["mixt://127.0.0.1:1"], [],
            "-L 1 (mixt://127.0.0.1:1): there is no inbound of type \"mixt\"; nearest known type: mixed"),
        URLMistake(
            ["mixed+tsl://127.0.0.1:1"], [],
            "-L 1 (mixed+tsl://127.0.0.1:1): the type has an unknown suffix +tsl; nearest known suffix: tls"),
        URLMistake(
            ["mixed+foo://127.0.0.1:1"], [],
            "-L 1 (mixed+foo://127.0.0.1:1): the type has an unknown suffix +foo; known suffixes: relay, tls"),
        URLMistake(
            ["mixed+tls://127.0.0.1:1"], [],
            "-L 1 (mixed+tls://127.0.0.1:1): a listener with TLS needs a certificate; write ?tls.cert=FILE&tls.key=FILE"
        ),
        URLMistake(
            ["mixed://1080"], [],
            "-L 1 (mixed://1080): \"1080\" is only a port; write 127.0.0.1:1080, or \":1080\" for every interface"),
        URLMistake(
            ["mixed://"], [],
            "-L 1 (mixed://): the key \"listen\" is missing; expected an address to listen on such as 127.0.0.1:1080"),
        URLMistake(
            ["mixed://alice:hunter2@127.0.0.1:1"], [],
            "-L 1 (mixed://…@127.0.0.1:1): a user or a password does not belong here, where every process sees it; write ?users.NAME.password-file=FILE"
        ),
        URLMistake(
            ["mixed://alice:hunter2?x@127.0.0.1:1"], [],
            "-L 1 (mixed://…): a user or a password does not belong here, where every process sees it; write ?users.NAME.password-file=FILE"
        ),
        URLMistake(
            ["mixed://alice:hunter2/x@127.0.0.1:1"], [],
            "-L 1 (mixed://…@127.0.0.1:1): a user or a password does not belong here, where every process sees it; write ?users.NAME.password-file=FILE"
        ),
        URLMistake(
            ["mixed://hunter2@127.0.0.1:1"], [],
            "-L 1 (mixed://…@127.0.0.1:1): a user or a password does not belong here, where every process sees it; write ?users.NAME.password-file=FILE"
        ),
        URLMistake(
            ["mixed://127.0.0.1:1?users.alice=hunter2"], [],
            "-L 1 (mixed://127.0.0.1:1?…) users.alice: a password does not belong here in plain text; write ?users.alice.password-file=FILE"
        ),
        URLMistake(
            ["mixed://127.0.0.1:1?password=hunter2"], [],
            "-L 1 (mixed://127.0.0.1:1?…) password: unknown key \"password\"; known keys: limits, listen, name, pac, through, tls, to, type, users"
        ),
        URLMistake(
            ["mixed://127.0.0.1:1?users.alice.password=hunter2"], [],
            "-L 1 (mixed://127.0.0.1:1?…) users.alice.password: a secret does not belong here in plain text; write it into a file and name that as passwordFile"
        ),
        URLMistake(
            ["mixed://127.0.0.1:1?hunter2"], [],
            "-L 1 (mixed://127.0.0.1:1?…): every part of the query needs a key and a value; write key=value&key=value"),
        URLMistake(
            ["mixed://127.0.0.1:1?x=%zz"], [],
            "-L 1 (mixed://127.0.0.1:1?…): a % must be followed by two hexadecimal digits; write %25 for the character"),
        URLMistake(
            ["mixed://127.0.0.1:1?x=%ff"], [],
            "-L 1 (mixed://127.0.0.1:1?…): the percent codes do not give UTF-8 text; write the characters themselves"),
        URLMistake(
            ["mixed://127.0.0.1:1#x"], [],
            "-L 1 (mixed://127.0.0.1:1?…): # has no meaning in this URL; write %23 for the character"),
        URLMistake(
            ["mixed://127.0.0.1:1/x"], [],
            "-L 1 (mixed://127.0.0.1:1/x): the type mixed takes no path in its URL; use keys in the query"),
        URLMistake(
            ["mixed://127.0.0.1:1?listen=:2"], [],
            "-L 1 (mixed://127.0.0.1:1?…) listen: the key \"listen\" is already given by the rest of the URL; remove it from the query"
        ),
        URLMistake(
            ["mixed://127.0.0.1:1?lisen=:2"], [],
            "-L 1 (mixed://127.0.0.1:1?…) lisen: unknown key \"lisen\"; nearest known key: listen"),
        URLMistake(
            ["mixed://127.0.0.1:1?a..b=1"], [],
            "-L 1 (mixed://127.0.0.1:1?…) a..b: \"a..b\" is not a key; write key=value, or block.key=value"),
        URLMistake(
            ["mixed://127.0.0.1:1?tls=true&tls.cert=x"], [],
            "-L 1 (mixed://127.0.0.1:1?…) tls: the key \"key\" is missing; expected a PEM file; cert and key go together"
        ),
        URLMistake(
            ["mixed://127.0.0.1:1?to=x"], [],
            "-L 1 (mixed://127.0.0.1:1?…) to: there is no outbound \"x\"; known outbounds: direct"),
        URLMistake(
            ["forward://127.0.0.1:1"], [],
            "-L 1 (forward://127.0.0.1:1): the key \"target\" is missing; expected a host and port, or an outbound under \"to\" that knows where to go"
        ),
        URLMistake(
            ["forward://127.0.0.1:1/22"], [],
            "-L 1 (forward://127.0.0.1:1/22): \"22\" is only a port; write host:22, such as 127.0.0.1:22"),
        URLMistake(
            ["direct://"], [],
            "-L 1 (direct://): there is no inbound of type \"direct\"; an entry of this type belongs under outbounds:"),
        URLMistake(
            ["mixed://127.0.0.1:1"], ["mixed://127.0.0.1:2"],
            "-F (mixed://127.0.0.1:2): there is no outbound of type \"mixed\"; an entry of this type belongs under inbounds:"
        ),
        URLMistake(
            ["mixed://127.0.0.1:1"], ["socks5://bob:hunter2@localhost:1"],
            "-F (socks5://…@localhost:1): a user or a password does not belong here, where every process sees it; write ?user=NAME&password-file=FILE"
        ),
        URLMistake(
            ["mixed://127.0.0.1:1"], ["socks5://localhost:1?user=bob"],
            "-F (socks5://localhost:1?…): the key \"passwordFile\" is missing; expected a file that holds the password"),
        URLMistake(
            ["mixed://127.0.0.1:1"], ["socks5://localhost:1?user=bob&password=hunter2"],
            "-F (socks5://localhost:1?…) password: a secret does not belong here in plain text; write it into a file and name that as passwordFile"
        ),
        URLMistake(
            ["mixed://127.0.0.1:1"], ["jproxy://localhost?key=nosuch.dat"],
            "-F (jproxy://localhost?…) key: \"nosuch.dat\" does not exist; create it or correct the path"),
        URLMistake(
            ["mixed://127.0.0.1:1"], ["http://"],
            "-F (http://): the key \"server\" is missing; expected a host and port such as example.net:443"),
        URLMistake(
            [], ["socks5://localhost:1"],
            "-L: there is nothing to listen on; give one, such as -L mixed://127.0.0.1:1080"),
    ]
}
