// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenLoop
import WarrenTesting

@testable import WarrenRuntime

/// Who serves what, told in the simplest way.
private struct Claims {
    let duplicates: NameTable.Duplicates
    private var holders: [String: [AskedSession]] = [:]
    /// Names that nobody serves any more, and whether they were given back by the last one who did.
    private var gone: [String: Bool] = [:]

    init(_ duplicates: NameTable.Duplicates) { self.duplicates = duplicates }

    mutating func claim(_ name: String, _ session: AskedSession) -> Bool {
        let others = self.holders[name, default: []]
        if self.duplicates == .reject, others.contains(where: { $0.user != session.user }) { return false }
        self.holders[name] = others.filter { $0 !== session } + [session]
        self.gone[name] = nil
        return true
    }

    mutating func withdraw(_ name: String, _ session: AskedSession) { self.remove(name, session, isGivenBack: true) }

    private mutating func remove(_ name: String, _ session: AskedSession, isGivenBack: Bool) {
        guard let known = self.holders[name], known.contains(where: { $0 === session }) else { return }
        let left = known.filter { $0 !== session }
        self.holders[name] = left.isEmpty ? nil : left
        if left.isEmpty { self.gone[name] = isGivenBack }
    }

    mutating func leave(_ session: AskedSession) {
        for name in self.holders.keys { self.remove(name, session, isGivenBack: false) }
    }

    /// Devices that may have a visitor; nobody, where one that was there has gone; nil, where there never was one.
    func devices(for visitor: String) -> Set<String>? {
        var words = visitor.split(separator: ".")[...]
        var names = [visitor]
        while words.popFirst() != nil, !words.isEmpty {
            let parent = words.joined(separator: ".")
            names += ["*.\(parent)", parent]
        }
        for name in names {
            if let holders = self.holders[name] {
                let all = self.duplicates == .balance ? holders : Array(holders.suffix(1))
                return Set(all.compactMap(\.user))
            }
            if self.gone[name] == false { return [] }
        }
        return names.contains { self.gone[$0] != nil } ? [] : nil
    }
}

/// A visitor at the inbound of public names.
private final class Visitor {
    var front: PublicServer
    let said: ByteBuffer
    let name: String
    private var attempt: (any OpenAttempt)?
    private(set) var answers = 0
    private(set) var hasLeft = false
    private(set) var steps: [SessionAction] = []

    var isWaiting: Bool { self.answers == 0 && !self.hasLeft }

    init(_ said: ByteBuffer, at name: String) {
        self.name = name
        var configuration = PublicServer.Configuration(limits: SessionLimits())
        configuration.redirects = false
        self.front = PublicServer(configuration, port: 443)
        self.said = said
        self.front.start(now: .uptimeNanoseconds(1))
        self.front.receive(said)
    }

    private func pull() {
        while let step = self.front.next(now: .uptimeNanoseconds(2), writable: true) { self.steps.append(step) }
    }

    func come(to outbound: PublicNamesOutbound, on loop: SocketLoop) {
        self.pull()
        guard case .open(let stream, let request)? = self.steps.popLast() else { return }
        self.attempt = outbound.open(request, trusted: false, on: loop) { [unowned self] result in
            self.answers += 1
            switch result {
            case .success: self.front.accept(stream)
            case .failure(let fault): self.front.reset(stream, fault)
            }
            self.pull()
        }
    }

    func leave() {
        guard self.isWaiting else { return }
        self.hasLeft = true
        self.attempt?.cancel()
    }

    /// Passed on untouched, or told no and let go.
    var isRight: Bool {
        switch self.steps.last {
        case .handOver(_, let bytes)?, .deliver(_, let bytes)?: self.steps.count == 1 && bytes == self.said
        case .close?: self.steps.count == 2
        default: false
        }
    }
}

/// A relay's names with devices and visitors, and everything that can happen to them, in any order.
private final class World {
    let loop = SocketLoop.manual()
    let outbound: PublicNamesOutbound
    private var claims: Claims
    private var random: SeededRandom
    private var sessions: [AskedSession] = []
    private(set) var visitors: [Visitor] = []
    private(set) var mistakes: [String] = []

    private static let names = ["a.test", "*.a.test", "b.a.test", "*.b.a.test", "c.test"]
    private static let visited = ["a.test", "b.a.test", "x.a.test", "x.b.a.test", "c.test", "x.c.test", "test"]

    init(_ seed: UInt64) {
        var random = SeededRandom(seed)
        let duplicates = NameTable.Duplicates.allCases.randomElement(using: &random) ?? .reject
        let plan = PublicNamesOutbound.Plan(duplicates: duplicates, judge: NoAuthenticator()) { leg, _, _ in
            leg.discard()
        }
        self.random = random
        self.claims = Claims(duplicates)
        self.outbound = PublicNamesOutbound(
            plan, name: "devices", loops: .manual(), reporter: LogRecorder().reporter)
    }

