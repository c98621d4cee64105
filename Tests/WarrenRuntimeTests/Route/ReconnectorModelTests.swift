// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenLoop
import WarrenTesting

@testable import WarrenRuntime

/// A session that the test moves; it is over when it was shut down or has said so.
private final class ModelSession: Session {
    let loop = SocketLoop.manual()
    let carrier: Int
    var isOver = false
    var isReady = false
    var peer: SocketAddress? { nil }
    var user: String? { nil }
    var whenShut: () -> Void = {}

    init(_ carrier: Int) { self.carrier = carrier }

    func open(_ request: StreamRequest, answer: @escaping (Result<any Leg, StreamFault>) -> Void) -> any OpenAttempt {
        answer(.failure(.limit))
        return NoAttempt()
    }

    func shutDown(_ reason: CloseReason) {
        guard !self.isOver else { return }
        self.isOver = true
        self.whenShut()
    }
}

/// A keeper, and everything that can happen to it, in any order.
private final class World {
    let loop = SocketLoop.manual()
    let script = ScriptedCarriers()
    let keeper: Reconnector
    var random: SeededRandom
    private let owner = ScriptedOwner()
    private var sessions: [ModelSession] = []
    private(set) var legs: [ScriptedLeg] = []
    private(set) var lastUp: Int?
    /// The pause that is under way, or has just ended, came after a session that was up.
    var restsAfterUp = false
    private(set) var tried = 0
    private(set) var stopped = false
    private(set) var retired = false

    init(_ seed: UInt64) {
        var random = SeededRandom(seed)
        let count = Int.random(in: 1...4, using: &random)
        self.random = random
        self.keeper = Reconnector(
            seed % 2 == 0 ? .outbound("far") : .inbound("far"), on: self.loop, carriers: self.script.carriers(count),
            reporter: LogRecorder().reporter, owner: self.owner
        )
        self.keeper.whenTried = { [unowned self] in self.tried += 1 }
        self.script.atOnce = { [unowned self] in if self.chance(3) { self.answer($0) } }
        self.script.makeSession = { [unowned self] carrier, _, _ in
            if self.chance(8) { throw CarrierFailure("no") }
            let session = ModelSession(carrier)
            session.whenShut = { [unowned self] in self.keeper.ended(.shutdown) }
            self.sessions.append(session)
            self.keeper.began(session)
        }
    }

    func chance(_ most: Int) -> Bool { Int.random(in: 0..<most, using: &self.random) == 0 }

    var live: [ModelSession] { self.sessions.filter { !$0.isOver } }

    private func answer(_ dial: ScriptedCarriers.Dial) {
        guard self.chance(2) else {
            let faults = [StreamFault.refused, .timedOut, .unreachable, .unknownHost, .failed, .limit]
            return dial.give(.failure(CarrierFailure("no", faults.randomElement(using: &self.random) ?? .failed)))
        }
        let leg = ScriptedLeg()
        self.legs.append(leg)
        dial.give(.success(leg))
    }

    func act() {
        switch Int.random(in: 0..<14, using: &self.random) {
        case 0...2: if let dial = self.script.underWay.first { self.answer(dial) }
        case 3...4: if let session = self.live.first { self.comeUp(session) }
        case 5...6: if let session = self.live.first { self.lose(session) }
        case 7: if let session = self.live.first { self.handOver(session) }
        case 8: self.keeper.hurry()
        case 9...11: self.loop.advance(by: .milliseconds(.random(in: 0...2000, using: &self.random)))
        case 12: if self.chance(8) { self.retire() }
        default: if self.chance(8) { self.stop() }
        }
    }

    private func comeUp(_ session: ModelSession) {
        guard !session.isReady else { return }
        session.isReady = true
        self.keeper.ready(session)
        if !session.isOver { self.lastUp = session.carrier }
    }

    private func lose(_ session: ModelSession) {
        session.isOver = true
        let reasons = [CloseReason.denied, .carrierLost("gone"), .timedOut(phase: "login"), .finished]
        let (wasUp, dials) = (session.isReady, self.script.dials.count)
        self.keeper.ended(reasons.randomElement(using: &self.random) ?? .finished)
        self.restsAfterUp = wasUp
        if wasUp { #expect(self.script.dials.count == dials, "a lost session is followed by a pause") }
    }

    private func handOver(_ session: ModelSession) {
        guard session.isReady, !self.retired else { return }
        session.isOver = true
        self.restsAfterUp = true
        self.keeper.next()
    }

    private func retire() {
        self.retired = true
        self.keeper.retire()
    }

    func stop() {
        self.stopped = true
        self.keeper.stop()
    }
}

@Suite struct ReconnectorModelTests {
    @Test("an owner that goes without a stop leaves neither a leg nor another dial", arguments: [true, false])
    func theOwnerGoes(isAnswered: Bool) {
        let (loop, script) = (SocketLoop.manual(), ScriptedCarriers())
        var owner: ScriptedOwner? = ScriptedOwner()
        let keeper = owner.map {
            Reconnector(
                .outbound("far"), on: loop, carriers: script.carriers(2), reporter: LogRecorder().reporter, owner: $0)
        }
        keeper?.start()
        owner = nil
        let leg = ScriptedLeg()
        script.underWay.first?.give(isAnswered ? .success(leg) : .failure(CarrierFailure("no")))
        loop.advance(by: .seconds(60))
        #expect(script.dials.count == 1)
        #expect(leg.calls.isEmpty != isAnswered)
        #expect(loop.timers.count == 0)
    }

    @Test("one session at a time, the one that worked last first, no dial after a stop, nothing left: in any order")
    func anyOrder() {
        for seed in ModelRuns.seeds {
            let world = World(seed)
            world.keeper.start()
            for _ in 0..<Int.random(in: 0..<80, using: &world.random) { self.step(world, seed) }
            world.stop()
            let dials = world.script.dials.count
            world.keeper.hurry()
            world.keeper.next()
            world.loop.advance(by: .seconds(100))
            #expect(world.script.dials.count == dials, "it dials after its stop: \(seed)")
            #expect(world.script.underWay.isEmpty && world.live.isEmpty, "something is left: \(seed)")
            #expect(world.loop.timers.count == 0, "a timer is left: \(seed)")
            #expect(world.tried == 1, "the first round is told of once: \(seed)")
        }
    }

    private func step(_ world: World, _ seed: UInt64) {
        let (dials, was) = (world.script.dials.count, (world.stopped, world.retired, world.lastUp))
        let wasResting = world.isResting
        world.act()
        let under = world.script.underWay.count
        #expect(under + world.live.count <= 1, "two at a time: \(seed)")
        #expect(under + world.live.count + world.loop.timers.count <= 1, "it waits for two things: \(seed)")
        if was.0 || was.1 { #expect(world.script.dials.count == dials, "it dials after its end: \(seed)") }
        if !world.stopped, !world.retired {
            #expect(under + world.live.count + world.loop.timers.count == 1, "it waits for nobody: \(seed)")
        }
        // The first dial after a pause goes to the one that was up last, unless that has failed since.
        guard wasResting, world.script.dials.count > dials else { return }
        if world.upSinceFailure {
            #expect(world.script.dials[dials].carrier == was.2, "another one is tried first: \(seed)")
        }
        world.restsAfterUp = false
    }
}

extension World {
    fileprivate var isResting: Bool { if case .resting = self.keeper.condition { true } else { false } }

    /// Nothing was dialled in vain since a session was last up, up to the pause that has just ended.
    fileprivate var upSinceFailure: Bool { self.lastUp != nil && self.restsAfterUp }
}
