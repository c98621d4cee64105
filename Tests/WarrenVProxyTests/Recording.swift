// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenTesting

/// A session of deployed peers, as frames in the order in which they were complete.
struct Recording: Decodable {
    struct Frame: Decodable {
        var session: Int?
        var dir: String
        var meaning: String
        var len: Int
        var streamId: UInt32
        var headerHex: String
        var payloadHex: String
        var gzipDecodedHex: String?

        var isToServer: Bool { self.dir == "c2s" }
        var bytes: ByteBuffer { ByteBuffer(hex: self.headerHex + self.payloadHex) }
        /// What a reader of the stream gets.
        var plain: ByteBuffer { ByteBuffer(hex: self.gzipDecodedHex ?? self.payloadHex) }
    }

    struct Datagram: Decodable {
        struct Segment: Decodable {
            var cmdName: String
            var sn: UInt32
            var len: Int
        }
        var session: Int
        var dir: String
        var hex: String
        var segments: [Segment]
    }

    var datagrams: [Datagram]
    var frames: [Frame]

    static func load(_ name: String) throws -> Recording { try Fixture.load(name) }

    /// All that one end has put into KCP, in order, with what was sent again left out.
    func carried(_ dir: String) -> ByteBuffer {
        var pieces: [UInt32: ByteBuffer] = [:]
        for datagram in self.datagrams where datagram.dir == dir {
            var bytes = ByteBuffer(hex: datagram.hex)
            for segment in datagram.segments {
                bytes.moveReaderIndex(forwardBy: 24)
                let data = bytes.readSlice(length: segment.len) ?? ByteBuffer()
                if segment.cmdName == "PUSH" { pieces[segment.sn] = data }
            }
        }
        return pieces.keys.sorted().reduce(ByteBuffer()) { $0 + (pieces[$1] ?? ByteBuffer()) }
    }
}
