// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenLoop
import WarrenTesting

@testable import WarrenRuntime

/// Frames that come in many reads, and reads that bring many frames.
@Suite struct WebSocketPiecesTests {
    private static let badFrame = ByteBuffer(bytes: [0x03, 0xEA])
    private static let badText = ByteBuffer(bytes: [0x03, 0xEF])

    private static func rig(isServer: Bool) throws -> RawRig { isServer ? try RawRig.server() : RawRig.client() }

    /// Frames as the peer of a server or of a client writes them, behind each other.
    private static func burst(_ frames: [RawFrame], isServer: Bool) -> ByteBuffer {
        frames.reduce(into: ByteBuffer()) { $0.writeImmutableBuffer(isServer ? $1.masked : $1.bytes()) }
    }

    @Test("a frame is delivered as it comes, long before it is whole", arguments: [true, false], [1, 7, 100, 4096])
    func frameInPieces(isServer: Bool, step: Int) throws {
        let rig = try Self.rig(isServer: isServer)
        var random = SeededRandom(UInt64(step))
        let payload = random.bytes(100 * step)
        let frame = Self.burst([RawFrame(RawFrame.binary, payload)], isServer: isServer)
        let header = frame.readableBytes - payload.readableBytes
        var came = 0
        for piece in Chunks.of(step, frame) {
            rig.raw.send(piece)
            came += piece.readableBytes
            #expect(rig.probe.bytes.readableBytes == max(0, came - header))
        }
        #expect(rig.probe.bytes == payload)
    }

