// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Synchronization
import Testing
import WarrenCore
import WarrenLoop
import WarrenLoopTesting

@testable import WarrenRuntime

/// A leg on a loop that moves by hand, and how often its descriptor was closed.
private final class ManualRig {
    let far: LocalPair
    let leg: SocketLeg
    let diary = LegDiary()
    /// Where the leg goes.
    let target = SocketLoop.manual()
    private let box = Box()
    var closes: Int { self.box.count.load(ordering: .relaxed) }

    private final class Box: Sendable { let count = Atomic(0) }

    init(room: CInt? = nil) throws {
        let box = self.box
        self.far = try LocalPair(room: room)
        self.leg = self.far.makeLeg { box.count.add(1, ordering: .relaxed) }
        self.leg.events = self.diary
        self.leg.begin()
        self.far.turn()
    }
}

/// A connection that has been moved from one real loop to another.
private struct MovedRig: Sendable {
    let pair: Pair
    let target: SocketLoop
    private let leg: NIOLoopBound<SocketLeg>
    private let probe: NIOLoopBound<LegProbe>
    var peer: Peer { self.pair.peer }

    /// - Parameters:
    ///   - before: happens while the connection is on its first loop, which reads nothing.
    ///   - between: happens while it is on none.
    static func make(
        before: (Peer) async throws -> Void = { _ in }, between: (Peer) async throws -> Void = { _ in }
    ) async throws -> MovedRig {
        let pair = try await Pair.make { leg, loop in
            leg.events = LegProbe.mute(loop)
            leg.setReading(false)
            leg.begin()
        }
        let target = try #require(Pair.loops.all.first { $0 !== pair.loop })
        try await before(pair.peer)
        let old = pair.leg
        let loose = try await pair.onLoop {
            #expect(old.value.canMove)
            return old.value.detach()
        }
        try await between(pair.peer)
        let (leg, probe) = try await target.submit {
            let leg = try #require(loose.attach(to: target))
            let probe = LegProbe(target)
            leg.events = probe
            leg.begin()
            return (NIOLoopBound(leg, eventLoop: target), NIOLoopBound(probe, eventLoop: target))
        }.get()
        return MovedRig(pair: pair, target: target, leg: leg, probe: probe)
    }

    func on<Value: Sendable>(_ body: @escaping @Sendable (SocketLeg, LegProbe) -> Value) async throws -> Value {
        let (leg, probe) = (self.leg, self.probe)
        return try await self.target.submit { body(leg.value, probe.value) }.get()
    }

    func finished() async throws {
        let probe = self.probe
        try await self.target.flatSubmit { probe.value.finished.futureResult }.get()
    }

    func ended() async throws -> StreamFault? {
        let probe = self.probe
        return try await self.target.flatSubmit { probe.value.ended.futureResult }.get()
    }
}

extension LegProbe {
    /// One whose end nobody waits for.
    fileprivate static func mute(_ loop: SocketLoop) -> LegProbe {
        let probe = LegProbe(loop)
        probe.finished.succeed()
        probe.ended.succeed(nil)
        return probe
    }
}

@Suite(.timeLimit(.minutes(1))) struct SocketLegMoveTests {
    @Test func bytesAndHalfClosesPassOnTheNewLoop() async throws {
        let rig = try await MovedRig.make()
        try await rig.on { leg, _ in
            leg.write(ByteBuffer(string: "question"))
            leg.flush()
            leg.finish()
        }
        let (bytes, end) = try await rig.peer.everything()
        #expect(String(buffer: bytes) == "question")
        #expect(end == .finished)
        try await rig.peer.send("answer")
        try await rig.peer.finish()
        #expect(try await rig.ended() == nil)
        #expect(try await rig.on { String(buffer: $1.bytes) } == "answer")
        try await rig.pair.closed.get()
    }

    @Test("bytes, and the end behind them, that came before the move or during it are not lost")
    func losesNothing() async throws {
        let rig = try await MovedRig.make {
            try await $0.send("before ")
        } between: {
            try await $0.send("between")
            try await $0.finish()
        }
        try await rig.finished()
        #expect(try await rig.on { String(buffer: $1.bytes) } == "before between")
        try await rig.on { leg, _ in
            leg.write(ByteBuffer(string: "answer"))
            leg.end(nil)
        }
        #expect(String(buffer: try await rig.peer.everything().bytes) == "answer")
        #expect(try await rig.ended() == nil)
        try await rig.pair.closed.get()
    }

    @Test func aResetOfThePeerIsHeardOnTheNewLoop() async throws {
        let rig = try await MovedRig.make()
        rig.peer.reset()
        #expect(try await rig.ended() == .aborted)
        try await rig.pair.closed.get()
    }

    @Test func aResetDuringTheMoveIsHeard() async throws {
        let rig = try await MovedRig.make(between: { peer in
            peer.reset()
            try await peer.channel.closeFuture.get()
        })
        #expect(try await rig.ended() == .aborted)
        try await rig.pair.closed.get()
    }

    @Test func aFaultResetsThePeerFromTheNewLoop() async throws {
        let rig = try await MovedRig.make()
        try await rig.on { leg, _ in leg.end(.sessionLost) }
        #expect(try await rig.peer.everything().end == .reset)
        try await rig.pair.closed.get()
    }
}

