// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenLoop
import WarrenTesting

@testable import WarrenRuntime

@Suite struct WebSocketBytesTests {
    @Test func largeWritesGoOutInFramesOf64KiB() throws {
        let rig = try RawRig.server()
        var random = SeededRandom(3)
        let bytes = random.bytes(150_000)
        rig.leg?.write(bytes)
        rig.leg?.flush()
        rig.loop.runOnce()
        let frames = rig.raw.frames
        #expect(frames.map(\.payload.readableBytes) == [65_536, 65_536, 18_928])
        var joined = ByteBuffer()
        for frame in frames { joined.writeImmutableBuffer(frame.payload) }
        #expect(joined == bytes)
        #expect(rig.probe.sent == 150_000)
    }

    @Test func emptyFramesDeliverNothing() throws {
        let rig = try RawRig.server()
        rig.raw.send(RawFrame(RawFrame.binary).masked)
        rig.raw.send(RawFrame(RawFrame.binary, "x").masked)
        #expect(rig.probe.pieces.count == 1)
    }

    @Test func everyPingOfABurstIsAnsweredInItsTurn() throws {
        let rig = try RawRig.server()
        var burst = RawFrame(RawFrame.ping, "one").masked
        burst.writeImmutableBuffer(RawFrame(RawFrame.ping, "two").masked)
        burst.writeImmutableBuffer(RawFrame(RawFrame.pong, "unasked").masked)
        rig.raw.send(burst)
        #expect(rig.raw.frames == [RawFrame(RawFrame.pong, "one"), RawFrame(RawFrame.pong, "two")])
        // A burst without data does not end the reading.
        rig.raw.send(RawFrame(RawFrame.ping, "three").masked)
        rig.raw.send(RawFrame(RawFrame.binary, "data").masked)
        #expect(rig.raw.frames.last == RawFrame(RawFrame.pong, "three"))
        #expect(rig.received == "data")
    }

    @Test(
        "a server says 1002 to bad frames",
        arguments: [
            RawFrame(RawFrame.binary, "bare").bytes(), RawFrame(0xC2, "reserved").masked, RawFrame(0xA2, "x").masked,
            RawFrame(0x92, "x").masked, RawFrame(0x83, "unknown").masked, RawFrame(0x8B, "unknown").masked,
            RawFrame(0x09, "ping in pieces").masked, RawFrame(0x89, String(repeating: "x", count: 126)).masked,
        ]
    )
    func badFrames(bytes: ByteBuffer) throws {
        let rig = try RawRig.server()
        rig.raw.send(bytes)
        #expect(rig.raw.frames == [RawFrame(RawFrame.close, ByteBuffer(bytes: [0x03, 0xEA]))])
        rig.raw.finish()
        #expect(rig.probe.ends == [.failed])
        #expect(rig.raw.probe.ends == [nil])
        #expect(rig.received == "")
    }

    @Test(
        "messages do not nest, and nothing is continued that has not begun",
        arguments: [
            [RawFrame(0x80, "x")], [RawFrame(0x00, "x")], [RawFrame(0x02, "x"), RawFrame(0x82, "y")],
            [RawFrame(0x01, "x"), RawFrame(0x02, "y")],
            [RawFrame(0x02, "x"), RawFrame(0x80, "y"), RawFrame(0x80, "z")],
            [RawFrame(0x82, "x"), RawFrame(0x00, "y")],
        ])
    func nestedMessages(frames: [RawFrame]) throws {
        let rig = try RawRig.server()
        for frame in frames { rig.raw.send(frame.masked) }
        #expect(rig.raw.frames == [RawFrame(RawFrame.close, ByteBuffer(bytes: [0x03, 0xEA]))])
        rig.raw.finish()
        #expect(rig.probe.ends == [.failed])
    }

    @Test func controlFramesStandBetweenThePiecesOfAMessage() throws {
        let rig = try RawRig.server()
        let frames = [
            RawFrame(0x02, "a"), RawFrame(RawFrame.ping, "p"), RawFrame(0x00), RawFrame(0x00, "b"),
            RawFrame(RawFrame.pong), RawFrame(0x80, "c"), RawFrame(RawFrame.binary, "d"),
        ]
        for frame in frames { rig.raw.send(frame.masked) }
        #expect(rig.received == "abcd")
        #expect(rig.raw.frames == [RawFrame(RawFrame.pong, "p")])
    }

