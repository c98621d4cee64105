// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenLoop
import WarrenTesting

@testable import WarrenRuntime

/// An outbound with one session, its users, and everything that can happen to them, in any order.
private final class World {
    let loop = SocketLoop.manual()
    let script = ScriptedCarriers()
    let outbound: SessionOutbound
    var random: SeededRandom
    private(set) var streams: [ModelStream] = []
    private var sessions: [AskedSession] = []
    private(set) var isStopped = false
    private(set) var isRetired = false

    init(_ seed: UInt64) {
        self.random = SeededRandom(seed)
        let carrier = self.script.carriers(1)[0]
        self.outbound = SessionOutbound(
            name: "far", on: self.loop, carrier: carrier, reporter: LogRecorder().reporter)
        self.script.atOnce = { [unowned self] in if self.chance(3) { self.answer($0) } }
        self.script.makeSession = { [unowned self] _, _, owner in
            if self.chance(8) { throw CarrierFailure("no") }
            let session = AskedSession(owner)
            session.atOnce = { [unowned self] in self.chance(3) ? self.target() : nil }
            self.sessions.append(session)
            session.begin()
        }
        _ = self.outbound.start()
        self.loop.runOnce()
    }

    var isRight: Bool { self.streams.allSatisfy(\.isRight) }
    var hasAnsweredTwice: Bool { self.streams.contains(where: \.isAnsweredTwice) }

    func chance(_ most: Int) -> Bool { Int.random(in: 0..<most, using: &self.random) == 0 }

    private var live: [AskedSession] { self.sessions.filter { !$0.isOver } }
    var liveCount: Int { self.live.count + self.script.underWay.count }
    /// Streams that a session has in hand.
    var inHand: Int { self.live.reduce(0) { $0 + $1.asked.count { !$0.isCancelled } } }
    var open: Int { self.streams.count(where: \.isOpen) }

    private func target() -> Result<any Leg, StreamFault> {
        self.chance(2) ? .success(ScriptedLeg()) : .failure(.refused)
    }

    private func answer(_ dial: ScriptedCarriers.Dial) {
        dial.give(self.chance(2) ? .success(ScriptedLeg()) : .failure(CarrierFailure("no", .refused)))
    }

    func act() {
        switch Int.random(in: 0..<20, using: &self.random) {
        case 0...4: self.ask()
        case 5: self.streams.randomElement(using: &self.random)?.cancel()
        case 6...8: if let dial = self.script.underWay.first { self.answer(dial) }
        case 9...11: self.live.first?.comeUp()
        case 12...13: self.live.first?.answer(self.target())
        case 14...15: self.lose()
        case 16...17: self.loop.advance(by: .milliseconds(.random(in: 0...2000, using: &self.random)))
        case 18: if self.chance(8) { self.retire() }
        default: if self.chance(8) { self.stop() }
        }
        self.loop.runOnce()
    }

    private func ask() {
        let stream = ModelStream()
        self.streams.append(stream)
        stream.ask(self.outbound, .named("far"), on: self.loop)
    }

    private func lose() {
        let reasons = [CloseReason.denied, .carrierLost("gone"), .timedOut(phase: "login"), .finished]
        self.live.first?.end(reasons.randomElement(using: &self.random) ?? .finished)
    }

    private func retire() {
        self.isRetired = true
        self.outbound.retire()
    }

    func stop() {
        self.isStopped = true
        self.outbound.stop()
        self.loop.runOnce()
    }
}

@Suite struct SessionOutboundModelTests {
    @Test("every stream is answered once, or not at all when its user leaves; none is forgotten: in any order")
    func anyOrder() {
        for seed in ModelRuns.seeds {
            let world = World(seed)
            for _ in 0..<Int.random(in: 0..<100, using: &world.random) { self.step(world, seed) }
            world.stop()
            world.loop.advance(by: .seconds(100))
            #expect(world.isRight, "an answer is missing, or one too many: \(seed)")
            #expect(world.liveCount == 0, "something is left: \(seed)")
            #expect(world.loop.timers.count == 0, "a timer is left: \(seed)")
        }
    }

    private func step(_ world: World, _ seed: UInt64) {
        world.act()
        #expect(!world.hasAnsweredTwice, "answered twice: \(seed)")
        #expect(world.liveCount <= 1, "two sessions: \(seed)")
        if world.isStopped { #expect(world.open == 0, "somebody waits for what has stopped: \(seed)") }
        // Whoever waits waits for a session that is being made, or is in the hands of one.
        if world.open > world.inHand {
            #expect(world.liveCount + world.loop.timers.count > 0, "somebody waits for nothing: \(seed)")
        }
    }
}