    func act() {
        switch Int.random(in: 0..<18, using: &self.random) {
        case 0...1: self.arrive()
        case 2...5: self.claim()
        case 6: self.withdraw()
        case 7: if let one = self.sessions.randomElement(using: &self.random) { self.end(one) }
        case 8...11: self.visit()
        case 12...13: self.pass(.milliseconds(.random(in: 1...300, using: &self.random)))
        case 14...16: self.sessions.randomElement(using: &self.random)?.answer(self.answer())
        default: self.visitors.randomElement(using: &self.random)?.leave()
        }
        self.loop.runOnce()
        for one in self.visitors where one.answers > 1 || one.hasLeft && one.answers > 0 {
            self.mistakes.append("a visitor was answered too often")
        }
    }

    func finish() {
        for one in self.sessions { self.end(one) }
        self.pass(.seconds(1))
        if self.loop.timers.count > 0 { self.mistakes.append("somebody waits still") }
        if !self.outbound.table.names.isEmpty { self.mistakes.append("left: \(self.outbound.table.names)") }
        if !self.outbound.table.condition.isEmpty { self.mistakes.append("something is served still") }
        for one in self.visitors where !one.hasLeft && !(one.answers == 1 && one.isRight) {
            self.mistakes.append("\(one.answers) answers: \(one.steps)")
        }
    }

    private func arrive() {
        let lane = [nil, "x", "y"].randomElement(using: &self.random) ?? nil
        let session = AskedSession(
            self.outbound.owner(of: lane), user: "\(Int.random(in: 0..<3, using: &self.random))", on: self.loop)
        session.begin()
        session.comeUp()
        self.sessions.append(session)
        self.owners[ObjectIdentifier(session)] = self.outbound.owner(of: lane)
    }

    private var owners: [ObjectIdentifier: any SessionOwner] = [:]

    private func claim() {
        guard let session = self.sessions.randomElement(using: &self.random),
            let name = Self.names.randomElement(using: &self.random),
            let owner = self.owners[ObjectIdentifier(session)]
        else { return }
        let expected = self.claims.claim(name, session)
        if (owner.sessionServes(session, .service(name: name, port: 0)) == nil) != expected {
            self.mistakes.append("\(name) was given to the wrong device")
        }
    }

    /// Visitors whose device has gone a moment ago look for it again.
    private func pass(_ time: TimeAmount) {
        let before = self.sessions.map(\.asked.count)
        let wanted = self.visitors.filter(\.isWaiting).map { self.claims.devices(for: $0.name) ?? [] }
        self.loop.advance(by: time)
        for (session, count) in zip(self.sessions, before) where session.asked.count > count {
            if !wanted.contains(where: { $0.contains(session.user ?? "") }) {
                self.mistakes.append("\(session.user ?? "") has somebody else's visitor")
            }
        }
    }

    private func withdraw() {
        guard let session = self.sessions.randomElement(using: &self.random),
            let name = Self.names.randomElement(using: &self.random)
        else { return }
        self.claims.withdraw(name, session)
        self.owners[ObjectIdentifier(session)]?.sessionWithdraws(session, .service(name: name, port: 0))
    }

    private func end(_ session: AskedSession) {
        self.claims.leave(session)
        self.sessions.removeAll { $0 === session }
        session.end(.carrierLost("gone"))
    }

    private func visit() {
        let name = Self.visited.randomElement(using: &self.random) ?? ""
        let isTLS = Bool.random(using: &self.random)
        let said =
            isTLS
            ? ClientHelloTests.Sample(name: name).records()
            : ByteBuffer(string: "GET / HTTP/1.1\r\nHost: \(name)\r\n\r\n")
        let before = self.sessions.map(\.asked.count)
        let visitor = Visitor(said, at: name)
        self.visitors.append(visitor)
        visitor.come(to: self.outbound, on: self.loop)
        let asked = zip(self.sessions, before).filter { $0.asked.count > $1 }.map(\.0)
        let known = self.claims.devices(for: name)
        let expected = known ?? []
        if expected.isEmpty {
            // Who has gone may be back in a moment.
            let mayWait = known != nil
            if !asked.isEmpty || visitor.isWaiting != mayWait { self.mistakes.append("\(name) is served by nobody") }
        } else if asked.count != 1 || !asked.allSatisfy({ expected.contains($0.user ?? "") }) {
            self.mistakes.append("\(name) went to \(asked.map { $0.user ?? "" }) and not to \(expected)")
        }
    }

    private func answer() -> Result<any Leg, StreamFault> {
        Bool.random(using: &self.random) ? .success(ScriptedLeg()) : .failure(.refused)
    }
}

@Suite struct PublicNamesModelTests {
    @Test(
        "whatever order devices and visitors come and go in, no visitor gets to the wrong device, and nothing is left")
    func model() {
        for seed in ModelRuns.seeds {
            let world = World(seed)
            for _ in 0..<80 { world.act() }
            world.finish()
            #expect(world.mistakes == [], "seed \(seed)")
        }
    }
}
