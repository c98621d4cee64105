// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenLoop
import WarrenLoopTesting
import WarrenTesting

@testable import WarrenRuntime

/// A session with a scripted machine on a real socket.
private struct Rig: Sendable {
    let pair: Pair
    let handler: NIOLoopBound<SessionHandler<ScriptedMachine>>
    let owner: ScriptedOwner
    private let over: EventLoopFuture<CloseReason>
    var peer: Peer { self.pair.peer }

    /// - Parameter prepare: runs before the machine starts.
    static func make(
        judge: any Authenticator = NoAuthenticator(), peerReads: Bool = true,
        prepare: @escaping @Sendable (Script) -> Void
    ) async throws -> Rig {
        let owner = ScriptedOwner(judge: judge)
        let over = Pair.loops.next().makePromise(of: CloseReason.self)
        owner.onEvent = { event in
            if case .ended(let reason) = event { over.succeed(reason) }
        }
        let made = Pair.loops.next().makePromise(of: NIOLoopBound<SessionHandler<ScriptedMachine>>.self)
        let pair = try await Pair.make(peerReads: peerReads) { leg, loop in
            let script = Script()
            prepare(script)
            let context = LoopContext(loop: loop, registry: LoopRegistry())
            let handler = SessionHandler(ScriptedMachine(script: script), on: leg, owner: owner, context: context)
            made.succeed(NIOLoopBound(handler, eventLoop: loop))
            handler.start()
        }
        return Rig(pair: pair, handler: try await made.futureResult.get(), owner: owner, over: over.futureResult)
    }

    func reason() async throws -> CloseReason { try await self.over.get() }

    func calls() async throws -> [Script.Call] {
        let handler = self.handler
        return try await self.pair.onLoop { handler.value.machine.script.calls }
    }
}

