// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenMProxy

@Suite struct UnpackerTests {
    /// Whatever the deployed codec takes and Warren does not, with the reason.
    static let refused: [String: WireError] = [
        "four-fields": WireError(.tooShort, in: "header"),
        "one-field": WireError(.tooShort, in: "header"),
        "header-len-0-alone": WireError(.tooShort, in: "header"),
        "version-255": WireError(.badMagic, in: "frame.version"),
        "version-0": WireError(.badMagic, in: "frame.version"),
        "desync": WireError(.badMagic, in: "frame.version"),
        "len-2abc": WireError(.badValue, in: "header.datalen"),
        "len-space2": WireError(.badValue, in: "header.datalen"),
        "len-0x2": WireError(.badValue, in: "header.datalen"),
        "len-1e3": WireError(.badValue, in: "header.datalen"),
        "len-neg": WireError(.badValue, in: "header.datalen"),
        "len-2^53": WireError(.badValue, in: "header.datalen"),
        "len-1e21": WireError(.badValue, in: "header.datalen"),
    ]
    /// What ends the deployed process: here it is an error, or an ordinary event.
    static let crashes = ["len-2^53", "len-1e21", "err-number"]

    @Test func readsWhatTheDeployedCodecReadsInEveryCut() throws {
        var count = 0
        for vector in try Vector.cases("parse.json") {
            let id = try #require(vector["id"]?.text)
            let chunks = try #require(vector["chunks"]?.elements).compactMap(\.hex)
            let expected = (vector["result"]?["events"]?.elements ?? []).map { Event($0) }
            for reading in [MProxy.Reading.deployed, .strict] where !Self.crashes.contains(id) {
                if reading == .strict, let error = Self.refused[id] {
                    #expect(throws: error, "\(id)") { try Collector.events(chunks, .strict) }
                    continue
                }
                if id == "header-len-0-alone" { continue }  // delivered with the next byte upstream, at once here
                #expect(try Collector.events(chunks, reading) == expected, "\(id)")
                let whole = chunks.reduce(into: ByteBuffer()) { $0.writeImmutableBuffer($1) }
                for cut in Chunks.everySplit(of: whole) {
                    #expect(try Collector.events(cut, reading) == expected, "\(id)")
                }
                count += 1
            }
        }
        #expect(count > 50)
    }

    @Test func survivesWhatEndsTheDeployedCodec() throws {
        for vector in try Vector.cases("parse.json") where Self.crashes.contains(vector["id"]?.text ?? "") {
            let chunks = try #require(vector["chunks"]?.elements).compactMap(\.hex)
            for reading in [MProxy.Reading.deployed, .strict] { _ = try? Collector.events(chunks, reading) }
        }
    }

    @Test func readsTheRecordedStreamsInEveryCut() throws {
        for vector in try Vector.cases("chunks.json") {
            guard let stream = vector["stream"]?.hex else { continue }
            let expected = (vector["events"]?.elements ?? []).map { Event($0) }
            for chunks in Chunks.everySplit(of: stream) {
                #expect(try Collector.events(chunks, .deployed) == expected)
            }
        }
    }

