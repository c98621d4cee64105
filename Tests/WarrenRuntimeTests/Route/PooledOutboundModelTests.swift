// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenLoop
import WarrenTesting

@testable import WarrenRuntime

/// An outbound with a pool, its users, and everything that can happen to them, in any order.
private final class World {
    static let size = 3
    static let age = TimeAmount.seconds(60)

    let loop = SocketLoop.manual()
    let script = ScriptedCarriers()
    let outbound: PooledOutbound
    var random: SeededRandom
    private(set) var streams: [ModelStream] = []
    /// Those of the pool, and those that were dialled for a stream.
    private var sessions: [(session: AskedSession, carrier: Int, born: NIODeadline)] = []
    private(set) var isStopped = false

    init(_ seed: UInt64) {
        self.random = SeededRandom(seed)
        let carriers = self.script.carriers(2)
        let reporter = LogRecorder().reporter
        let fresh = PerStreamOutbound(name: "far", reporter: reporter) {
            PerStreamOutbound.Route(carriers: [carriers[1]])
        }
        self.outbound = PooledOutbound(
            fresh, on: self.loop, carrier: carriers[0], size: Self.size, age: Self.age, reporter: reporter)
        self.script.atOnce = { [unowned self] in if self.chance(3) { self.answer($0) } }
        self.script.makeSession = { [unowned self] carrier, _, owner in
            if self.chance(8) { throw CarrierFailure("no") }
            let session = AskedSession(owner)
            session.atOnce = { [unowned self] in self.chance(3) ? self.target() : nil }
            self.sessions.append((session, carrier, self.loop.now))
            session.begin()
        }
        _ = self.outbound.start()
        self.loop.runOnce()
    }

    func chance(_ most: Int) -> Bool { Int.random(in: 0..<most, using: &self.random) == 0 }

    var live: [AskedSession] { self.sessions.filter { !$0.session.isOver }.map(\.session) }
    /// Sessions of the pool that no stream has asked, and those that are being made.
    var idle: Int {
        self.sessions.count { $0.carrier == 0 && !$0.session.isOver && !$0.session.wasAsked }
            + self.script.underWay.count { $0.carrier == 0 }
    }
    var oldest: NIODeadline? {
        self.sessions.filter { $0.carrier == 0 && $0.session.isReady && !$0.session.isOver && !$0.session.wasAsked }
            .map(\.born).min()
    }
    var isRight: Bool { self.streams.allSatisfy(\.isRight) }
    var hasAnsweredTwice: Bool { self.streams.contains(where: \.isAnsweredTwice) }
    var poolDials: Int { self.script.dials.count { $0.carrier == 0 } }

    private func target() -> Result<any Leg, StreamFault> {
        switch Int.random(in: 0..<4, using: &self.random) {
        case 0: .failure(.refused)
        case 1: .failure(.noServer)
        default: .success(ScriptedLeg())
        }
    }

    private func answer(_ dial: ScriptedCarriers.Dial) {
        dial.give(self.chance(2) ? .success(ScriptedLeg()) : .failure(CarrierFailure("no", .refused)))
    }

    func act() {
        switch Int.random(in: 0..<20, using: &self.random) {
        case 0...3: self.ask()
        case 4: self.streams.randomElement(using: &self.random)?.cancel()
        case 5...8: if let dial = self.script.underWay.randomElement(using: &self.random) { self.answer(dial) }
        case 9...12: self.live.randomElement(using: &self.random)?.comeUp()
        case 13...14: self.live.randomElement(using: &self.random)?.answer(self.target())
        case 15...16: self.lose()
        case 17...18: self.loop.advance(by: .milliseconds(.random(in: 0...20_000, using: &self.random)))
        default: if self.chance(8) { self.stop() }
        }
        self.loop.runOnce()
        self.sessions.removeAll { $0.session.isOver }
    }

    private func ask() {
        let stream = ModelStream()
        self.streams.append(stream)
        stream.ask(self.outbound, .named("far"), on: self.loop)
    }

    private func lose() {
        let reasons = [CloseReason.denied, .carrierLost("gone"), .timedOut(phase: "upgrade"), .finished]
        self.live.randomElement(using: &self.random)?.end(reasons.randomElement(using: &self.random) ?? .finished)
    }

    func stop() {
        self.isStopped = true
        self.outbound.stop()
        self.loop.runOnce()
    }

    /// Lets everything that is under way come to an end.
    func settle() {
        for _ in 0..<200 where self.streams.contains(where: \.isOpen) {
            for dial in self.script.underWay { dial.give(.failure(CarrierFailure("no", .refused))) }
            for session in self.live { session.end(.carrierLost("gone")) }
            self.loop.advance(by: .milliseconds(100))
        }
    }
}

