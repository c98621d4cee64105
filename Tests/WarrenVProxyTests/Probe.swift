// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenTesting

@testable import WarrenVProxy

/// A hand-made peer against a deployed one: what each put into KCP, and when.
struct Probe: Decodable {
    struct Datagram: Decodable {
        var tMs: Double
        /// `tx` by the hand-made peer, `rx` by the deployed one, `--` where a new session begins.
        var dir: String
        var hex: String
    }

    /// By the deployed peer.
    struct Frame: Decodable {
        var meaning: String
        var streamId: UInt32
        var headerHex: String
        var payloadHex: String
        var gzipDecodedHex: String?
        var tMs: Double

        var plain: ByteBuffer { ByteBuffer(hex: self.gzipDecodedHex ?? self.payloadHex) }
    }

    enum Event {
        case sent(ByteBuffer)
        case answered(Frame)
    }

    var name: String?
    private var txRx: [Datagram]
    private var rxFrames: [Frame]?
    private var frames: [Frame]?

    /// What the hand-made peer sent, each KCP segment once, and the answers, in the order of their times.
    ///
    /// What came in another conversation is left out, as our KCP does; of two sessions on one port only the first is taken.
    var events: [Event] {
        var all: [(time: Double, event: Event)] = []
        var numbers: Set<UInt32> = []
        for datagram in self.txRx.prefix(while: { $0.dir != "--" }) where datagram.dir == "tx" {
            for (number, data) in Self.pushed(ByteBuffer(hex: datagram.hex)) where numbers.insert(number).inserted {
                all.append((datagram.tMs, .sent(data)))
            }
        }
        all += (self.rxFrames ?? self.frames ?? []).map { ($0.tMs, .answered($0)) }
        // Both lists are in order, and what was sent at the same time was there first.
        return all.enumerated().sorted { ($0.element.time, $0.offset) < ($1.element.time, $1.offset) }.map(
            \.element.event)
    }

    private static func pushed(_ datagram: ByteBuffer) -> [(UInt32, ByteBuffer)] {
        var datagram = datagram
        var all: [(UInt32, ByteBuffer)] = []
        while let head = datagram.readSlice(length: 24),
            let conversation = head.getInteger(at: head.readerIndex, as: UInt32.self),
            let command = head.getInteger(at: head.readerIndex + 4, as: UInt8.self),
            let number = head.getInteger(at: head.readerIndex + 12, endianness: .little, as: UInt32.self),
            let length = head.getInteger(at: head.readerIndex + 20, endianness: .little, as: UInt32.self),
            let data = datagram.readSlice(length: Int(length))
        {
            if conversation == 0, command == 81 { all.append((number, data)) }
        }
        return all
    }
}