    @Test(arguments: [1, 7, 997, 65536]) func deliversALongBodyInPieces(chunk: Int) throws {
        let body = ByteBuffer(bytes: (0..<66560).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ 7) })
        let source = MProxy.Address(family: "IPv4", address: "127.0.1.1", port: "4321")
        let header = MProxy.Header(.data, source, service: "https", servicePort: "443", name: "example.com")
        let stream = try MProxy.Packer.frame(header, body)
        let events = try Collector.events(Chunks.of(chunk, stream), .strict)
        #expect(events.count == 1)
        #expect(events.first?.data == body.hex)
    }

    @Test func readsWhatPeersInGoWriteInEveryCut() throws {
        for vector in try Vector.cases("go-telebit-v2.json", "parse") {
            let id = try #require(vector["id"]?.text)
            let chunks = try #require(vector["chunks"]?.elements).compactMap(\.hex)
            let whole = chunks.reduce(into: ByteBuffer()) { $0.writeImmutableBuffer($1) }
            guard vector["err"] == nil else {
                if id != "control" {
                    #expect(throws: WireError.self, "\(id)") { try Collector.events(chunks, .strict) }
                }
                continue
            }
            // Go makes an event without addresses of what follows a frame without a body, and loses such an error.
            var expected = (vector["events"]?.elements ?? []).map { Event($0) }.filter { !$0.family.isEmpty }
            for cut in Chunks.everySplit(of: whole) {
                let events = try Collector.events(cut, .strict).map { event in
                    var event = event
                    if event.on == "end" {
                        event.on = "message"
                        event.servicePort = "0"
                    }
                    if event.servicePort.isEmpty { event.servicePort = "0" }
                    return event
                }
                if id == "error0" || id == "connection" { expected = events }
                if vector["panic"] == nil { #expect(events == expected, "\(id)") }
            }
        }
    }

    @Test func isInsideAFrameFromItsFirstByteToItsLast() throws {
        var unpacker = MProxy.Unpacker()
        #expect(!unpacker.isInsideFrame)
        let stream = ByteBuffer(hex: "fe15") + ByteBuffer(string: "IPv4,1.2.3.4,5,2,tcp,hi")
        for chunk in Chunks.of(1, stream).dropLast() {
            unpacker.receive(chunk)
            while try unpacker.next() != nil {}
            #expect(unpacker.isInsideFrame)
        }
        unpacker.receive(ByteBuffer(string: "i"))
        #expect(try unpacker.next() != nil)
        #expect(!unpacker.isInsideFrame)
    }

    @Test(arguments: [
        "IPv4,1.2.3.4,5,1048577,tcp,,", "IPv4,1.2.3.4,5,65537,error,,", ",,,65537,control", ",,,4294967296,control",
    ])
    func refusesALengthBeforeItsBytesCome(text: String) throws {
        var unpacker = MProxy.Unpacker()
        unpacker.receive(ByteBuffer(bytes: [0xFE, UInt8(text.utf8.count)]) + ByteBuffer(string: text))
        #expect(throws: WireError(.tooLong, in: "header.datalen")) { try unpacker.next() }
        #expect(throws: WireError(.tooLong, in: "header.datalen")) { try unpacker.next() }
    }

    @Test func refusesWhatCouldNotBeRepeated() throws {
        let long = String(repeating: "9", count: 130)
        for (text, field) in [
            ("IPv4,\(long),5,0,tcp,,", "header.address"), ("IPv4,1,5,0,\(long),,", "header.service"),
            ("IPv4,1\r,5,0,tcp,,", "header.address"), ("IPv4,1,5,0,tcp,,a\n", "header.name"),
        ] {
            var unpacker = MProxy.Unpacker()
            unpacker.receive(ByteBuffer(bytes: [0xFE, UInt8(text.utf8.count)]) + ByteBuffer(string: text))
            do {
                _ = try unpacker.next()
                Issue.record("\(text) is taken")
            } catch {
                #expect(error.field == field)
            }
        }
    }
}

@Suite struct PackerTests {
    static let unrepeatable = ["over-header-256", "connection-253-name"]

