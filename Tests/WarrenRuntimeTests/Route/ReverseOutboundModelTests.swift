// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenLoop
import WarrenTesting

@testable import WarrenRuntime

/// Names whose addresses the test tells when it likes.
private final class ModelNames: AddressResolver, @unchecked Sendable {
    // Sendable: on the thread of its test only.
    private var due: [EventLoopPromise<[IPAddress]>] = []
    private(set) var cancels = 0
    var atOnce: () -> [IPAddress]? = { nil }

    func resolve(_ name: String, _ family: IPAddress.Family, for asker: Asker, on loop: any EventLoop) -> NameQuery {
        if let known = self.atOnce() { return NameQuery(loop.makeSucceededFuture(known)) }
        let promise = loop.makePromise(of: [IPAddress].self)
        self.due.append(promise)
        return NameQuery(promise.futureResult) { self.cancels += 1 }
    }

    func answer(_ result: Result<[IPAddress], StreamFault>) {
        guard !self.due.isEmpty else { return }
        self.due.removeFirst().completeWith(result.mapError { $0 })
    }

    /// Late answers for whoever has left.
    func answerAll() { while !self.due.isEmpty { self.answer(.success([])) } }
}

/// An outbound to which exits come, its users, and everything that can happen to them, in any order.
private final class World {
    let loop = SocketLoop.manual()
    let choice: ReverseOutbound.Choice
    private let names = ModelNames()
    private(set) var outbound: ReverseOutbound!
    var random: SeededRandom
    private(set) var streams: [ModelStream] = []
    private(set) var exits: [AskedSession] = []
    private(set) var isStopped = false

    init(_ seed: UInt64) {
        var random = SeededRandom(seed)
        self.choice = ReverseOutbound.Choice.allCases.randomElement(using: &random) ?? .newest
        self.random = random
        let allow = seed % 4 == 0 ? [try? EgressRule("192.0.2.0/30")].compactMap { $0 } : nil
        let world = Unowned(self)
        let plan = ReverseOutbound.Plan(choice: self.choice, allow: allow, resolver: self.names) { leg, owner, _ in
            world.it.makeExit(leg, owner)
        }
        self.outbound = ReverseOutbound(plan, name: "far", home: self.loop, reporter: LogRecorder().reporter)
        self.names.atOnce = { [unowned self] in self.chance(2) ? self.addresses() : nil }
        _ = self.outbound.start()
    }

    private final class Unowned: @unchecked Sendable {
        unowned let it: World
        init(_ it: World) { self.it = it }
    }

    var isRight: Bool { self.streams.allSatisfy(\.isRight) }
    var hasAnsweredTwice: Bool { self.streams.contains(where: \.isAnsweredTwice) }

    func chance(_ most: Int) -> Bool { Int.random(in: 0..<most, using: &self.random) == 0 }

    private var live: [AskedSession] { self.exits.filter { !$0.isOver } }
    var ready: [AskedSession] { self.live.filter(\.isReady) }
    var liveCount: Int { self.live.count }

    private func makeExit(_ leg: any Leg, _ owner: any SessionOwner) {
        let exit = AskedSession(owner, peer: leg.peer)
        exit.atOnce = { [unowned self] in self.chance(3) ? self.target() : nil }
        self.exits.append(exit)
        exit.begin()
    }

    private func target() -> Result<any Leg, StreamFault> {
        self.chance(2)
            ? .success(ScriptedLeg()) : .failure([.refused, .timedOut].randomElement(using: &self.random) ?? .failed)
    }

    private func addresses() -> [IPAddress] {
        Array(
            ["192.0.2.9", "192.0.2.10", "2001:db8::9"].shuffled(using: &self.random).prefix(
                Int.random(in: 0...3, using: &self.random))
        )
        .compactMap { IPAddress($0) }
    }

    func act() {
        switch Int.random(in: 0..<20, using: &self.random) {
        case 0...1: self.arrive()
        case 2...3: self.live.randomElement(using: &self.random)?.comeUp()
        case 4...8: self.ask()
        case 9: self.streams.randomElement(using: &self.random)?.cancel()
        case 10...12: self.names.answer(self.chance(3) ? .failure(.unknownHost) : .success(self.addresses()))
        case 13...15: self.live.randomElement(using: &self.random)?.answer(self.target())
        case 16: self.live.randomElement(using: &self.random)?.end(self.chance(2) ? .carrierLost("gone") : .denied)
        case 17...18: self.loop.advance(by: .milliseconds(.random(in: 0...6000, using: &self.random)))
        default: if self.chance(10) { self.stop() }
        }
        self.loop.runOnce()
    }

    private func arrive() {
        let leg = ScriptedLeg(
            peer: self.chance(20)
                ? nil
                : try? SocketAddress(
                    ipAddress: "192.0.2.\(Int.random(in: 1...6, using: &self.random))", port: 9))
        self.outbound.arrive(leg, on: self.loop)
    }

    private func ask() {
        let destinations: [Destination] = [
            .tcp(.name("a"), port: 1), .tcp(.name("b"), port: 1), .tcp(Host("192.0.2.7"), port: 1),
            .tcp(Host("::1"), port: 1),
            .fixed,
        ]
        let stream = ModelStream()
        self.streams.append(stream)
        stream.ask(
            self.outbound, StreamRequest(destinations.randomElement(using: &self.random) ?? .fixed), on: self.loop)
    }

    func stop() {
        self.isStopped = true
        self.outbound.stop()
        self.loop.runOnce()
    }

    /// Exits that had not logged in end by themselves, names are told too late.
    func windUp() {
        for exit in self.live { exit.end(.timedOut(phase: "login")) }
        self.names.answerAll()
        self.loop.advance(by: .seconds(100))
    }
}

@Suite struct ReverseOutboundModelTests {
    @Test(
        "every stream is answered once, or not at all when its user leaves; one exit at a time where that is asked for")
    func anyOrder() {
        for seed in ModelRuns.seeds {
            let world = World(seed)
            for _ in 0..<Int.random(in: 0..<100, using: &world.random) { self.step(world, seed) }
            world.stop()
            world.windUp()
            #expect(world.isRight, "an answer is missing, or one too many: \(seed)")
            #expect(world.liveCount == 0, "an exit is left: \(seed)")
            #expect(world.loop.timers.count == 0, "a timer is left: \(seed)")
        }
    }

    private func step(_ world: World, _ seed: UInt64) {
        let exits = world.exits.count
        world.act()
        #expect(!world.hasAnsweredTwice, "answered twice: \(seed)")
        if world.choice == .first { #expect(world.ready.count <= 1, "two exits: \(seed)") }
        if world.isStopped {
            #expect(world.exits.count == exits && world.ready.isEmpty, "an exit after the stop: \(seed)")
        }
    }
}
