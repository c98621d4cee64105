// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenLoop
import WarrenTesting

@testable import WarrenRuntime

/// Takes streams to legs of the test, at once or when it likes.
private final class ModelTargets: Outbound, @unchecked Sendable {
    // Sendable: on the thread of its test only.
    let name = "targets"
    var home: SocketLoop? { nil }
    var atOnce: () -> Result<any Leg, StreamFault>? = { nil }
    private(set) var asked: [Asked] = []

    final class Asked: OpenAttempt {
        fileprivate var answer: ((Result<any Leg, StreamFault>) -> Void)?

        func give(_ result: Result<any Leg, StreamFault>) {
            let answer = self.answer
            self.answer = nil
            answer?(result)
        }

        func cancel() { self.answer = nil }
    }

    var open: [Asked] { self.asked.filter { $0.answer != nil } }

    func open(
        _ request: StreamRequest, trusted: Bool, on loop: SocketLoop,
        answer: @escaping (Result<any Leg, StreamFault>) -> Void
    ) -> any OpenAttempt {
        if let result = self.atOnce() {
            answer(result)
            return NoAttempt()
        }
        let asked = Asked()
        asked.answer = answer
        self.asked.append(asked)
        return asked
    }
}

/// An inbound that dials, the real sessions on its carriers, and everything that their peers, targets, time and the
/// operator can do, in any order.
private final class World {
    let loop = SocketLoop.manual()
    let script = ScriptedCarriers()
    let targets = ModelTargets()
    let inbound: DialledInbound
    let most: Int?
    var random: SeededRandom
    /// Carriers that were taken, each the leg of a session or, later, of its stream.
    private(set) var carriers: [ScriptedLeg] = []
    private(set) var backs: [ScriptedLeg] = []
    /// Those on which the peer has asked for the stream.
    private var opened: [ScriptedLeg] = []
    private let told: Told

    /// On the thread of its test only.
    private final class Told: @unchecked Sendable {
        var tried = 0
        var done = 0
        var refused = 0
    }

    var tried: Int { self.told.tried }
    var done: Int { self.told.done }
    var refused: Int { self.told.refused }
    private(set) var isStopped = false
    private(set) var isRetired = false

    init(_ seed: UInt64) {
        var random = SeededRandom(seed)
        let successions: [DialledInbound.Succession] = [
            .whenLost, .always(most: Int.random(in: 1...3, using: &random)), .never,
        ]
        let succession = successions.randomElement(using: &random) ?? .never
        let told = Told()
        var plan = DialledInbound.Plan(
            carriers: self.script.carriers(Int.random(in: 1...3, using: &random)),
            target: Bool.random(using: &random) ? .tcp(Host("inside"), port: 9) : nil, succession: succession
        )
        plan.onDone = { told.done += 1 }
        if Bool.random(using: &random) { plan.onRefused = { _ in told.refused += 1 } }
        let reporter = LogRecorder().reporter
        let sessions = InboundSessions(
            name: "in", protocol: "words", outbound: self.targets, isTrusted: true, isTunnel: true, reporter: reporter
        )
        self.inbound = DialledInbound(plan, sessions: sessions, on: self.loop, reporter: reporter)
        self.most = succession.mostStreams
        self.random = random
        self.told = told
        self.script.atOnce = { [unowned self] in if self.chance(3) { self.answer($0) } }
        self.targets.atOnce = { [unowned self] in self.chance(2) ? self.target() : nil }
        let context = LoopContext(loop: self.loop, registry: LoopRegistry())
        self.script.makeSession = { [unowned self] _, leg, owner in
            if self.chance(10) { throw CarrierFailure("no") }
            context.start(WordMachine(), on: leg, owner: owner)
        }
        self.inbound.start().assumeIsolated().whenComplete { _ in told.tried += 1 }
        self.loop.runOnce()
    }

    func chance(_ most: Int) -> Bool { Int.random(in: 0..<most, using: &self.random) == 0 }

    private func leg() -> ScriptedLeg {
        let leg = ScriptedLeg(
            peer: try? SocketAddress(ipAddress: "192.0.2.\(Int.random(in: 1...3, using: &self.random))", port: 9))
        leg.endsAtOnce = !self.chance(4)
        return leg
    }

    private func target() -> Result<any Leg, StreamFault> {
        guard !self.chance(3) else {
            return .failure([.refused, .timedOut, .limit].randomElement(using: &self.random) ?? .failed)
        }
        let leg = self.leg()
        self.backs.append(leg)
        return .success(leg)
    }

    private func answer(_ dial: ScriptedCarriers.Dial) {
        guard self.chance(2) else {
            let faults = [StreamFault.refused, .timedOut, .unreachable, .failed]
            let fault = faults.randomElement(using: &self.random) ?? .failed
            return dial.give(.failure(CarrierFailure("no", fault, isAnswer: self.chance(3))))
        }
        let leg = self.leg()
        self.carriers.append(leg)
        dial.give(.success(leg))
    }

