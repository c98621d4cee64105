// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenLoop
import WarrenTesting

@testable import WarrenRuntime

/// A session that is to become one stream, moved by the test.
private final class OneSession: Session {
    let loop = SocketLoop.manual()
    let owner: any OutboundSessionOwner
    var isOver = false
    var isReady = false
    var peer: SocketAddress? { nil }
    var user: String? { nil }
    private(set) var answer: ((Result<any Leg, StreamFault>) -> Void)?

    init(_ owner: any OutboundSessionOwner) { self.owner = owner }

    func open(_ request: StreamRequest, answer: @escaping (Result<any Leg, StreamFault>) -> Void) -> any OpenAttempt {
        self.answer = answer
        return Asked(self)
    }

    func shutDown(_ reason: CloseReason) { self.end(reason) }

    func end(_ reason: CloseReason) {
        guard !self.isOver else { return }
        self.isOver = true
        self.owner.sessionEnded(self, reason)
        self.give(.failure(.sessionLost))
    }

    func give(_ result: Result<any Leg, StreamFault>) {
        let answer = self.answer
        self.answer = nil
        answer?(result)
    }

    /// A stream that nobody wants any more takes its session with it.
    private final class Asked: OpenAttempt {
        private weak var session: OneSession?
        init(_ session: OneSession) { self.session = session }
        func cancel() {
            self.session?.answer = nil
            self.session?.isOver = true
        }
    }
}

/// What a file names anew whenever the test likes. On the thread of the test only.
private final class Ticket: @unchecked Sendable {
    var number = 0
}

/// One stream on its way, and everything that can happen to it, in any order.
private final class World {
    let loop = SocketLoop.manual()
    let script = ScriptedCarriers()
    var random: SeededRandom
    private var sessions: [OneSession] = []
    private(set) var answers = 0
    private(set) var isCancelled = false
    private let ticket = Ticket()
    private let hasTickets: Bool
    private var attempt: (any OpenAttempt)?

    init(_ seed: UInt64) {
        self.random = SeededRandom(seed)
        self.hasTickets = seed % 3 == 0
        self.script.atOnce = { [unowned self] in if self.chance(3) { self.answer($0) } }
        self.script.makeSession = { [unowned self] _, _, owner in
            guard let owner = owner as? any OutboundSessionOwner, !self.chance(8) else { throw CarrierFailure("no") }
            let session = OneSession(owner)
            self.sessions.append(session)
            owner.sessionBegan(session)
        }
    }

    func chance(_ most: Int) -> Bool { Int.random(in: 0..<most, using: &self.random) == 0 }

    var live: [OneSession] { self.sessions.filter { !$0.isOver } }
    var isOver: Bool { self.answers > 0 || self.isCancelled }

    func ask() {
        let script = self.script
        let carriers = script.carriers(Int.random(in: 1...3, using: &self.random), areStreams: self.chance(2))
        let (ticket, hasTickets) = (self.ticket, self.hasTickets)
        let outbound = PerStreamOutbound(name: "far", reporter: LogRecorder().reporter) {
            PerStreamOutbound.Route(carriers: carriers, ticket: hasTickets ? "\(ticket.number)" : nil) { _ in
                script.carriers(1).first
            }
        }
        self.attempt = outbound.open(.named("far"), trusted: false, on: self.loop) { [unowned self] _ in
            self.answers += 1
        }
    }

    private func answer(_ dial: ScriptedCarriers.Dial) {
        guard self.chance(2) else {
            let faults = [StreamFault.refused, .timedOut, .unreachable, .failed]
            return dial.give(.failure(CarrierFailure("no", faults.randomElement(using: &self.random) ?? .failed)))
        }
        dial.give(.success(ScriptedLeg()))
    }

    func act() {
        switch Int.random(in: 0..<12, using: &self.random) {
        case 0...3: self.answerDial()
        case 4...5: if let session = self.live.first, !session.isReady { self.comeUp(session) }
        case 6...7: self.lose()
        case 8:
            if let session = self.live.first {
                session.give(self.chance(2) ? .success(ScriptedLeg()) : .failure(.refused))
            }
        case 9: self.loop.advance(by: .milliseconds(.random(in: 0...300, using: &self.random)))
        case 10: self.ticket.number += 1
        default: if self.chance(8) { self.cancel() }
        }
        if self.chance(2) { self.loop.runOnce() }
    }

    func answerDial() { if let dial = self.script.underWay.first { self.answer(dial) } }

    func lose() {
        let reasons = [
            CloseReason.denied, .redirected("else"), .rejected("404"), .timedOut(phase: "login"), .carrierLost("gone"),
            .finished,
        ]
        self.live.first?.end(reasons.randomElement(using: &self.random) ?? .denied)
    }

    private func comeUp(_ session: OneSession) {
        session.isReady = true
        session.owner.sessionReady(session)
    }

    private func cancel() {
        guard !self.isOver else { return }
        self.isCancelled = true
        self.attempt?.cancel()
    }
}

@Suite struct CarrierAttemptModelTests {
    @Test("a stream is answered once, or not at all when it is cancelled, and then nothing is dialled: in any order")
    func anyOrder() {
        for seed in ModelRuns.seeds {
            let world = World(seed)
            world.ask()
            for _ in 0..<Int.random(in: 0..<60, using: &world.random) { self.step(world, seed) }
            for _ in 0..<400 where !world.isOver {
                world.answerDial()
                world.lose()
                world.loop.advance(by: .milliseconds(100))
            }
            world.loop.advance(by: .seconds(10))
            #expect(world.answers == (world.isCancelled ? 0 : 1), "answers: \(seed)")
            #expect(world.script.underWay.isEmpty, "a dial is left: \(seed)")
            #expect(world.loop.timers.count == 0, "a timer is left: \(seed)")
        }
    }

    private func step(_ world: World, _ seed: UInt64) {
        let (dials, wasOver) = (world.script.dials.count, world.isOver)
        world.act()
        #expect(world.answers <= 1, "answered twice: \(seed)")
        #expect(world.script.underWay.count <= 1, "two dials at a time: \(seed)")
        if wasOver { #expect(world.script.dials.count == dials, "it dials behind its end: \(seed)") }
    }
}
