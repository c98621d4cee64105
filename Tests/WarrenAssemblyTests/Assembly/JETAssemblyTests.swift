// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Testing
import WarrenConfiguration
import WarrenCore
import WarrenTesting

@testable import WarrenAssembly

@Suite struct JETAssemblyTests {
    private static let id = "e6ec698c-5793-4c63-af79-bd644ccf022f"

    @Test func aRelayAndBothItsClientsAreGood() throws {
        let folder = try TemporaryFolder()
        folder.write("cert.pem", TestCertificates.certificate)
        folder.write("key.pem", TestCertificates.key)
        folder.write("token", "sesame\n")
        let (assembly, problems) = assemble(
            """
            relays:
              - name: meet
                type: jet
                listen: ["127.0.0.1:8080", "ws://127.0.0.1:8081/tunnel/", "tls://127.0.0.1:8082", "wss://127.0.0.1:8083"]
                tls: { cert: cert.pem, key: key.pem }
                api: 127.0.0.1:10256
                tokenFile: token
                instance: relay.example.net:8080
                timeout: 5m
                version: [1, 2]
                dialect: jet-proto
                strict: true
                mask: 0x73
                ping: 20s
                maxPending: 100
                maxPendingPerAddress: 10
            inbounds:
              - { name: a, type: jet, relay: localhost, target: "127.0.0.1:22", repeat: true, announce: at }
              - { name: b, type: jet, relay: ["localhost:1", "wss://localhost/tunnel?key=x"], ping: 10s, to: c, association: \(Self.id), candidate: \(Self.id) }
              - { name: d, type: forward, listen: "127.0.0.1:0", to: c }
              - { name: e, type: mixed, listen: "127.0.0.1:0", to: f }
              - { name: h, type: mixed, listen: "127.0.0.1:0", to: g }
            outbounds:
              - { name: c, type: jet, relay: "localhost:8080", association: \(Self.id) }
              - { name: f, type: jet, relay: "ws://localhost", association: \(Self.id), candidate: \(Self.id), version: 2 }
              - { name: g, type: jet, relay: "localhost:8080", associationFile: at }
            """,
            in: folder.path
        )
        #expect(problems == [])
        #expect(assembly?.warnings == [])
    }

    @Test(
        "what cannot work is named",
        arguments: [
            ("inbounds: [{ type: jet, relay: \"r:1\" }]", "the key \"target\" is missing"),
            ("inbounds: [{ type: jet, target: \"r:1\" }]", "the key \"relay\" is missing"),
            (
                "inbounds: [{ type: jet, relay: \"r:1\", target: \"r:1\", version: 2, association: \(Self.id) }]",
                "the key \"candidate\" is missing"
            ),
            ("inbounds: [{ type: jet, relay: \"ws://r\", target: \"r:1\" }]", "only version 2 knows"),
            ("inbounds: [{ type: jet, relay: \"r:1\", target: \"r:1\", association: \(Self.id) }]", "the relay names"),
            ("inbounds: [{ type: forward, listen: \":1\" }]", "the key \"target\" is missing"),
            ("inbounds: [{ type: forward, listen: \":1\", to: direct }]", "the key \"target\" is missing"),
            ("outbounds: [{ type: jet, relay: \"r:1\" }]", "the key \"association\" is missing"),
            ("outbounds: [{ type: jet, relay: \"r:1\", association: x }]", "\"x\" is not a UUID"),
            ("outbounds: [{ type: jet, relay: \"r:1\", association: \(Self.id), associationFile: f }]", "given twice"),
            ("outbounds: [{ type: jet, relay: \"quic://r:1\", association: \(Self.id) }]", "unknown scheme"),
            (
                "outbounds: [{ type: jet, relay: \"tls://r/path\", association: \(Self.id), candidate: \(Self.id) }]",
                "only ws and wss have a path"
            ),
            (
                "outbounds: [{ type: jet, relay: \"ws://r/a b\", association: \(Self.id), candidate: \(Self.id) }]",
                "has characters in its path that HTTP does not allow"
            ),
            ("relays: [{ type: jet, listen: \"ws://:1/x?y\" }]", "has a query"),
            ("relays: [{ type: jet, listen: \"tcp://:1/x\" }]", "only ws and wss have a path"),
            ("relays: [{ type: jet, listen: \":1\", mask: 0x100 }]", "expected a whole number from 0 to 255"),
            ("relays: [{ type: jet, listen: \":1\", mask: 0x }]", "expected a whole number from 0 to 255"),
            ("relays: [{ type: jet, listen: \":1\", mask: 0x-1 }]", "expected a whole number from 0 to 255"),
            ("relays: [{ type: jet, listen: \":1\", ping: 2h }]", "a ping is due every second at most"),
            ("relays: [{ type: jet }]", "the key \"listen\" is missing"),
            ("relays: [{ type: jet, listen: \"tls://:1\" }]", "a listener with TLS needs a certificate"),
            ("relays: [{ type: jet, listen: \":1\", api: \"tls://:2\" }]", "a listener with TLS needs a certificate"),
            ("relays: [{ type: jet, listen: [] }]", "expected one or more values"),
            ("relays: [{ type: jet, listen: \":1\", version: [] }]", "expected one or more values"),
            ("inbounds: [{ type: jet, relay: [], target: \"r:1\" }]", "expected one or more values"),
            ("outbounds: [{ type: jet, relay: [], association: \(Self.id) }]", "expected one or more values"),
            ("relays: [{ type: jet, listen: [\":1\", \":1\"] }]", "listens on :1 already"),
            ("relays: [{ type: jet, listen: \":1\", version: 3 }]", "expected a whole number from 1 to 2"),
            ("relays: [{ type: jet, listen: \":1\", dialect: plan }]", "nearest: plain"),
            ("relays: [{ type: jet, listen: \":1\", instance: \"a b\" }]", "is no host that clients could dial"),
            ("relays: [{ type: jet, listen: \":1\", tokenFile: none }]", "the file that is named here does not exist"),
            ("relays: [{ type: jet, listen: \":1\", maxPendin: 1 }]", "nearest known key: maxPending"),
        ])
    func problems(yaml: String, sentence: String) {
        let rest = yaml.hasPrefix("outbounds") ? "\ninbounds: [{ type: mixed, listen: \"127.0.0.1:0\" }]" : ""
        let (_, problems) = assemble(yaml + rest)
        #expect(problems.count == 1, "\(problems)")
        #expect(problems.first?.contains(sentence) == true, "\(problems)")
    }