@Suite struct PooledOutboundModelTests {
    @Test("every stream is answered once, no more wait than may, none for too long, and nothing is left: in any order")
    func anyOrder() {
        for seed in ModelRuns.seeds {
            let world = World(seed)
            for _ in 0..<Int.random(in: 0..<150, using: &world.random) { self.step(world, seed) }
            world.stop()
            world.settle()
            world.loop.advance(by: .seconds(100))
            #expect(world.isRight, "an answer is missing, or one too many: \(seed)")
            #expect(world.idle == 0, "the pool keeps something: \(seed)")
            #expect(world.script.underWay.isEmpty, "a dial is left: \(seed)")
            #expect(world.loop.timers.count == 0, "a timer is left: \(seed)")
        }
    }

    private func step(_ world: World, _ seed: UInt64) {
        let (dials, wasStopped) = (world.poolDials, world.isStopped)
        world.act()
        #expect(!world.hasAnsweredTwice, "answered twice: \(seed)")
        #expect(world.idle <= World.size, "too many wait: \(seed)")
        #expect(world.script.underWay.count { $0.carrier == 0 } <= 1, "two are made at a time: \(seed)")
        if wasStopped { #expect(world.poolDials == dials, "it dials behind its end: \(seed)") }
        if let oldest = world.oldest {
            #expect(world.loop.now - oldest <= World.age + .seconds(20), "one waits too long: \(seed)")
        }
        guard !world.isStopped, world.idle < World.size else { return }
        let isBusy = world.script.underWay.contains { $0.carrier == 0 } || world.loop.timers.count > 0
        #expect(isBusy || world.live.contains { !$0.isReady }, "nobody fills the pool: \(seed)")
    }

    /// A pool that has started, and what was made for it.
    private final class Rig {
        let loop = SocketLoop.manual()
        let script = ScriptedCarriers()
        let outbound: PooledOutbound
        private let made = Made()

        private final class Made { var sessions: [AskedSession] = [] }

        var came: [AskedSession] { self.made.sessions }

        init(size: Int) {
            let carriers = self.script.carriers(2)
            let reporter = LogRecorder().reporter
            let fresh = PerStreamOutbound(name: "far", reporter: reporter) {
                PerStreamOutbound.Route(carriers: [carriers[1]])
            }
            self.outbound = PooledOutbound(
                fresh, on: self.loop, carrier: carriers[0], size: size, age: .seconds(60), reporter: reporter)
            let made = self.made
            self.script.makeSession = { _, _, owner in
                made.sessions.append(AskedSession(owner))
                made.sessions.last?.begin()
            }
            _ = self.outbound.start()
            self.loop.runOnce()
        }
    }

    @Test("a stream takes the session that waited least, and another one is made at once") func takes() throws {
        let rig = Rig(size: 3)
        let (loop, script, outbound) = (rig.loop, rig.script, rig.outbound)
        for number in 1...3 {
            script.underWay.first?.give(.success(ScriptedLeg()))
            rig.came.last?.comeUp()
            #expect(rig.came.count == number && script.underWay.count == (number < 3 ? 1 : 0))
        }
        let stream = ModelStream()
        stream.ask(outbound, .named("far"), on: loop)
        let newest = try #require(rig.came.last)
        #expect(newest.wasAsked && rig.came.count { $0.wasAsked } == 1)
        #expect(script.dials.map(\.carrier) == [0, 0, 0, 0])
        // Gone without a word: the others are not trusted either, and the stream has one dialled for it.
        newest.end(.carrierLost("gone"))
        #expect(stream.isOpen && rig.came.allSatisfy { $0.isOver })
        #expect(script.underWay.map(\.carrier).sorted() == [0, 1])
        stream.cancel()
        outbound.stop()
        loop.runOnce()
        #expect(script.underWay.isEmpty)
    }

    @Test("sessions make room when they have waited long enough, one after the other") func age() {
        let rig = Rig(size: 2)
        let (loop, script, outbound) = (rig.loop, rig.script, rig.outbound)
        for _ in 0..<2 {
            script.underWay.first?.give(.success(ScriptedLeg()))
            rig.came.last?.comeUp()
            loop.advance(by: .seconds(10))
        }
        loop.advance(by: .seconds(39))
        #expect(rig.came.allSatisfy { !$0.isOver } && script.underWay.isEmpty)
        loop.advance(by: .seconds(1))
        #expect(rig.came.map(\.isOver) == [true, false] && script.underWay.count == 1)
        loop.advance(by: .seconds(10))
        #expect(rig.came.map(\.isOver) == [true, true] && script.underWay.count == 1)
        outbound.stop()
        loop.runOnce()
        #expect(loop.timers.count == 0)
    }
}