    @Test(
        "what stands before a bad frame in the same read is delivered, and nothing of that frame",
        arguments: [true, false], [0xC2, 0x83, 0x80, 0x09] as [UInt8])
    func dataBeforeABadFrame(isServer: Bool, bad: UInt8) throws {
        for frames in [[RawFrame(RawFrame.binary, "data")], [RawFrame(0x02, "da"), RawFrame(0x80, "ta")]] {
            let rig = try Self.rig(isServer: isServer)
            let all = frames + [RawFrame(bad, "bad"), RawFrame(RawFrame.binary, "behind")]
            rig.probe.onBurst = { #expect(rig.probe.ends.isEmpty) }
            rig.raw.send(Self.burst(all, isServer: isServer))
            #expect(rig.received == "data")
            #expect(rig.raw.frames == [RawFrame(RawFrame.close, Self.badFrame)])
            rig.raw.finish()
            #expect(rig.probe.ends == [.failed])
            rig.probe.onBurst = {}
        }
    }

    @Test("half a frame, whose rest is followed by a bad one, is delivered whole", arguments: [true, false])
    func halfAFrameBeforeABadOne(isServer: Bool) throws {
        let rig = try Self.rig(isServer: isServer)
        var bytes = Self.burst([RawFrame(RawFrame.binary, "data"), RawFrame(0xC2, "bad")], isServer: isServer)
        let start = bytes.readSlice(length: isServer ? 8 : 4)
        rig.raw.send(start ?? ByteBuffer())
        #expect(rig.received == "da")
        rig.raw.send(bytes)
        #expect(rig.received == "data")
        #expect(rig.raw.frames == [RawFrame(RawFrame.close, Self.badFrame)])
    }

    @Test("a text behind bytes in the same read, and bytes behind a text", arguments: [true, false])
    func textBehindBytes(isServer: Bool) throws {
        let rig = try Self.rig(isServer: isServer)
        let frames = [
            // What is no text at all, and would be judged with one that it is not apart from.
            RawFrame(RawFrame.binary, ByteBuffer(bytes: [0xC3])), RawFrame(0x81, "κ"),
            RawFrame(RawFrame.binary, ByteBuffer(bytes: [0xFF])), RawFrame(0x01, ByteBuffer(bytes: [0xCE])),
            RawFrame(RawFrame.ping, "p"), RawFrame(0x80, ByteBuffer(bytes: [0xBA])), RawFrame(RawFrame.binary, "end"),
        ]
        rig.raw.send(Self.burst(frames, isServer: isServer))
        var expected = ByteBuffer(bytes: [0xC3])
        expected.writeString("κ")
        expected.writeInteger(UInt8(0xFF))
        expected.writeString("κend")
        #expect(rig.probe.bytes == expected)
        #expect(rig.raw.frames == [RawFrame(RawFrame.pong, "p")])
    }

    @Test("what is no text fails behind the bytes of the same read, which are delivered", arguments: [true, false])
    func badTextBehindBytes(isServer: Bool) throws {
        let rig = try Self.rig(isServer: isServer)
        let frames = [
            RawFrame(0x81, "text"), RawFrame(RawFrame.binary, "bytes"), RawFrame(0x81, ByteBuffer(bytes: [0xFF])),
            RawFrame(RawFrame.binary, "behind"),
        ]
        rig.raw.send(Self.burst(frames, isServer: isServer))
        #expect(rig.received == "textbytes")
        #expect(rig.raw.frames == [RawFrame(RawFrame.close, Self.badText)])
        rig.raw.finish()
        #expect(rig.probe.ends == [.failed])
    }

    @Test(
        "control frames between the pieces of a message change nothing, however all is cut", arguments: [true, false])
    func controlBetweenPieces(isServer: Bool) throws {
        for seed in ModelRuns.seeds.prefix(300) {
            var random = SeededRandom(seed)
            var (frames, payload, pings) = ([RawFrame](), ByteBuffer(), 0)
            for index in 0...8 {
                let piece = random.bytes(Int.random(in: 0...400, using: &random))
                frames.append(RawFrame((index == 0 ? 2 : 0) | (index == 8 ? 0x80 : 0), piece))
                payload.writeImmutableBuffer(piece)
                guard index < 8, Bool.random(using: &random) else { continue }
                pings += 1
                frames.append(RawFrame(RawFrame.ping, "\(pings)"))
            }
            let rig = try Self.rig(isServer: isServer)
            let bytes = Self.burst(frames, isServer: isServer)
            let pieces = seed % 3 == 0 ? [bytes] : Chunks.random(bytes, most: 700, using: &random)
            for piece in pieces { rig.raw.send(piece) }
            #expect(rig.probe.bytes == payload, "seed \(seed)")
            let pongs = rig.raw.frames
            #expect(pongs.allSatisfy { $0.first == RawFrame.pong } && pongs.count <= pings, "seed \(seed)")
            #expect(pings == 0 || pongs.last?.payload == ByteBuffer(string: "\(pings)"), "seed \(seed)")
        }
    }

    @Test(
        "a frame goes out whole, whether its payload is copied behind its header or not",
        arguments: [true, false], [1, 125, 126, 4096, 4097, 65_535, 65_536])
    func framesOut(isServer: Bool, count: Int) throws {
        let rig = try Self.rig(isServer: isServer)
        var random = SeededRandom(UInt64(count))
        var expected: [RawFrame] = []
        for _ in 0..<3 {
            let bytes = random.bytes(count)
            expected.append(RawFrame(RawFrame.binary, bytes))
            rig.leg?.write(bytes)
        }
        rig.leg?.flush()
        rig.loop.runOnce()
        #expect(rig.raw.frames == expected)
        #expect(rig.probe.sent == 3 * count)
    }

    @Test("a session's message of up to 256 KiB is one frame", arguments: [true, false])
    func messagesOfASession(isServer: Bool) throws {
        for (count, expected) in [(256 << 10, [256 << 10]), ((256 << 10) + 1, [256 << 10, 1])] {
            var limits = HTTPServiceLimits()
            limits.carriesSession = true
            var client = WebSocketClient(host: "a", path: "/tunnel")
            client.carriesSession = true
            let rig = isServer ? try RawRig.server(limits: limits) : RawRig.client(client)
            var random = SeededRandom(UInt64(count))
            let bytes = random.bytes(count)
            rig.leg?.write(bytes)
            rig.leg?.flush()
            rig.loop.runOnce()
            let frames = rig.raw.frames
            #expect(frames.map(\.payload.readableBytes) == expected)
            #expect(frames.allSatisfy { $0.first == RawFrame.binary })
            let joined = frames.reduce(into: ByteBuffer()) { $0.writeImmutableBuffer($1.payload) }
            #expect(joined == bytes)
            #expect(rig.probe.sent == count)
        }
    }
}