    /// Legs that somebody still listens to.
    private func live(_ legs: [ScriptedLeg]) -> [ScriptedLeg] { legs.filter { $0.events != nil } }

    func act() {
        switch Int.random(in: 0..<20, using: &self.random) {
        case 0...3: if let dial = self.script.underWay.first { self.answer(dial) }
        case 4...9: if let carrier = self.live(self.carriers).randomElement(using: &self.random) { self.speak(carrier) }
        case 10: if let carrier = self.live(self.carriers).randomElement(using: &self.random) { self.end(carrier) }
        case 11: if let asked = self.targets.open.randomElement(using: &self.random) { asked.give(self.target()) }
        case 12...13: if let back = self.live(self.backs).randomElement(using: &self.random) { self.end(back) }
        case 14:
            if let back = self.live(self.backs).randomElement(using: &self.random) { back.receive("from the target") }
        case 15...17: self.loop.advance(by: .milliseconds(.random(in: 0...3000, using: &self.random)))
        case 18: if self.chance(10) { self.retire() }
        default: if self.chance(10) { self.stop() }
        }
        self.loop.runOnce()
    }

    private func speak(_ carrier: ScriptedLeg) {
        let opening = ["open\n", "ready\nopen\n", "ready\nopen\nover\nbytes"]
        let others = ["ready\n", "grant key\n", "over\n", "end\n", "late\n", "reject\n", "rubbish\n"]
        // A machine has one stream, once.
        let mayOpen = !self.opened.contains { $0 === carrier }
        let words = ((mayOpen ? opening : []) + others).randomElement(using: &self.random) ?? ""
        if opening.contains(words) { self.opened.append(carrier) }
        carrier.receive(words)
    }

    private func end(_ leg: ScriptedLeg) {
        switch Int.random(in: 0..<3, using: &self.random) {
        case 0: leg.receiveEnd()
        case 1: leg.isGone(nil)
        default: leg.isGone([.aborted, .failed, .idle].randomElement(using: &self.random) ?? .failed)
        }
    }

    private func retire() {
        self.isRetired = true
        self.inbound.retire()
    }

    func stop() {
        self.isStopped = true
        self.inbound.stop()
        self.loop.runOnce()
    }

    /// The far ends take whatever ends they are owed, and everything that runs ends.
    func windUp() {
        for _ in 0..<4 {
            for leg in self.live(self.carriers) + self.live(self.backs) { leg.isGone(.aborted) }
            for asked in self.targets.open { asked.give(.failure(.refused)) }
            self.loop.runOnce()
        }
    }

    /// It has nothing more to do, for whatever reason.
    var isOver: Bool { self.isStopped || self.isRetired || self.done > 0 || self.refused > 0 }
    /// Something will happen without anybody's doing, or a peer or target may do something.
    var isWaiting: Bool {
        !self.script.underWay.isEmpty || !self.live(self.carriers).isEmpty || !self.live(self.backs).isEmpty
            || !self.targets.open.isEmpty || self.loop.timers.count > 0
    }
}

@Suite struct DialledInboundModelTests {
    @Test("streams are counted, sessions follow each other, ends are told once, nothing is left: in any order")
    func anyOrder() {
        for seed in ModelRuns.seeds {
            let world = World(seed)
            for _ in 0..<Int.random(in: 0..<100, using: &world.random) { self.step(world, seed) }
            world.stop()
            let dials = world.script.dials.count
            world.windUp()
            world.loop.advance(by: .seconds(100))
            #expect(world.script.dials.count == dials, "it dials after its stop: \(seed)")
            #expect(world.script.underWay.isEmpty && world.targets.open.isEmpty, "something is left: \(seed)")
            #expect(world.loop.timers.count == 0, "a timer is left: \(seed)")
            #expect(world.tried == 1, "the first round is told of once: \(seed)")
            #expect(world.inbound.running == 0 && world.inbound.failing == 0, "streams are counted wrong: \(seed)")
        }
    }

    private func step(_ world: World, _ seed: UInt64) {
        let (dials, wasOver) = (world.script.dials.count, world.isStopped || world.done > 0 || world.refused > 0)
        world.act()
        #expect(world.script.underWay.count <= 1, "two dials at a time: \(seed)")
        #expect(world.done <= 1 && world.refused <= 1 && world.done + world.refused <= 1, "ends are told once: \(seed)")
        #expect(world.inbound.running >= 0 && world.inbound.failing >= 0, "streams are counted wrong: \(seed)")
        if let most = world.most { #expect(world.inbound.running <= max(most, 1) + 1, "too many streams: \(seed)") }
        if wasOver { #expect(world.script.dials.count == dials, "it dials behind its end: \(seed)") }
        if !world.isOver { #expect(world.isWaiting, "it waits for nobody: \(seed)") }
    }
}