@Suite(.timeLimit(.minutes(1))) struct SessionCarrierTests {
    private static let megabytes: ByteBuffer = {
        var random = SeededRandom(9)
        return random.bytes(4 << 20)
    }()

    /// On the first byte: everything, and the end.
    @Sendable private static func saysAllAndCloses(_ script: Script) {
        script.onCall = { script, call in
            if case .receive = call { script.says(.write(Self.megabytes), .close(.finished)) }
        }
    }

    @Test func theFarewellArrives() async throws {
        let rig = try await Rig.make(prepare: Self.saysAllAndCloses)
        try await rig.peer.send("go")
        let (bytes, end) = try await rig.peer.everything()
        #expect(bytes == Self.megabytes)
        #expect(end == .finished)
        #expect(try await rig.reason() == .finished)
    }

    @Test func theFarewellArrivesThoughThePeerKeepsSending() async throws {
        let rig = try await Rig.make(peerReads: false, prepare: Self.saysAllAndCloses)
        try await rig.peer.send("go")
        _ = try await rig.reason()
        let unread = rig.peer.startSending(ByteBuffer(repeating: 1, count: 200_000))
        try await rig.peer.startReading()
        let (bytes, end) = try await rig.peer.everything()
        #expect(bytes == Self.megabytes)
        #expect(end == .finished)
        try await unread.get()
    }

    @Test("the farewell arrives where the peer's half-close came first")
    func theFarewellArrivesAfterThePeersEnd() async throws {
        let rig = try await Rig.make(peerReads: false) { script in
            script.onCall = { script, call in
                if call == .receiveEnd { script.says(.write(Self.megabytes), .close(.finished)) }
            }
        }
        try await rig.peer.send("go")
        try await rig.peer.finish()
        _ = try await rig.reason()
        try await rig.peer.startReading()
        let (bytes, end) = try await rig.peer.everything()
        #expect(bytes.readableBytes == Self.megabytes.readableBytes)
        #expect(end == .finished)
    }

    @Test("the farewell arrives though the peer takes its time to read it")
    func theFarewellWaitsForASlowReader() async throws {
        let rig = try await Rig.make(peerReads: false, prepare: Self.saysAllAndCloses)
        try await rig.peer.send("go")
        _ = try await rig.reason()
        // The slowness itself, longer than a lingering close takes: nothing is waited for.
        let peer = rig.peer
        try await peer.channel.eventLoop.scheduleTask(in: .milliseconds(2500)) {}.futureResult.get()
        try await peer.startReading()
        let (bytes, end) = try await peer.everything()
        #expect(bytes.readableBytes == Self.megabytes.readableBytes)
        #expect(end == .finished)
    }

    @Test func aLostCarrierIsResetNotEnded() async throws {
        let rig = try await Rig.make { script in
            script.onCall = { script, call in
                if case .receive = call { script.says(.close(.carrierLost("cut off"))) }
            }
        }
        try await rig.peer.send("go")
        #expect(try await rig.peer.everything().end == .reset)
        #expect(try await rig.reason() == .carrierLost("cut off"))
    }

    @Test func aResetOfThePeerEndsTheSession() async throws {
        let rig = try await Rig.make { _ in }
        rig.peer.reset()
        guard case .carrierLost = try await rig.reason() else {
            Issue.record("the session ended as if in order")
            return
        }
    }

    @Test func theAlarmRings() async throws {
        let rig = try await Rig.make { script in
            script.deadline = .now() + .milliseconds(20)
            script.onDeadline = { script in
                script.says(.write(ByteBuffer(string: "late")), .close(.timedOut(phase: "login")))
            }
        }
        let (bytes, end) = try await rig.peer.everything()
        #expect(String(buffer: bytes) == "late")
        #expect(end == .finished)
        #expect(try await rig.reason() == .timedOut(phase: "login"))
    }

    @Test("an alarm that was moved rings at the later time")
    func theAlarmMoves() async throws {
        let rig = try await Rig.make { script in
            script.deadline = .now() + .milliseconds(30)
            script.onCall = { script, call in
                if case .receive = call { script.deadline = .now() + .milliseconds(60) }
            }
            script.onDeadline = { $0.says(.close(.finished)) }
        }
        try await rig.peer.send("x")
        #expect(try await rig.reason() == .finished)
    }

    @Test("what readers have taken is counted before the alarm judges them")
    func theAlarmCountsReaders() async throws {
        let rig = try await Rig.make { script in
            script.onDeadline = { script in
                let isCounted = script.calls.contains { if case .consumed(1..., _) = $0 { true } else { false } }
                script.says(.write(ByteBuffer(string: isCounted ? "counted" : "missed!")), .close(.finished))
            }
        }
        let (handler, loop) = (rig.handler, rig.pair.loop)
        let far = try await rig.pair.onLoop {
            let reader = try LocalPair(on: loop)
            rig.owner.onOpen = { _, answer in
                answer(.success(reader.makeLeg()))
                return NoAttempt()
            }
            let script = handler.value.machine.script
            script.says(.open(StreamID(1), .named("far")), .deliver(StreamID(1), Self.megabytes))
            handler.value.turn()
            // The system is full. In the next round of the loop the reader takes something, and the alarm is due.
            _ = script.take()
            #expect(reader.drain(1 << 20).readableBytes > 0)
            script.deadline = loop.now + .nanoseconds(1)
            handler.value.turn()
            #expect(!script.calls.contains { if case .consumed = $0 { true } else { false } })
            return NIOLoopBound(reader, eventLoop: loop)
        }
        #expect(String(buffer: try await rig.peer.received(atLeast: 7)) == "counted")
        #expect(try await rig.reason() == .finished)
        try await rig.pair.onLoop { far.value.close() }
    }

    @Test func theJudgesAnswerReachesTheMachine() async throws {
        let verdict = Verdict.accepted(name: "alice", credential: [1, 2])
        let rig = try await Rig.make(judge: ScriptedJudge(verdict: verdict)) { script in
            script.onCall = { script, call in
                switch call {
                case .receive: script.says(.authenticate(Claim(identity: [7])))
                case .judged: script.says(.write(ByteBuffer(string: "welcome")), .ready)
                case .receiveEnd: script.says(.close(.finished))
                default: break
                }
            }
        }
        try await rig.peer.send("login")
        _ = try await rig.peer.received(atLeast: 7)
        #expect(try await rig.calls() == [.start, .receive("login"), .judged(verdict)])
        let user = try await rig.pair.onLoop { rig.handler.value.user }
        #expect(user == "alice")
        rig.peer.close()
        _ = try await rig.reason()
    }
}