    @Test func strangersAreWarnedOf() {
        let (assembly, _) = assemble(
            """
            relays: [{ name: meet, type: jet, listen: ":8080" }]
            inbounds: [{ name: device, type: jet, relay: "relay.example.net:8080", target: "127.0.0.1:22" }]
            """)
        let warnings = assembly?.warnings.map(\.description) ?? []
        #expect(warnings.count == 2)
        #expect(warnings.first?.contains("meet (jet) listens on :8080 without TLS") == true)
        #expect(warnings.last?.contains("device (jet) dials relay.example.net:8080 without TLS") == true)
    }

    @Test func theAnnouncementIsReadAsItWasWritten() throws {
        let folder = try TemporaryFolder()
        let file = AnnounceFile(path: "\(folder.path)/at")
        #expect(throws: Refusal.self) { try file.read() }
        let dialled = Target(host: Host("192.0.2.1"), port: 8080)
        let id = try #require(UUID(uuidString: Self.id))
        for (instance, host, port) in [
            (nil, "192.0.2.1", 8080), ("relay.example.net", "relay.example.net", 8080),
            ("relay.example.net:443", "relay.example.net", 443), ("no host", "192.0.2.1", 8080),
        ] as [(String?, String, UInt16)] {
            #expect(file.write(Grant(.meeting(Self.id), instance: instance), fallback: dialled) == nil)
            let read = try file.read()
            #expect(read.association == id)
            #expect(read.instance == Target(host: Host(host), port: port))
        }
        let mode = try FileManager.default.attributesOfItem(atPath: file.path)[.posixPermissions] as? Int
        #expect(mode == 0o600)
        folder.write("at", "nonsense\n")
        #expect(throws: Refusal.self) { try file.read() }
        let nowhere = AnnounceFile(path: "\(folder.path)/none/at")
        #expect(nowhere.write(Grant(.meeting(Self.id)), fallback: dialled)?.contains("cannot write") == true)
    }

    @Test func anAnnouncementIsWrittenBehindALink() throws {
        let folder = try TemporaryFolder()
        folder.write("real", "old")
        try FileManager.default.createSymbolicLink(atPath: "\(folder.path)/link", withDestinationPath: "real")
        let dialled = Target(host: Host("192.0.2.1"), port: 8080)
        #expect(AnnounceFile(path: "\(folder.path)/link").write(Grant(.meeting(Self.id)), fallback: dialled) == nil)
        _ = try AnnounceFile(path: "\(folder.path)/real").read()
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() == ["link", "real"])
    }

    @Test("a file that cannot be written is told of once, and written as soon as it can be") func retries() async throws
    {
        let folder = try TemporaryFolder()
        let path = "\(folder.path)/later/at"
        let (lines, told) = AsyncStream.makeStream(of: String.self)
        let writer = AnnounceWriter(
            AnnounceFile(path: path), warn: { told.yield("warning: \($0)") }, note: { told.yield("note: \($0)") })
        let dialled = Target(host: Host("192.0.2.1"), port: 8080)
        writer.announce(Grant(.meeting(Self.id)), fallback: dialled)
        var next = lines.makeAsyncIterator()
        let first = await next.next()
        #expect(first == "warning: cannot write \(path): its folder is not there; create it")
        try FileManager.default.createDirectory(atPath: "\(folder.path)/later", withIntermediateDirectories: true)
        #expect(await next.next() == "note: \(path) is written again")
        #expect(try AnnounceFile(path: path).read().association == UUID(uuidString: Self.id))
        #expect(try FileManager.default.contentsOfDirectory(atPath: "\(folder.path)/later") == ["at"])
    }

    @Test("something else under the name is left alone") func announcesNotOverAFolder() throws {
        let folder = try TemporaryFolder()
        try FileManager.default.createDirectory(atPath: "\(folder.path)/at", withIntermediateDirectories: true)
        let dialled = Target(host: Host("192.0.2.1"), port: 8080)
        let problem = AnnounceFile(path: "\(folder.path)/at").write(Grant(.meeting(Self.id)), fallback: dialled)
        #expect(problem?.contains("something else has that name") == true)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["at"])
    }
}
