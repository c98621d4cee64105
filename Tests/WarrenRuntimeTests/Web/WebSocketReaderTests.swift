// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOWebSocket
import Testing
import WarrenTesting

@testable import WarrenRuntime

@Suite struct WebSocketReaderTests {
    private struct Frame: Hashable {
        var opcode: WebSocketOpcode
        var isLast: Bool
        var payload: ByteBuffer
    }

    /// Frames of all kinds, and their bytes.
    private static func frames(_ random: inout SeededRandom) -> (all: [Frame], bytes: ByteBuffer) {
        let (masks, lengths) = (Bool.random(using: &random), [0, 1, 7, 125, 126, 200, 65_535, 65_536, 70_000])
        var (all, bytes) = ([Frame](), ByteBuffer())
        for _ in 0..<Int.random(in: 1...6, using: &random) {
            let opcode =
                [WebSocketOpcode.binary, .text, .continuation, .ping, .pong, .connectionClose]
                .randomElement(using: &random) ?? .binary
            let most = opcode.isControlOpcode ? 4 : lengths.count
            let payload = random.bytes(lengths[Int.random(in: 0..<most, using: &random)])
            let isLast = opcode.isControlOpcode || Bool.random(using: &random)
            all.append(Frame(opcode: opcode, isLast: isLast, payload: payload))
            let frame = RawFrame((isLast ? 0x80 : 0) | UInt8(webSocketOpcode: opcode), payload)
            bytes.writeImmutableBuffer(frame.bytes(mask: masks ? Array(random.bytes(4).readableBytesView) : nil))
        }
        return (all, bytes)
    }

    @Test("frames come as they were sent, whole or cut anywhere", arguments: UInt64(0)..<200)
    func reads(seed: UInt64) {
        var random = SeededRandom(seed)
        let (expected, all) = Self.frames(&random)
        var (reader, rest, read) = (WebSocketReader(), all, [Frame]())
        while rest.readableBytes > 0 {
            let count = Int.random(in: 1...(seed % 2 == 0 ? 40_000 : 9), using: &random)
            var piece = rest.readSlice(length: min(count, rest.readableBytes)) ?? ByteBuffer()
            Self.take(&piece, &reader, &read)
            #expect(piece.readableBytes == 0)
        }
        #expect(read == expected)
    }

    private static func take(_ bytes: inout ByteBuffer, _ reader: inout WebSocketReader, _ read: inout [Frame]) {
        while let piece = reader.next(in: &bytes) {
            switch piece {
            case .header(let header):
                guard !header.opcode.isControlOpcode else { continue }
                read.append(Frame(opcode: header.opcode, isLast: header.isLast, payload: ByteBuffer()))
            case .data(let payload, let mask, let isLast):
                read[read.count - 1].payload.writePayload(payload, mask)
                #expect(!isLast || read[read.count - 1].isLast)
            case .control(let opcode, let payload): read.append(Frame(opcode: opcode, isLast: true, payload: payload))
            }
        }
    }

    @Test("a length past what a number holds is none that anybody allocates")
    func hugeLength() throws {
        var bytes = ByteBuffer(bytes: [0x82, 0x7F] + [UInt8](repeating: 0xFF, count: 8))
        var reader = WebSocketReader()
        guard case .header(let header)? = reader.next(in: &bytes) else { throw ChannelError.inputClosed }
        #expect(header.length == .max)
        var rules = WebSocketRules(.client)
        #expect(rules.judge(header)?.code == .messageTooLarge)
    }
}
