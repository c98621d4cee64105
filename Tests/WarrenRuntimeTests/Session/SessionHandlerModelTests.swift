// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenLoop
import WarrenTesting

@testable import WarrenRuntime

/// A session whose machine says whatever a machine may say, and everything that its carrier, its streams, their targets
/// and its users can do meanwhile, in any order.
private final class World {
    let script = Script()
    let owner = ScriptedOwner()
    let registry = LoopRegistry()
    let loop = SocketLoop.manual()
    let carrier = ScriptedLeg()
    let handler: SessionHandler<ScriptedMachine>
    var random: SeededRandom
    /// Streams that the machine knows: those of its peer, and those that it was asked for.
    private var known: [StreamID] = []
    private var lastOwn: UInt32 = 0
    private(set) var backs: [ScriptedLeg] = []
    private(set) var streams: [Asked] = []
    private(set) var targets: [Target] = []
    /// Of peers' streams.
    private(set) var reached = 0

    /// A stream that a user wants.
    final class Asked {
        fileprivate(set) var answers = 0
        fileprivate(set) var isCancelled = false
        fileprivate var attempt: (any OpenAttempt)?
        fileprivate(set) var leg: (any Leg)?
    }

    /// A destination that a peer wants.
    final class Target: OpenAttempt {
        fileprivate var answer: ((Result<any Leg, StreamFault>) -> Void)?
        fileprivate(set) var isCancelled = false
        var isOpen: Bool { self.answer != nil }

        func cancel() {
            self.isCancelled = true
            self.answer = nil
        }
    }

    init(_ seed: UInt64) {
        self.random = SeededRandom(seed)
        self.handler = SessionHandler(
            ScriptedMachine(script: self.script), on: self.carrier, owner: self.owner,
            context: LoopContext(loop: self.loop, registry: self.registry)
        )
        self.carrier.endsAtOnce = !self.chance(3)
        self.script.onCall = { [unowned self] _, call in self.hear(call) }
        self.script.onDeadline = { [unowned self] _ in self.say() }
        self.owner.onOpen = { [unowned self] _, answer in self.reach(answer) }
        self.handler.start()
    }

    func chance(_ most: Int) -> Bool { Int.random(in: 0..<most, using: &self.random) == 0 }

    var ends: Int { self.owner.events.count { if case .ended = $0 { true } else { false } } }
    /// Peers' streams that were told of.
    var told: Int { self.owner.events.count { if case .streamEnded = $0 { true } else { false } } }
    var isOver: Bool { self.handler.isOver }

    private func hear(_ call: Script.Call) {
        if case .open = call { self.known.append(self.script.lastStream) }
        if self.chance(3) { self.say() }
    }

    private func reach(_ answer: @escaping (Result<any Leg, StreamFault>) -> Void) -> any OpenAttempt {
        let target = Target()
        self.targets.append(target)
        target.answer = answer
        if self.chance(2) { self.give(target) }
        return target
    }

    private func give(_ target: Target) {
        guard let answer = target.answer else { return }
        target.answer = nil
        self.reached += 1
        guard !self.chance(3) else { return answer(.failure(.refused)) }
        let back = ScriptedLeg()
        back.endsAtOnce = !self.chance(4)
        self.backs.append(back)
        answer(.success(back))
    }

    /// The machine has something to say.
    private func say() {
        let id = self.known.randomElement(using: &self.random) ?? StreamID(1)
        switch Int.random(in: 0..<24, using: &self.random) {
        case 0...3:
            self.lastOwn += 1
            self.known.append(StreamID(self.lastOwn))
            self.script.says(.open(StreamID(self.lastOwn), .named("inside")))
        case 4...6: self.script.says(.opened(id))
        case 7...10: self.script.says(.deliver(id, ByteBuffer(string: "bytes")))
        case 11...12: self.script.says(.pause(id), .deliver(id, ByteBuffer(string: "more")), .resume(id))
        case 13: self.script.says(.pause(id))
        case 14...15: self.script.says(.finish(id))
        case 16...17: self.end(id)
        case 18: self.script.says(.ready)
        case 19: self.script.deadline = self.loop.now + .milliseconds(.random(in: 0...500, using: &self.random))
        case 20: self.script.says(.write(ByteBuffer(string: "written")))
        case 21: self.script.wantsBytes.toggle()
        case 22: if self.chance(6) { self.script.says(.handOver(id, leftover: ByteBuffer(string: "left"))) }
        default: if self.chance(6) { self.script.says(.close(self.chance(2) ? .finished : .cutOff(.aborted))) }
        }
    }

