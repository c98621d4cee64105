// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOWebSocket
import Testing
import WarrenTesting

@testable import WarrenRuntime

@Suite struct WebSocketMaskTests {
    private static func key(_ random: inout SeededRandom) -> WebSocketMaskingKey { .random(using: &random) }

    @Test("masks as NIO does, of any length, behind any part of a frame", arguments: 0..<70)
    func mask(count: Int) {
        var random = SeededRandom(UInt64(count))
        for offset in 0..<9 {
            let key = Self.key(&random)
            let (before, payload) = (random.bytes(offset), random.bytes(count))
            var expected = before
            expected.writeImmutableBuffer(payload)
            expected.webSocketMask(key)
            var masked = before
            let mask = WebSocketMask(key).behind(offset)
            masked.writePayload(payload, mask)
            #expect(
                masked.getSlice(at: masked.readerIndex + offset, length: count)
                    == expected.getSlice(at: expected.readerIndex + offset, length: count))
            #expect(masked.getSlice(at: masked.readerIndex, length: offset) == before)
            var plain = ByteBuffer()
            plain.writePayload(masked.getSlice(at: masked.readerIndex + offset, length: count) ?? ByteBuffer(), mask)
            #expect(plain == payload)
        }
    }

    @Test func masksAreNotToldTwice() {
        var (one, two) = (WebSocketMasks(), WebSocketMasks())
        let all = (0..<500).flatMap { _ in [one.next(), two.next()] }
        // Of four random bytes a thousand times; a pair by chance once in ten thousand runs.
        #expect(Set(all).count >= all.count - 1)
    }

    @Test(
        "a client's frame has the length in as few bytes as may be, and its payload back without the mask",
        arguments: [(0, "80"), (125, "fd"), (126, "fe007e"), (65_535, "feffff"), (65_536, "ff0000000000010000")])
    func frame(count: Int, length: String) {
        var random = SeededRandom(UInt64(count))
        let (key, payload) = (Self.key(&random), random.bytes(count))
        for (opcode, first) in [(WebSocketOpcode.binary, "82"), (.ping, "89"), (.pong, "8a"), (.connectionClose, "88")]
        {
            var frame = ByteBuffer(webSocketFrame: opcode, masked: payload, WebSocketMask(key))
            let head = frame.readSlice(length: 1 + length.utf8.count / 2) ?? ByteBuffer()
            #expect(head.hex == first + length)
            #expect(frame.readBytes(length: 4) == Array(key))
            #expect(WebSocketFrame(fin: true, opcode: opcode, maskKey: key, data: frame).unmaskedData == payload)
        }
    }

    @Test func theExampleOfTheStandardIsWritten() throws {
        let key = try #require(WebSocketMaskingKey([0x37, 0xFA, 0x21, 0x3D]))
        let frame = ByteBuffer(webSocketFrame: .text, masked: ByteBuffer(string: "Hello"), WebSocketMask(key))
        #expect(frame.hex == "818537fa213d7f9f4d5158")
    }
}
