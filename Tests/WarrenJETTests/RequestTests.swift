// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenJET

@Suite("JET requests")
struct RequestTests {
    static let association = "300f1c82-d33b-11e9-bb65-2a2ae2dbcce5"
    static let candidate = "4c8f409a-c1a2-4cae-bda2-84c590fed618"
    static let path = "\(Self.association)/\(Self.candidate)"

    static func read(
        _ text: String, _ decoding: JET.Decoding = .lenient, flags: UInt8 = 0
    ) throws(WireError) -> JET.Request {
        try JET.Request(JET.Packet(flags: flags, mask: 0, payload: text), decoding)
    }

    /// Vectors that are what an encoder writes, with the mask they were written with.
    @Test(
        "writes what deployed peers write",
        arguments: [
            "v1-accept-req-mask73", "v1-accept-req-mask01", "v1-accept-req-mask7f", "v1-accept-req-mask80",
            "v1-accept-req-maskff", "v1-connect-req-mask00", "v1-connect-req-mask73", "v1-connect-req-maskff",
            "v2-accept-req-mask00", "v2-connect-req-mask00", "v2-connect-req-mask73", "v2-test-req-mask73",
            "v3-accept-req-mask73", "path-test-v1-version",
        ])
    func encodes(id: String) throws {
        let vector = try Vector.named(id)
        var bytes = vector.bytes
        let packet = try #require(try bytes.readJETPacket())
        let request = try JET.Request(packet, .lenient)
        var written = ByteBuffer()
        try written.writeJETPacket(JET.Packet(mask: packet.mask, payload: request.text))
        #expect(written.hex == vector.hex)
    }

    @Test func whatIsWrittenIsReadStrictly() throws {
        var random = SeededRandom(1)
        for kind in JET.Request.Kind.allCases {
            for version: UInt32 in [1, 2, 0, 3, .max] where kind != .test || version != 1 {
                var request = JET.Request(kind, version: version, host: "jet.example")
                if version != 1 || kind == .connect { request.association = Self.uuid(&random) }
                if version != 1 { request.candidate = Self.uuid(&random) }
                #expect(try Self.read(request.text, .strict) == request)
                #expect(try Self.read(request.text, .lenient) == request)
            }
        }
    }

    private static func uuid(_ random: inout SeededRandom) -> UUID {
        let digits = random.bytes(16).hex
        return UUID(jet: digits[...].utf8, .lenient) ?? .zero
    }

    @Test(
        "lenient paths",
        arguments: [
            ("/jet/acceptXYZ/\(path)", JET.Request.Kind.accept), ("/jet/accept/\(path)/extra/é", .accept),
            ("/jet/connect/\(path)/?a=b", .connect), ("/jet/testing/\(path)", .test),
        ])
    func lenientPaths(path: String, kind: JET.Request.Kind) throws {
        let text = "get \(path) HTTP/1.0\nHost:\nJet-Version: +0002\n"
        let request = try Self.read(text)
        #expect(request.kind == kind && request.version == 2 && request.host.isEmpty)
        #expect(request.association.jetText == Self.association && request.candidate.jetText == Self.candidate)
        #expect(throws: WireError.self) { try Self.read(text, .strict) }
    }

    @Test(
        "refused paths",
        arguments: [
            "/jet/accept/\(path)?a=b", "/jet/accept/\(association)", "/jet/accept", "/Jet/accept/\(path)",
            "/jet/\(path)", "/x/\(path)", "", "/?", "/jet/accept//\(path)", "/jet/accept/{\(association)/\(candidate)}",
        ])
    func refusedPaths(path: String) {
        let text = "GET \(path) HTTP/1.1\r\nHost: h\r\nJet-Method: Accept\r\nJet-Version: 2\r\n\r\n"
        #expect(throws: WireError.self) { try Self.read(text) }
    }

    @Test(
        "heads that are never right",
        arguments: [
            ("GET / HTTP/1.1\r\nHost: h\rJet-Version: 1\r\n\r\n", "head.newline"),
            ("GET / HTTP/1.1\r\n\rX", "head.newline"), ("GET / HTTP/1.1\r\nHost : h\r\n", "header.name"),
            ("GET / HTTP/1.1\r\nHost: h\r\n folded\r\n", "header.name"),
            ("GET / HTTP/1.1\r\n: h\r\n", "header.name"), ("GET / HTTP/1.1\r\nHost: a\u{7F}", "header.value"),
            ("GET / HTTP/1.1\r\nHöst: a", "header.name"), ("GET / HTTP/1.1\u{0}\r\n", "head.line"),
            ("GET / HTTP/1.1", "head.line"), ("", "head.line"), ("\r\n\n", "head.line"), ("\rGET", "head.newline"),
            ("GET  / HTTP/1.1\r\n", "request.line"), (" GET / HTTP/1.1\r\n", "request.line"),
            ("GET / HTTP/1.1 \r\n", "request.line"), ("GET /\tHTTP/1.1\r\n", "request.line"),
            ("GET /\t HTTP/1.1\r\n", "request.path"), ("PUT / HTTP/1.1\r\n", "request.method"),
            ("GET / HTTP/1.2\r\n", "head.version"), ("GET / http/1.1\r\n", "head.version"),
        ])
    func refusedHeads(text: String, field: String) {
        let error = #expect(throws: WireError.self) { try Self.read(text) }
        #expect(error?.field == field)
    }

