// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOWebSocket
import Testing
import WarrenTesting

@testable import WarrenRuntime

@Suite struct WebSocketMaskTests {
    private static func key(_ random: inout SeededRandom) -> WebSocketMaskingKey { .random(using: &random) }

    @Test("masks as NIO does, of any length, at any place in a buffer that others hold as well", arguments: 0..<70)
    func mask(count: Int) {
        var random = SeededRandom(UInt64(count))
        for offset in 0..<9 {
            let key = Self.key(&random)
            var all = random.bytes(offset + count)
            let before = all
            all.webSocketMask(key, behind: offset)
            var expected = before.getSlice(at: before.readerIndex + offset, length: count) ?? ByteBuffer()
            expected.webSocketMask(key)
            #expect(all.getSlice(at: all.readerIndex + offset, length: count) == expected)
            #expect(
                all.getSlice(at: all.readerIndex, length: offset)
                    == before.getSlice(at: before.readerIndex, length: offset))
            all.webSocketMask(key, behind: offset)
            #expect(all == before)
        }
    }

    @Test(
        "a client's frame has the length in as few bytes as may be, and its payload back without the mask",
        arguments: [(0, "80"), (125, "fd"), (126, "fe007e"), (65_535, "feffff"), (65_536, "ff0000000000010000")])
    func frame(count: Int, length: String) {
        var random = SeededRandom(UInt64(count))
        let (key, payload) = (Self.key(&random), random.bytes(count))
        for (opcode, first) in [(WebSocketOpcode.binary, "82"), (.ping, "89"), (.pong, "8a"), (.connectionClose, "88")]
        {
            var frame = ByteBuffer(webSocketFrame: opcode, masked: payload, key)
            let head = frame.readSlice(length: 1 + length.utf8.count / 2) ?? ByteBuffer()
            #expect(head.hex == first + length)
            #expect(frame.readBytes(length: 4) == Array(key))
            #expect(WebSocketFrame(fin: true, opcode: opcode, maskKey: key, data: frame).plainData == payload)
        }
    }

    @Test func theExampleOfTheStandardIsWritten() throws {
        let key = try #require(WebSocketMaskingKey([0x37, 0xFA, 0x21, 0x3D]))
        let frame = ByteBuffer(webSocketFrame: .text, masked: ByteBuffer(string: "Hello"), key)
        #expect(frame.hex == "818537fa213d7f9f4d5158")
    }
}