    private func end(_ id: StreamID) {
        self.known.removeAll { $0 == id }
        self.script.says(.end(id, self.chance(2) ? nil : .aborted))
    }

    func act() {
        switch Int.random(in: 0..<20, using: &self.random) {
        case 0...7:
            self.say()
            self.handler.turn()
        case 8...9: self.ask()
        case 10: self.cancel()
        case 11...12:
            if let target = self.targets.filter(\.isOpen).randomElement(using: &self.random) { self.give(target) }
        case 13...15: self.moveABack()
        case 16: self.carrier.receive("something")
        case 17: if self.chance(2) { self.carrier.becomesWritable(!self.carrier.isWritable) } else { self.useALeg() }
        case 18: self.loop.advance(by: .milliseconds(.random(in: 0...1000, using: &self.random)))
        default: if self.chance(8) { self.loseCarrier() }
        }
        self.loop.runOnce()
    }

    private func ask() {
        self.script.refusal = self.chance(6) ? .limit : nil
        let asked = Asked()
        self.streams.append(asked)
        asked.attempt = self.handler.open(.named("far")) { [unowned self] result in
            asked.answers += 1
            guard case .success(let leg) = result else { return }
            let other = ScriptedLeg()
            self.backs.append(other)
            asked.leg = other
            Bridge(front: other, back: leg, on: self.loop) { _ in }.begin()
        }
    }

    private func cancel() {
        guard let asked = self.streams.randomElement(using: &self.random), asked.answers == 0, !asked.isCancelled else {
            return
        }
        asked.isCancelled = true
        asked.attempt?.cancel()
    }

    private var liveBacks: [ScriptedLeg] { self.backs.filter { $0.events != nil } }

    private func moveABack() {
        guard let back = self.liveBacks.randomElement(using: &self.random) else { return }
        switch Int.random(in: 0..<6, using: &self.random) {
        case 0...2: if back.isReading { back.receive("answer") }
        case 3: back.receiveEnd()
        case 4: back.becomesWritable(!back.isWritable)
        default: back.isGone(self.chance(2) ? nil : .aborted)
        }
    }

    private func useALeg() { self.handler.wake() }

    private func loseCarrier() {
        guard self.carrier.events != nil else { return }
        switch Int.random(in: 0..<3, using: &self.random) {
        case 0: self.carrier.receiveEnd()
        case 1: self.carrier.isGone(.aborted)
        default: self.handler.shutDown(.shutdown)
        }
    }

    /// The node ends what is left, and the far ends take the ends they are owed.
    func windUp() {
        self.handler.shutDown(.shutdown)
        for _ in 0..<4 {
            for back in self.liveBacks { back.isGone(.aborted) }
            if self.carrier.events != nil { self.carrier.isGone(.aborted) }
            self.loop.runOnce()
        }
        self.loop.advance(by: .seconds(200))
    }

    var areAnswersRight: Bool { self.streams.allSatisfy { $0.answers == ($0.isCancelled ? 0 : 1) } }
    var hasAnsweredTwice: Bool { self.streams.contains { $0.answers > ($0.isCancelled ? 0 : 1) } }
    var waitsForTargets: Bool { self.targets.contains(where: \.isOpen) }
}

@Suite struct SessionHandlerModelTests {
    @Test("streams are answered once, told of once and ended with their session, which ends once: in any order")
    func anyOrder() {
        for seed in ModelRuns.seeds {
            let world = World(seed)
            for _ in 0..<Int.random(in: 0..<120, using: &world.random) { self.step(world, seed) }
            world.windUp()
            #expect(world.areAnswersRight, "an answer is missing, or one too many: \(seed)")
            #expect(world.ends == 1, "the session's end is told of \(world.ends) times: \(seed)")
            #expect(world.told == world.reached, "streams reached \(world.reached), told of \(world.told): \(seed)")
            #expect(!world.waitsForTargets, "a target is dialled for nobody: \(seed)")
            #expect(world.handler.legs.isEmpty && world.handler.bridges.isEmpty, "a stream is left: \(seed)")
            #expect(world.registry.bridgeCount + world.registry.sessionCount == 0, "somebody is left: \(seed)")
            #expect(world.loop.timers.count == 0, "a timer is left: \(seed)")
        }
    }

    private func step(_ world: World, _ seed: UInt64) {
        world.act()
        #expect(!world.hasAnsweredTwice, "answered twice: \(seed)")
        #expect(world.ends == (world.isOver ? 1 : 0), "an end is told of once, and at once: \(seed)")
        if world.isOver { #expect(!world.waitsForTargets, "a target is dialled for nobody: \(seed)") }
    }
}