    @Test func aSeventeenthHeaderIsRefusedWhenItsLineEnds() throws {
        let start = "GET / HTTP/1.1\r\nHost: h\r\nJet-Method: accept\r\nJet-Version: 1\r\n"
        let sixteen = start + (4...16).map { "X-\($0): \($0)\r\n" }.joined()
        #expect(try Self.read(sixteen + "X-17: 17").kind == .accept)
        #expect(throws: WireError(.tooLong, in: "headers")) { try Self.read(sixteen + "X-17: 17\n") }
    }

    @Test(
        "versions",
        arguments: [
            ("1", 1, true), ("0", 0, false), ("+1", 1, false), ("001", 1, false), ("4294967295", .max, false),
            ("4294967296", nil, false), ("-0", nil, false), ("+", nil, false), ("++1", nil, false), ("1 1", nil, false),
            ("", nil, false), ("0x1", nil, false), ("１", nil, false),
        ] as [(String, UInt32?, Bool)])
    func versions(text: String, version: UInt32?, isStrict: Bool) throws {
        let head = "GET / HTTP/1.1\r\nHost: h\r\nJet-Method: Accept\r\nJet-Version: \(text)\r\n\r\n"
        #expect((try? Self.read(head))?.version == version)
        #expect(((try? Self.read(head, .strict)) != nil) == isStrict)
    }

    @Test(
        "UUIDs",
        arguments: [
            ("E6ec698c-5793-4c63-af79-bd644ccf022F", true, true), ("e6ec698c57934c63af79bd644ccf022f", true, false),
            ("{e6ec698c-5793-4c63-af79-bd644ccf022f}", true, false),
            ("urn:uuid:e6ec698c-5793-4c63-af79-bd644ccf022f", true, false),
            ("URN:UUID:e6ec698c-5793-4c63-af79-bd644ccf022f", false, false),
            ("{e6ec698c57934c63af79bd644ccf022f}", false, false),
            ("e6ec698c5793-4c63-af79-bd644ccf022f", false, false),
            ("e6ec698c-5793-4c63-af79-bd644ccf022fé", false, false),
            ("e6ec698c+5793-4c63-af79-bd644ccf022f", false, false),
            ("e6ec698c57934c63af79bd644ccf02é", false, false), ("e6ec698é57934c63af79bd644ccf022f", false, false),
            ("e6ec698éé7934c63af79bd644ccf02", false, false), ("", false, false),
        ])
    func uuids(text: String, isLenient: Bool, isStrict: Bool) {
        let lenient = UUID(jet: text[...].utf8, .lenient)
        let strict = UUID(jet: text[...].utf8, .strict)
        #expect(lenient?.jetText == (isLenient ? "e6ec698c-5793-4c63-af79-bd644ccf022f" : nil))
        #expect(strict == (isStrict ? lenient : nil))
    }

    static let tidy = JET.Request(.connect, version: 1, association: .zero, host: "h").text
    static let tidyTwo = JET.Request(.accept, version: 2, association: .zero, candidate: .zero, host: "h").text

    @Test(
        "what strict decoding does not forgive",
        arguments: [
            tidy + "body", String(tidy.dropLast(1)), "\r\n" + tidy, tidy.replacing("\r\n", with: "\n"),
            tidy.replacing("GET", with: "get"), tidy.replacing("/1.1", with: "/1.0"),
            tidy.replacing("Method: Connect", with: "Method: connect"),
            tidy.replacing("Version: 1", with: "Version: 2"), tidy.replacing("Host: h", with: "Host: h\r\nhOST: h"),
            tidy.replacing("Host: h\r\n", with: "Host: h\n"),
            tidy.replacing("-", with: "").replacing("Jet", with: "Jet-"),
            tidyTwo.replacing("Version: 2", with: "Version: 1"),
            tidyTwo.replacing(" HTTP", with: "/ HTTP"), tidyTwo.replacing("/accept", with: "/accepted"),
        ])
    func strict(text: String) {
        #expect(throws: WireError.self) { try Self.read(text, .strict) }
    }

    @Test func onlyStrictDecodingLooksAtFlags() throws {
        #expect(try Self.read(Self.tidy, .strict) == Self.read(Self.tidy, .lenient, flags: 1))
        #expect(throws: WireError(.badValue, in: "packet.flags")) { try Self.read(Self.tidy, .strict, flags: 1) }
    }

    @Test func noErrorTellsAnAssociation() {
        let text = Self.tidy.replacing(UUID.zero.jetText, with: "secret")
        let error = #expect(throws: WireError.self) { try Self.read(text) }
        #expect(error?.description == "bad value in Jet-Association: no UUID")
    }
}

@Suite struct RandomIDTests {
    @Test func randomIDsAreOfVersionFourAndDiffer() {
        let ids = Set((0..<1000).map { _ in UUID.random() })
        #expect(ids.count == 1000)
        #expect(ids.allSatisfy { $0.uuid.6 & 0xF0 == 0x40 && $0.uuid.8 & 0xC0 == 0x80 })
        // Every bit that is free is now one and now the other.
        let all = ids.reduce((0 as UInt8, 0xFF as UInt8)) { ($0.0 | $1.uuid.0, $0.1 & $1.uuid.15) }
        #expect(all == (0xFF, 0))
    }
}
