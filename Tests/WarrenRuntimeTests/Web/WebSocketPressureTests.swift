// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenLoop
import WarrenLoopTesting
import WarrenTesting

@testable import WarrenRuntime

/// A WebSocket server's leg over a socket with little room; the far end is the test.
private final class Rig {
    let pair: LocalPair
    let probe: LegProbe
    let service = RecordingService()
    let leg: any Leg

    init() throws {
        self.pair = try LocalPair(room: 32 << 10)
        self.probe = LegProbe(self.pair.loop, needs: .counts)
        try self.service.install(on: self.pair.makeLeg(), loop: self.pair.loop)
        self.pair.send(Handshake.request())
        self.pair.turn()
        self.leg = try #require(self.service.legs.first)
        self.leg.events = self.probe
        self.leg.begin()
        self.pair.turn()
        #expect(String(buffer: self.pair.drain()).hasPrefix("HTTP/1.1 101 "))
    }

    deinit { self.probe.letGo() }

    /// Sends as far as the system takes it.
    func send(_ bytes: inout ByteBuffer) {
        while bytes.readableBytes > 0 {
            let count = self.pair.send(bytes)
            guard count > 0 else { return }
            bytes.moveReaderIndex(forwardBy: count)
        }
    }
}

@Suite struct WebSocketPressureTests {
    @Test func aReaderThatStopsStopsTheSender() throws {
        let rig = try Rig()
        var random = SeededRandom(5)
        let bytes = random.bytes(1 << 20)
        var stream = ByteBuffer()
        for piece in Chunks.of(10_000, bytes) {
            stream.writeImmutableBuffer(RawFrame(RawFrame.binary, piece).masked)
        }
        rig.probe.onBurst = { rig.leg.setReading(false) }
        for _ in 0..<20 {
            rig.send(&stream)
            rig.pair.turn()
        }
        // One burst, and what the system keeps.
        #expect(rig.probe.bytes.readableBytes <= 256 << 10)
        #expect(stream.readableBytes > 512 << 10)
        rig.probe.onBurst = {}
        rig.leg.setReading(true)
        for _ in 0..<200 where rig.probe.bytes.readableBytes < bytes.readableBytes {
            rig.pair.turn()
            rig.send(&stream)
        }
        #expect(rig.probe.bytes == bytes)
    }

    @Test func aFarEndThatDoesNotReadIsFelt() throws {
        let rig = try Rig()
        var changes: [Bool] = []
        rig.probe.onWritability = { changes.append($0.isWritable) }
        var written = 0
        while rig.leg.isWritable, written < 4 << 20 {
            rig.leg.write(ByteBuffer(repeating: 1, count: 10_000))
            rig.leg.flush()
            written += 10_000
        }
        #expect(written < 1 << 20)
        var got = 0
        for _ in 0..<500 where got < written {
            got += RawFrame.all(in: rig.pair.drain()).count * 10_000
            rig.pair.turn()
        }
        #expect(changes == [true])
        #expect(rig.probe.sent == written)
    }

    @Test func aPeerThatPingsAndDoesNotReadFillsNothing() throws {
        let rig = try Rig()
        while rig.leg.isWritable {
            rig.leg.write(ByteBuffer(repeating: 1, count: 10_000))
            rig.leg.flush()
        }
        for index in 0..<200 {
            _ = rig.pair.send(RawFrame(RawFrame.ping, "ping \(index)").masked)
            rig.pair.turn()
        }
        var got = ByteBuffer()
        for _ in 0..<500 {
            got.writeImmutableBuffer(rig.pair.drain())
            rig.pair.turn()
        }
        let pongs = RawFrame.all(in: got).filter { $0.first == RawFrame.pong }
        #expect(pongs == [RawFrame(RawFrame.pong, "ping 199")])
    }

    @Test func aClientThatDoesNotTakeItsAnswersIsNotServedFurther() throws {
        let pair = try LocalPair(room: 32 << 10)
        let service = RecordingService()
        service.body = ByteBuffer(repeating: 0x61, count: 60_000)
        try service.install(on: pair.makeLeg(), loop: pair.loop)
        let request = "GET /hello HTTP/1.1\r\n\r\n"
        pair.send(String(repeating: request, count: 50))
        pair.turn()
        let served = service.lines.count
        #expect(served < 10)
        pair.send(String(repeating: request, count: 50))
        for _ in 0..<5 { pair.turn() }
        #expect(service.lines.count == served)
        for _ in 0..<1000 where service.lines.count < 100 {
            _ = pair.drain()
            pair.turn()
        }
        #expect(service.lines.count == 100)
        #expect(!pair.socket.isClosed)
    }

    @Test func nothingIsServedBehindTheLastRequestThatWaited() throws {
        let pair = try LocalPair(room: 32 << 10)
        let service = RecordingService()
        service.body = ByteBuffer(repeating: 0x61, count: 60_000)
        try service.install(on: pair.makeLeg(), loop: pair.loop)
        let request = "GET /hello HTTP/1.1\r\n\r\n"
        let last = "GET /hello HTTP/1.1\r\nConnection: close\r\n\r\n"
        pair.send(String(repeating: request, count: 20) + last + request)
        for _ in 0..<1000 where pair.end == nil {
            pair.turn()
            _ = pair.drain()
        }
        #expect(service.lines.count == 21)
        #expect(pair.end == .finished)
    }

    @Test func aClientThatAsksWithoutEndAndTakesNothingIsClosed() throws {
        let pair = try LocalPair()
        let service = RecordingService()
        service.body = ByteBuffer(repeating: 0x61, count: 60_000)
        try service.install(on: pair.makeLeg(), loop: pair.loop)
        pair.send(String(repeating: "GET /hello HTTP/1.1\r\n\r\n", count: 1000))
        for _ in 0..<5 { pair.turn() }
        #expect(service.lines.count < 50)
        for _ in 0..<200 where pair.end == nil {
            _ = pair.drain()
            pair.turn()
        }
        #expect(pair.end == .finished)
        #expect(service.lines.count < 50)
    }
}

@available(*, unavailable)
extension Rig: Sendable {}