    @Test(
        "a text that is not UTF-8 ends at the frame that says so, with 1007",
        arguments: [
            [RawFrame(0x81, ByteBuffer(bytes: [0xFF]))],
            [RawFrame(0x01, "a"), RawFrame(0x00, ByteBuffer(bytes: [0xC3])), RawFrame(0x80)],
        ])
    func badTexts(frames: [RawFrame]) throws {
        let rig = try RawRig.server()
        for frame in frames { rig.raw.send(frame.masked) }
        #expect(rig.raw.frames == [RawFrame(RawFrame.close, ByteBuffer(bytes: [0x03, 0xEF]))])
        rig.raw.finish()
        #expect(rig.probe.ends == [.failed])
    }

    @Test func aTextMayBeCutWithinACharacter() throws {
        let rig = try RawRig.server()
        let text = ByteBuffer(string: "κόσμε")
        let pieces = Chunks.of(1, text)
        for (index, piece) in pieces.enumerated() {
            let first: UInt8 = (index == 0 ? 1 : 0) | (index == pieces.count - 1 ? 0x80 : 0)
            rig.raw.send(RawFrame(first, piece).masked)
        }
        #expect(rig.received == "κόσμε")
    }

    @Test func aClientTakesNoMaskedFrames() throws {
        let rig = RawRig.client()
        rig.raw.send(RawFrame(RawFrame.binary, "x").masked)
        #expect(rig.raw.frames.map(\.first) == [RawFrame.close])
        rig.raw.finish()
        #expect(rig.probe.ends == [.failed])
    }

    @Test(
        "lengths past the limit are refused before anything of the frame has come",
        arguments: [
            UInt64(1 << 20) + 1, UInt64(1) << 32, UInt64.max >> 1, UInt64(1) << 63, UInt64.max,
        ])
    func overlongFrames(length: UInt64) throws {
        let rig = try RawRig.server()
        var bytes = ByteBuffer(bytes: [0x82, 0xFF])
        bytes.writeInteger(length)
        bytes.writeInteger(UInt32(0))
        rig.raw.send(bytes)
        #expect(rig.raw.frames == [RawFrame(RawFrame.close, ByteBuffer(bytes: [0x03, 0xF1]))])
        rig.raw.send("more")
        rig.raw.finish()
        #expect(rig.probe.ends == [.failed])
    }

    @Test func aFrameOfTheLargestSizeIsTaken() throws {
        let rig = try RawRig.server()
        let bytes = ByteBuffer(repeating: 7, count: 1 << 20)
        for piece in Chunks.of(100_000, RawFrame(RawFrame.binary, bytes).masked) { rig.raw.send(piece) }
        #expect(rig.probe.bytes == bytes)
    }

    @Test("random bytes after the upgrade never trap", arguments: [true, false]) func fuzz(isServer: Bool) throws {
        var random = SeededRandom(17)
        for _ in 0..<150 {
            let rig = isServer ? try RawRig.server() : RawRig.client()
            for piece in Chunks.random(random.bytes(600), most: 200, using: &random) { rig.raw.send(piece) }
            rig.raw.finish()
            rig.loop.advance(by: .seconds(3))
            #expect(rig.probe.ends.count == 1)
        }
    }

    @Test("frames with one byte changed never trap") func mutations() throws {
        var random = SeededRandom(18)
        for index in 0..<40 {
            for mask in [0x01, 0x40, 0x80, 0xFF] as [UInt8] {
                let rig = try RawRig.server()
                var bytes = RawFrame(RawFrame.binary, "payload").masked
                bytes.writeImmutableBuffer(RawFrame(RawFrame.ping, "p").masked)
                bytes.writeImmutableBuffer(RawFrame(RawFrame.close, "\u{3}\u{e8}bye").masked)
                let place = index % bytes.readableBytes
                bytes.setInteger((bytes.getInteger(at: place, as: UInt8.self) ?? 0) ^ mask, at: place)
                for piece in Chunks.random(bytes, using: &random) { rig.raw.send(piece) }
                rig.raw.finish()
                rig.loop.advance(by: .seconds(3))
                #expect(rig.probe.ends.count == 1)
            }
        }
    }
}