    @Test func writesWhatTheDeployedPackerWrites() throws {
        let hello = try #require(try Vector.load("seed.json")["helloHex"]?.hex)
        var count = 0
        for vector in try Vector.cases("pack.json") where vector["throws"] == nil {
            let id = try #require(vector["id"]?.text)
            let body = Self.body(vector["data"], hello: hello)
            let header = Self.header(vector, length: body.readableBytes)
            if Self.unrepeatable.contains(id) { continue }
            let packed: ByteBuffer
            if vector["fn"]?.text == "pack" {
                packed = try MProxy.Packer.pack(header, body)
            } else if vector["andBody"] == .bool(true) {
                packed = try MProxy.Packer.frame(header, body)
            } else {
                packed = try MProxy.Packer.packHeader(header)
            }
            #expect(packed.readableBytes == vector["length"]?.integer, "\(id)")
            if let hex = vector["hex"]?.text { #expect(packed.hex == hex, "\(id)") }
            if let prefix = vector["prefixHex"]?.text { #expect(packed.hex.hasPrefix(prefix), "\(id)") }
            count += 1
        }
        #expect(count == 36)
    }

    @Test func writesWhatPeersInGoWrite() throws {
        for vector in try Vector.cases("go-telebit-v2.json", "encode") where vector["id"]?.text != "long" {
            let text = try #require(vector["headerText"]?.text)
            let expected = try #require(vector["hex"]?.hex)
            var stream = expected
            var unpacker = MProxy.Unpacker()
            unpacker.receive(stream)
            var header: MProxy.Header?
            while let event = try unpacker.next() {
                switch event {
                case .data(let found, _), .end(let found): header = found
                default: Issue.record("\(event)")
                }
            }
            stream.moveReaderIndex(forwardBy: 2 + text.utf8.count)
            #expect(try MProxy.Packer.frame(try #require(header), stream, .go) == expected)
        }
    }

    @Test func leavesOutTheNameWhereItDoesNotFit() throws {
        let name = String(repeating: "abcdefghi.", count: 23) + "a"
        let source = MProxy.Address(family: "IPv4", address: "127.0.1.1", port: "4321")
        let header = MProxy.Header(.data, source, service: "https", servicePort: "443", name: name)
        var packed = try MProxy.Packer.packHeader(header)
        packed.moveReaderIndex(forwardBy: 2)
        #expect(String(buffer: packed) == "IPv4,127.0.1.1,4321,0,https,443,")
        #expect(throws: WireError(.tooLong, in: "header")) {
            try MProxy.Packer.packHeader(header.answering(.connection))
        }
    }

    @Test(arguments: ["a,b", "a\nb", "a\0b", "\r"]) func refusesATextThatWouldEndItsField(name: String) {
        let source = MProxy.Address(family: "IPv4", address: "127.0.1.1", port: "4321")
        #expect(throws: WireError(.badValue, in: "header")) {
            try MProxy.Packer.packHeader(MProxy.Header(.data, source, service: "tcp", name: name))
        }
    }

    @Test func namesAStreamAsTheDeployedPackerDoes() throws {
        for vector in try Vector.cases("addr.json") {
            // A socket without an address is "undefined,undefined,undefined" upstream.
            guard let family = vector["addr"]?["family"]?.text else { continue }
            let address = MProxy.Address(
                family: family, address: vector["addr"]?["address"]?.plain ?? "",
                port: vector["addr"]?["port"]?.plain ?? "")
            #expect(address.id == vector["id"]?.text)
            #expect(MProxy.Address(id: address.id) == address)
            let socket = try #require(address.socketAddress)
            #expect(MProxy.Address(socket, .node) == address)
        }
        #expect(MProxy.Address(id: "a,b") == nil)
        #expect(MProxy.Address(id: "a,b,c,d") == nil)
    }

    @Test func comparesIdentitiesByTheirBytes() {
        let composed = MProxy.Address(family: "IPv4", address: "\u{E9}", port: "1")
        let decomposed = MProxy.Address(family: "IPv4", address: "e\u{301}", port: "1")
        #expect(composed != decomposed)
        #expect(Set([composed, decomposed]).count == 2)
    }

    private static func header(_ vector: JSON, length: Int) -> MProxy.Header {
        let service = vector["service"]?.text ?? ""
        let kind = MProxy.Header.Kind(service: service, isExtended: false)
        if kind == .control { return .control(length: length) }
        let meta = vector["meta"]
        return MProxy.Header(
            kind,
            MProxy.Address(
                family: meta?["family"]?.plain ?? "", address: meta?["address"]?.plain ?? "",
                port: meta?["port"]?.plain ?? ""),
            length: length, service: meta?["service"]?.plain ?? "", servicePort: meta?["serviceport"]?.plain ?? "",
            name: meta?["name"]?.plain ?? "")
    }

    private static func body(_ data: JSON?, hello: ByteBuffer) -> ByteBuffer {
        if let hex = data?["hex"]?.hex { return hex }
        if data?["file"] != nil { return hello }
        if let count = data?["gen"]?.integer {
            return ByteBuffer(bytes: (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ 7) })
        }
        var bytes = ByteBuffer()
        // Upstream a number 0 is as nothing.
        if let json = data?["json"], json != .integer(0) { bytes.writeJSON(json) }
        return bytes
    }
}

func + (a: ByteBuffer, b: ByteBuffer) -> ByteBuffer {
    var sum = a
    sum.writeImmutableBuffer(b)
    return sum
}
