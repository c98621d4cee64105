// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenJET

@Suite("JET replies")
struct ReplyTests {
    static let text = "e6ec698c-5793-4c63-af79-bd644ccf022f"
    static let association = UUID(jet: Self.text[...].utf8, .strict)

    static func read(
        _ text: String, to kind: JET.Request.Kind = .accept, _ decoding: JET.Decoding = .lenient, flags: UInt8 = 0
    ) throws(WireError) -> JET.Reply {
        try JET.Reply(JET.Packet(flags: flags, mask: 0, payload: text), to: kind, decoding)
    }

    @Test(
        "writes what deployed relays write",
        arguments: [
            ("rsp-accept-v1-seed-", JET.Dialect.document), ("rsp-accept-v1-2018-", .relay2018),
            ("rsp-accept-v1-jetproto-", .jetProto), ("rsp-accept-v1-jetproto-400-", .jetProto),
            ("rsp-accept-v2-jetproto-400-", .jetProto), ("rsp-accept-v2-jetproto-404-", .jetProto),
            ("rsp-connect-v1-2018-400-", .relay2018), ("rsp-connect-v1-2018-400-", .document),
            ("rsp-connect-v1-2018-400-", .plain), ("rsp-connect-v1-jetproto-200-", .jetProto),
            ("rsp-connect-v1-jetproto-404-", .jetProto), ("rsp-connect-v2-jetproto-400-", .jetProto),
            ("rsp-connect-v2-jetproto-404-", .jetProto),
        ])
    func encodes(id: String, dialect: JET.Dialect) throws {
        for mask in ["mask00", "mask73"] {
            let vector = try Vector.named(id + mask)
            var bytes = vector.bytes
            let packet = try #require(try bytes.readJETPacket())
            let reply = try JET.Reply(packet, to: id.contains("accept") ? .accept : .connect, .lenient)
            var written = ByteBuffer()
            try written.writeJETPacket(JET.Packet(mask: packet.mask, payload: reply.text(dialect)))
            #expect(written.hex == vector.hex)
        }
    }

    @Test func thePlainDialectWritesAllFourHeaders() {
        let reply = JET.Reply(
            to: .accept, version: 1, status: 200, association: Self.association, timeout: 300, instance: "i:1")
        let rest = "Jet-Instance: i:1\r\nJet-Association: \(Self.text)\r\nJet-Timeout: 300\r\n\r\n"
        #expect(reply.text(.plain) == "HTTP/1.1 200 OK\r\nJet-Version: 1\r\n" + rest)
        let refusal = JET.Reply(to: .connect, version: 2, status: 404)
        #expect(refusal.text(.plain) == "HTTP/1.1 404 Not Found\r\nJet-Version: 2\r\n\r\n")
    }

    @Test func aRefusalOfTheFirstRelayHasOnlyAVersion() {
        let reply = JET.Reply(to: .accept, version: 1, status: 400, association: .zero, timeout: 300, instance: "i")
        #expect(reply.text(.relay2018) == "HTTP/1.1 400 Bad Request\r\nJet-Version: 1\r\n\r\n")
    }

    @Test func theDeployedCodecFindsWhatItWantsEvenInABareRefusal() {
        let text = JET.Reply(to: .accept, version: 1, status: 418).text(.jetProto)
        #expect(text.hasPrefix("HTTP/1.1 418 418\r\nJet-Version: 1\r\nJet-Instance: \r\n"))
        #expect(text.hasSuffix("Jet-Association: \(UUID.zero.jetText)\r\nJet-Timeout: 0\r\n\r\n"))
    }

    @Test("reads what it writes", arguments: JET.Dialect.allCases, JET.Decoding.allCases)
    func roundTrip(dialect: JET.Dialect, decoding: JET.Decoding) throws {
        for kind in JET.Request.Kind.allCases {
            for version: UInt32 in kind == .test ? [2] : [1, 2] {
                for status in [200, 400, 404, 503, 599] {
                    var reply = JET.Reply(to: kind, version: version, status: status)
                    if kind == .accept && version == 1 && status == 200 {
                        reply.association = Self.association
                        reply.instance = "i"
                    }
                    let read = try Self.read(reply.text(dialect), to: kind, decoding)
                    #expect(read.status == status && read.version == version && read.kind == kind)
                    guard status == 200 else { continue }
                    #expect(read.association == reply.association && read.instance == reply.instance)
                }
            }
        }
    }

