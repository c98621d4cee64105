// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenLoop
import WarrenLoopTesting
import WarrenTesting

@testable import WarrenRuntime

/// A socket leg, what it said, and the peer at the other end of its socket.
private struct Rig: Sendable {
    let pair: Pair
    let probe: NIOLoopBound<LegProbe>
    var peer: Peer { self.pair.peer }

    static func make(peerReads: Bool = true, needs: LegNeeds = []) async throws -> Rig {
        let made = Pair.loops.next().makePromise(of: NIOLoopBound<LegProbe>.self)
        let pair = try await Pair.make(peerReads: peerReads) { leg, loop in
            let probe = LegProbe(loop, needs: needs)
            leg.events = probe
            leg.begin()
            made.succeed(NIOLoopBound(probe, eventLoop: loop))
        }
        return Rig(pair: pair, probe: try await made.futureResult.get())
    }

    func on<Value: Sendable>(_ body: @escaping @Sendable (SocketLeg, LegProbe) -> Value) async throws -> Value {
        let (leg, probe) = (self.pair.leg, self.probe)
        return try await self.pair.onLoop { body(leg.value, probe.value) }
    }

    /// The fault that the leg ended with.
    func ended() async throws -> StreamFault? {
        let probe = self.probe
        return try await self.pair.loop.flatSubmit { probe.value.ended.futureResult }.get()
    }

    /// Waits for the end of what the peer sends.
    func finished() async throws {
        let probe = self.probe
        try await self.pair.loop.flatSubmit { probe.value.finished.futureResult }.get()
    }
}

@Suite(.timeLimit(.minutes(1))) struct SocketLegTests {
    private static let megabytes: ByteBuffer = {
        var random = SeededRandom(7)
        return random.bytes(4 << 20)
    }()

    @Test("a half-close lets megabytes of the queue arrive first, and the other direction goes on")
    func finishesAfterItsQueue() async throws {
        let rig = try await Rig.make(peerReads: false)
        try await rig.on { leg, _ in
            leg.write(Self.megabytes)
            leg.flush()
            leg.finish()
        }
        try await rig.peer.startReading()
        let (bytes, end) = try await rig.peer.everything()
        #expect(bytes == Self.megabytes)
        #expect(end == .finished)
        try await rig.peer.send(Self.megabytes)
        try await rig.peer.finish()
        #expect(try await rig.ended() == nil)
        #expect(try await rig.on { $1.bytes } == Self.megabytes)
    }

    @Test("after the peer's half-close everything that is written still arrives")
    func answersAfterThePeersEnd() async throws {
        let rig = try await Rig.make(peerReads: false)
        try await rig.peer.send("request")
        try await rig.peer.finish()
        try await rig.finished()
        #expect(try await rig.on { String(buffer: $1.bytes) } == "request")
        try await rig.on { leg, _ in
            for chunk in Chunks.of(100_000, Self.megabytes) { leg.write(chunk) }
            leg.flush()
            leg.finish()
        }
        try await rig.peer.startReading()
        let (bytes, end) = try await rig.peer.everything()
        #expect(bytes == Self.megabytes)
        #expect(end == .finished)
        #expect(try await rig.ended() == nil)
    }

    @Test("an orderly end over megabytes of the queue loses nothing though the peer keeps sending")
    func lingersForThePeer() async throws {
        let rig = try await Rig.make(peerReads: false)
        try await rig.on { leg, _ in
            leg.setReading(false)
            leg.write(Self.megabytes)
            leg.end(nil)
        }
        // Unread bytes at the near end would make a plain close a reset.
        let unread = rig.peer.startSending(ByteBuffer(repeating: 1, count: 200_000))
        try await rig.peer.startReading()
        let (bytes, end) = try await rig.peer.everything()
        #expect(bytes == Self.megabytes)
        #expect(end == .finished)
        try await unread.get()
        rig.peer.close()
        #expect(try await rig.ended() == nil)
    }

    @Test func aFaultBecomesAResetAtThePeer() async throws {
        let rig = try await Rig.make()
        try await rig.on { leg, _ in
            leg.write(ByteBuffer(string: "part"))
            leg.flush()
        }
        _ = try await rig.peer.received(atLeast: 4)
        try await rig.on { leg, _ in leg.end(.sessionLost) }
        #expect(try await rig.peer.everything().end == .reset)
        #expect(try await rig.ended() == .sessionLost)
        #expect(try await rig.on { $1.ends.count } == 1)
    }

    @Test func aResetOfThePeerIsAFault() async throws {
        let rig = try await Rig.make()
        try await rig.peer.send("part")
        rig.peer.reset()
        #expect(try await rig.ended() == .aborted)
    }

    @Test func readsNothingWhileToldNotTo() async throws {
        let rig = try await Rig.make()
        try await rig.on { leg, _ in leg.setReading(false) }
        // One read was under way; what comes after it stays in the kernel.
        try await rig.peer.send("first")
        try await rig.on { leg, _ in leg.setReading(true) }
        try await rig.peer.finish()
        try await rig.finished()
        #expect(try await rig.on { String(buffer: $1.bytes) } == "first")
    }

    @Test func aPeerThatReadsNothingMakesItFull() async throws {
        let rig = try await Rig.make(peerReads: false)
        let writable = try await rig.on { leg, _ in
            leg.write(Self.megabytes)
            leg.write(Self.megabytes)
            leg.flush()
            return leg.isWritable
        }
        #expect(!writable)
        let room = rig.pair.loop.makePromise(of: Bool.self)
        try await rig.on { _, probe in
            probe.onWritability = { leg in
                if leg.isWritable { room.succeed(true) }
            }
        }
        try await rig.peer.startReading()
        #expect(try await room.futureResult.get())
        try await rig.on { leg, _ in leg.end(.aborted) }
    }

    @Test("counts exactly what has left the process")
    func countsSentBytes() async throws {
        let rig = try await Rig.make(peerReads: false, needs: .counts)
        try await rig.on { leg, _ in
            for chunk in Chunks.of(100_000, Self.megabytes) { leg.write(chunk) }
            leg.flush()
        }
        #expect(try await rig.on { $1.sent } < Self.megabytes.readableBytes)
        try await rig.peer.startReading()
        _ = try await rig.peer.received(atLeast: Self.megabytes.readableBytes)
        // The count of the rest comes with the next event of the socket.
        try await rig.on { leg, _ in leg.flush() }
        #expect(try await rig.on { $1.sent } == Self.megabytes.readableBytes)
        try await rig.on { leg, _ in leg.end(nil) }
        rig.peer.close()
        #expect(try await rig.ended() == nil)
    }

    @Test func endsAtOnceWhereThePeerHasEnded() async throws {
        let rig = try await Rig.make()
        try await rig.peer.finish()
        try await rig.finished()
        try await rig.on { leg, _ in
            leg.write(ByteBuffer(string: "bye"))
            leg.end(nil)
        }
        let (bytes, end) = try await rig.peer.everything()
        #expect(String(buffer: bytes) == "bye")
        #expect(end == .finished)
        #expect(try await rig.ended() == nil)
    }

    @Test func aLegThatEndedBeforeItsRelayBeginsSaysSoThen() async throws {
        let pair = try await Pair.make()
        pair.peer.reset()
        try await pair.closed.get()
        let (leg, loop) = (pair.leg, pair.loop)
        let ends = try await pair.onLoop {
            let probe = LegProbe(loop)
            leg.value.events = probe
            #expect(probe.ends.isEmpty)
            leg.value.begin()
            probe.finished.succeed()
            probe.ended.succeed(nil)
            return probe.ends
        }
        #expect(ends == [.aborted])
    }
}