@Suite struct WebSocketKeepAliveTests {
    @Test func aPingGoesOutWhenNothingWasSent() throws {
        let rig = try RawRig.server()
        rig.loop.advance(by: .seconds(14))
        #expect(rig.raw.frames == [])
        rig.write("x")
        rig.loop.advance(by: .seconds(14))
        #expect(rig.raw.frames.count == 1)
        rig.loop.advance(by: .seconds(1))
        #expect(rig.raw.frames.last == RawFrame(RawFrame.ping))
        rig.raw.send(RawFrame(RawFrame.pong).masked)
        #expect(rig.received == "" && rig.probe.ends.isEmpty)
    }

    @Test("pings are due as often as was said") func otherPings() throws {
        var limits = HTTPServiceLimits()
        limits.keepAlive = .seconds(2)
        let rig = try RawRig.server(limits: limits)
        for _ in 0..<16 { rig.loop.advance(by: .seconds(1)) }
        #expect(rig.raw.frames == Array(repeating: RawFrame(RawFrame.ping), count: 8))
        rig.loop.advance(by: .seconds(1))
        #expect(rig.probe.ends == [.failed])
    }

    @Test func aSilentPeerIsGivenUpWithinHalfAMinuteAndNotWaitedFor() throws {
        let rig = try RawRig.server()
        rig.loop.advance(by: .seconds(10))
        rig.raw.send(RawFrame(RawFrame.binary, "x").masked)
        for _ in 0..<29 { rig.loop.advance(by: .seconds(1)) }
        #expect(rig.probe.ends.isEmpty)
        #expect(rig.raw.frames == [RawFrame(RawFrame.ping), RawFrame(RawFrame.ping)])
        rig.loop.advance(by: .seconds(1))
        #expect(rig.probe.ends == [.failed])
        #expect(rig.raw.probe.ends == [.aborted])
    }

    @Test("a session's peer that is stopped is found also while it is written to, and one that answers is not given up")
    func aStoppedPeerUnderTraffic() throws {
        for answers in [false, true] {
            var limits = HTTPServiceLimits()
            limits.keepAlive = .seconds(5)
            limits.carriesSession = true
            let rig = try RawRig.server(limits: limits)
            for second in 1...60 where rig.probe.ends.isEmpty {
                rig.write("a request")
                rig.loop.advance(by: .seconds(1))
                if answers, second % 6 == 0 { rig.raw.send(RawFrame(RawFrame.pong).masked) }
                if second == 19 { #expect(rig.raw.frames.contains(RawFrame(RawFrame.ping))) }
                if !answers, second == 20 { #expect(rig.probe.ends == [.failed]) }
            }
            #expect(rig.probe.ends.isEmpty == answers)
        }
    }

    @Test func aSessionsPeerThatTakesMuchIsNotSilent() throws {
        var limits = HTTPServiceLimits()
        limits.carriesSession = true
        let rig = try RawRig.server(limits: limits)
        for _ in 0..<60 {
            rig.write(String(repeating: "x", count: 70_000))
            rig.loop.advance(by: .seconds(1))
        }
        #expect(!rig.raw.frames.contains { $0.first == RawFrame.close })
    }

    @Test func aPeerThatOnlyTakesIsNotSilent() throws {
        let rig = try RawRig.server()
        for _ in 0..<300 {
            rig.loop.advance(by: .seconds(1))
            rig.write("x")
        }
        #expect(rig.probe.ends.isEmpty)
    }

    @Test func twoOfOursKeepEachOtherAlive() throws {
        let pair = try WebSocketPair()
        for _ in 0..<600 { pair.loop.advance(by: .seconds(1)) }
        #expect(pair.clientProbe.ends.isEmpty && pair.serverProbe.ends.isEmpty)
        #expect(pair.clientProbe.pieces.isEmpty && pair.serverProbe.pieces.isEmpty)
    }

    @Test func aPeerIsNotSilentWhileNobodyReads() throws {
        let rig = try RawRig.server()
        rig.probe.onBurst = { rig.leg?.setReading(false) }
        rig.raw.send(RawFrame(RawFrame.binary, "x").masked)
        for _ in 0..<300 { rig.loop.advance(by: .seconds(1)) }
        #expect(rig.probe.ends.isEmpty)
        rig.probe.onBurst = {}
        rig.leg?.setReading(true)
        rig.raw.send(RawFrame(RawFrame.binary, "y").masked)
        #expect(rig.received == "xy")
    }
}
