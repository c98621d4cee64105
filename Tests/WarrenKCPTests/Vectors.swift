// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenTesting

@testable import WarrenKCP

/// Datagrams of deployed programs, and some derived from their rules.
struct Vectors: Decodable {
    struct Fields: Decodable {
        var conv: UInt32
        var cmd: UInt8
        var frg: UInt8
        var wnd: UInt16
        var ts: UInt32
        var sn: UInt32
        var una: UInt32
        var data: String?

        var segment: KCP.Segment? {
            guard let command = KCP.Command(rawValue: self.cmd) else { return nil }
            let header = KCP.Header(
                conversation: self.conv, command: command, fragment: self.frg, window: self.wnd, stamp: self.ts,
                number: self.sn, awaited: self.una)
            return KCP.Segment(header, data: ByteBuffer(hex: self.data ?? ""))
        }
    }

    struct Captured: Decodable {
        var hex: String
        var segments: [Fields]
    }

    struct Derived: Decodable {
        var name: String
        var fields: Fields?
        var segments: [Fields]?
        var hex: String
        var all: [Fields] { self.segments ?? self.fields.map { [$0] } ?? [] }
    }

    struct Invalid: Decodable {
        var name: String
        var hex: String
    }

    var captured: [Captured]
    var derived: [Derived]
    var invalid: [Invalid]

    static func load() throws -> Self { try Fixture.load("segments") }

    /// Every valid datagram with its segments.
    var valid: [(hex: String, segments: [KCP.Segment])] {
        self.captured.map { ($0.hex, $0.segments.compactMap(\.segment)) }
            + self.derived.map { ($0.hex, $0.all.compactMap(\.segment)) }
    }
}
