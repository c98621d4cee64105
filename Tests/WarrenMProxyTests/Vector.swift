// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import WarrenTesting

@testable import WarrenMProxy

/// The recorded fixtures, read with the target's own reader, which keeps the order of members.
enum Vector {
    static func load(_ name: String) throws -> JSON {
        try JSON(try Self.bytes(name).readableBytesView, depth: 16)
    }

    /// A JSON text per line.
    static func lines(_ name: String) throws -> [JSON] {
        try Self.bytes(name).readableBytesView.split(separator: UInt8(ascii: "\n"))
            .map { try JSON(ByteBuffer(bytes: $0).readableBytesView, depth: 16) }
    }

    static func cases(_ name: String, _ list: String = "cases") throws -> [JSON] {
        try Self.load(name)[list]?.elements ?? []
    }

    private static func bytes(_ name: String) throws -> ByteBuffer {
        let url = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/\(name)")
        return ByteBuffer(bytes: try Data(contentsOf: url))
    }
}

extension JSON {
    var hex: ByteBuffer? { self.text.map { ByteBuffer(hex: $0) } }
    /// A number or a text, as the text that it is in a header; nil for null.
    var plain: String? { if case .number(let digits) = self { digits } else { self.text } }
}

/// One event as the vectors write it, whatever the cuts.
struct Event: Hashable {
    var on = ""
    var family = ""
    var address = ""
    var port = ""
    var service = ""
    var servicePort = ""
    var name = ""
    var data = ""

    init(_ json: JSON) {
        self.on = json["on"]?.text ?? "message"
        self.family = (json["family"] ?? json["srcFamily"])?.plain ?? ""
        self.address = (json["address"] ?? json["srcAddr"])?.plain ?? ""
        self.port = (json["port"] ?? json["srcPort"])?.plain ?? ""
        self.service = (json["service"] ?? json["dstScheme"])?.plain ?? ""
        self.servicePort = (json["serviceport"] ?? json["dstPort"])?.plain ?? ""
        self.name = (json["name"] ?? json["dstAddr"])?.plain ?? ""
        self.data = json["data"]?.text ?? ""
    }

    init(_ header: MProxy.Header) {
        self.on = header.kind.word ?? "message"
        self.family = header.source.family
        self.address = header.source.address
        self.port = header.source.port
        self.service = header.kind == .connection ? header.service : header.kind.word ?? header.service
        self.servicePort = header.servicePort
        self.name = header.name
    }
}

/// Puts the pieces of bodies together again.
struct Collector {
    private(set) var events: [Event] = []
    private var pending: (event: Event, body: ByteBuffer, length: Int)?

    mutating func take(_ event: MProxy.Unpacker.Event) {
        switch event {
        case .connection(let header) where header.length > 1:
            self.pending = (Event(header), ByteBuffer(), header.length)
        case .connection(let header), .end(let header), .finish(let header):
            self.events.append(Event(header))
        case .data(let header, let piece):
            if self.pending == nil { self.pending = (Event(header), ByteBuffer(), header.length) }
            self.pending?.body.writeImmutableBuffer(piece)
        case .error(let header, let body), .pause(let header, let body), .resume(let header, let body),
            .control(let header, let body), .credit(let header, let body):
            self.pending = (Event(header), body, body.readableBytes)
        }
        guard let (pending, body, length) = self.pending, body.readableBytes == length else { return }
        var event = pending
        event.data = body.hex
        self.events.append(event)
        self.pending = nil
    }

    static func events(
        _ chunks: [ByteBuffer], _ reading: MProxy.Reading, limits: MProxy.Unpacker.Limits = .init()
    ) throws -> [Event] {
        var unpacker = MProxy.Unpacker(reading, limits: limits)
        var collector = Self()
        for chunk in chunks {
            unpacker.receive(chunk)
            while let event = try unpacker.next() { collector.take(event) }
        }
        return collector.events
    }
}