    @Test("fits into one read of 1024 bytes", arguments: JET.Dialect.allCases)
    func length(dialect: JET.Dialect) {
        let longest = JET.Reply(
            to: .accept, version: 1, status: 503, association: .zero, timeout: .max,
            instance: String(repeating: "i", count: 255))
        for kind in JET.Request.Kind.allCases {
            for version in [1, 2, UInt32.max] {
                for status in [200, 400, 401, 403, 404, 503] {
                    var reply = longest
                    (reply.kind, reply.version, reply.status) = (kind, version, status)
                    #expect(reply.text(dialect).utf8.count <= 1016)
                }
            }
        }
    }

    @Test(
        "versions a reply may have",
        arguments: [(.accept, [1, 2]), (.connect, [1, 2]), (.test, [2])] as [(JET.Request.Kind, [UInt32])])
    func versions(kind: JET.Request.Kind, known: [UInt32]) {
        for version: UInt32 in [0, 1, 2, 3, 99] {
            let text = "HTTP/1.1 400\r\nJet-Version: \(version)\r\n"
            #expect(((try? Self.read(text, to: kind)) != nil) == known.contains(version))
        }
    }

    @Test(
        "status lines",
        arguments: [
            ("HTTP/1.1 200 OK", 200), ("HTTP/1.0 200", 200), ("HTTP/1.1 200 ", 200), ("HTTP/1.1 100 OK 100", 100),
            ("HTTP/1.1 999 \u{E9}\t", 999), ("HTTP/1.1 099 X", nil), ("HTTP/1.1 20 X", nil), ("HTTP/1.1 2000", nil),
            ("HTTP/1.1  200", nil), ("HTTP/1.1 200\tOK", nil), ("HTTP/1.1 +20", nil), ("HTTP/1.1", nil),
            ("HTTP/2.0 200 OK", nil), ("http/1.1 200 OK", nil), ("HTTP/1.1 200 a\u{1}", nil), ("GET / HTTP/1.1", nil),
        ] as [(String, Int?)])
    func statusLines(line: String, status: Int?) {
        #expect((try? Self.read("\n\(line)\nJet-Version: 2\n\n"))?.status == status)
    }

    static let first = "HTTP/1.1 200 OK\r\nJet-Version: 1\r\n"

    @Test func anAcceptedAssociationMustHaveAName() throws {
        #expect(throws: WireError(.badValue, in: "Jet-Association")) { try Self.read(Self.first) }
        let refused = try Self.read(Self.first.replacing("200 OK", with: "400"))
        #expect(refused.association == nil && refused.timeout == nil && refused.instance == nil)
        let association = try Self.read(Self.first + "Jet-Association: \(Self.text)\r\n").association
        #expect(association != nil && association == Self.association)
    }

    @Test(
        "what is there must make sense",
        arguments: [
            ("Jet-Timeout", "5m"), ("Jet-Timeout", ""), ("Jet-Timeout", "4294967296"), ("Jet-Association", "none"),
        ])
    func senselessHeaders(name: String, value: String) {
        for status in ["200", "400"] {
            let text = "HTTP/1.1 \(status)\r\nJet-Version: 1\r\n\(name): \(value)\r\nJet-Association: \(Self.text)\r\n"
            #expect(throws: WireError(.badValue, in: name)) { try Self.read(text) }
        }
    }

    @Test func otherRepliesMayHoldAnything() throws {
        let start = "HTTP/1.1 200 OK\r\nJet-Version: 2\r\n"
        let text = start + "Jet-Association: none\r\nJet-Timeout: 5m\r\nJet-Instance: i\r\n\r\n"
        for kind in JET.Request.Kind.allCases {
            #expect(try Self.read(text, to: kind) == JET.Reply(to: kind, version: 2, status: 200))
        }
    }

    @Test func strictDecodingWantsTheInstance() throws {
        let named = Self.first + "Jet-Association: \(Self.text)\r\n"
        #expect(throws: WireError(.badValue, in: "Jet-Instance")) { try Self.read(named + "\r\n", .strict) }
        let whole = named + "Jet-Instance: i\r\n\r\n"
        #expect(try Self.read(whole, .strict).instance == "i")
        #expect(throws: WireError(.badValue, in: "packet.flags")) { try Self.read(whole, .strict, flags: 0x80) }
        for sloppy in [
            whole + "x", String(whole.dropLast()), "\r\n" + whole, whole.replacing("/1.1", with: "/1.0"),
            whole.replacing("\r\n", with: "\n"), whole.replacing("n: 1", with: "n: 01"),
            whole.replacing(Self.text, with: Self.text.replacing("-", with: "")),
            whole.replacing("Jet-Instance", with: "Jet-Instance: i\r\nJet-Instance"),
        ] {
            #expect(throws: WireError.self) { try Self.read(sloppy, .strict) }
        }
    }
}