@Suite struct SocketLegLooseTests {
    @Test("the old leg is silent, and what is done to it does nothing to the connection")
    func theOldLegIsDead() throws {
        let rig = try ManualRig()
        let old = rig.leg
        let loose = old.detach()
        #expect(old.events == nil)
        old.events = rig.diary
        rig.far.send("unread")
        rig.far.turn()
        old.socket.became(1)
        old.setReading(false)
        old.setReading(true)
        old.write(ByteBuffer(string: "lost"))
        old.flush()
        old.finish()
        old.end(nil)
        old.end(.aborted)
        rig.far.turn()
        #expect(rig.diary.take() == [])
        #expect(rig.far.drain().readableBytes == 0)
        #expect(rig.far.end == nil)
        #expect(rig.closes == 0)
        let leg = try #require(loose.attach(to: rig.target))
        leg.end(.aborted)
        #expect(rig.closes == 1)
    }

    @Test func theDescriptorIsClosedAndToldOnce() throws {
        let rig = try ManualRig()
        let leg = try #require(rig.leg.detach().attach(to: rig.target))
        leg.events = rig.diary
        leg.begin()
        leg.write(ByteBuffer(string: "bye"))
        leg.flush()
        #expect(String(buffer: rig.far.drain()) == "bye")
        #expect(rig.closes == 0)
        leg.end(.aborted)
        leg.end(.aborted)
        #expect(rig.closes == 1)
        #expect(rig.diary.take() == [.ended(.aborted)])
        _ = rig.far.drain()
        #expect(rig.far.end != nil)
    }

    @Test func itsNewLoopTellsWhatHasComeMeanwhile() throws {
        let rig = try ManualRig()
        rig.far.send("early")
        let leg = try #require(rig.leg.detach().attach(to: rig.target))
        let second = LegDiary()
        leg.events = second
        leg.unread(ByteBuffer(string: "earliest"))
        leg.begin()
        leg.socket.became(1)
        #expect(second.take() == [.received("earliest"), .burst, .received("early"), .burst])
        #expect(leg.loop === rig.target)
        #expect(leg.peer == rig.leg.peer)
        leg.end(.aborted)
    }

    @Test func aLegThatHasSaidAndHeardThingsCanMove() throws {
        let rig = try ManualRig()
        #expect(rig.leg.canMove)
        rig.far.send("question")
        rig.far.turn()
        rig.leg.write(ByteBuffer(string: "answer"))
        rig.leg.flush()
        #expect(rig.leg.canMove)
        rig.leg.end(.aborted)
        #expect(!rig.leg.canMove)
    }

    @Test func aLegWithUnsentBytesCannotMove() throws {
        let rig = try ManualRig(room: 4096)
        rig.leg.write(ByteBuffer(repeating: 1, count: 1 << 20))
        #expect(!rig.leg.canMove)
        rig.leg.flush()
        #expect(rig.leg.queue.count > 0)
        #expect(!rig.leg.canMove)
        while rig.leg.queue.count > 0 {
            #expect(rig.far.drain().readableBytes > 0)
            rig.far.turn()
        }
        #expect(rig.leg.canMove)
        rig.leg.end(.aborted)
    }

    @Test func aLegWhoseInputHasEndedCannotMove() throws {
        let rig = try ManualRig()
        rig.far.finish()
        rig.far.turn()
        #expect(rig.diary.take() == [.finished])
        #expect(!rig.leg.canMove)
        rig.leg.end(.aborted)
    }

    @Test func aLegWhoseOutputHasEndedCannotMove() throws {
        let rig = try ManualRig()
        rig.leg.finish()
        #expect(!rig.leg.canMove)
        rig.leg.end(.aborted)
    }
}
