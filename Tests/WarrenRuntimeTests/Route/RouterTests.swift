// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenLoop
import WarrenTesting

@testable import WarrenRuntime

extension RouteRule {
    fileprivate func matches(_ destination: Destination, user: String?) -> Bool {
        self.match(destination, user: user) == .yes
    }
}

@Suite struct RouteRuleTests {
    private static let name = Destination.tcp(Host("www.corp.example"), port: 443)
    private static let address = Destination.tcp(Host("10.1.2.3"), port: 22)
    private static let datagram = Destination.host(Host("10.1.2.3"), port: 53, .udp)

    private static func rule(_ change: (inout RouteRule) throws -> Void) rethrows -> RouteRule {
        var rule = RouteRule(place: "a", target: .block)
        try change(&rule)
        return rule
    }

    private static func of(_ texts: String...) throws -> RouteRule {
        try self.rule { $0.destinations = try texts.map { try EgressRule($0) } }
    }

    @Test func aRuleWithoutConditionsMatchesEverything() {
        let rule = Self.rule { _ in }
        for destination in [Self.name, Self.address, Self.datagram, .fixed, .meeting("x")] {
            #expect(rule.matches(destination, user: nil) && rule.matches(destination, user: "alice"))
        }
    }

    @Test func namesAndAddressesAreComparedAsTheyWereGiven() throws {
        #expect(try Self.of("*.corp.example").matches(Self.name, user: nil))
        #expect(try Self.of("WWW.corp.example.").matches(Self.name, user: nil))
        #expect(try !Self.of("corp.example", "*.example.net").matches(Self.name, user: nil))
        #expect(try Self.of("10.0.0.0/8").matches(Self.address, user: nil))
        #expect(try Self.of("private:22").matches(Self.address, user: nil))
        #expect(try !Self.of("private:23", "public").matches(Self.address, user: nil))
        // Nothing is resolved.
        #expect(try !Self.of("0.0.0.0/0", "public", "private").matches(Self.name, user: nil))
        #expect(try !Self.of("0.0.0.0/0").matches(.fixed, user: nil))
    }

    @Test func portsNetworksAndUsers() {
        let ports = Self.rule { $0.ports = [1...21, 443...443] }
        #expect(ports.matches(Self.name, user: nil) && !ports.matches(Self.address, user: nil))
        let udp = Self.rule { $0.network = .udp }
        #expect(udp.matches(Self.datagram, user: nil) && !udp.matches(Self.address, user: nil))
        let alice = Self.rule { $0.users = ["alice"] }
        #expect(alice.matches(.fixed, user: "alice"))
        #expect(!alice.matches(.fixed, user: "bob") && !alice.matches(.fixed, user: nil))
    }
}

/// Answers as it is told to, at once or when asked.
private final class ScriptedOutbound: Outbound, @unchecked Sendable {
    // Sendable: used by one thread.
    let name: String
    var home: SocketLoop? { nil }
    var outcome: Result<any Leg, StreamFault>?
    private(set) var asked = 0
    private(set) var cancelled = 0
    private var answer: ((Result<any Leg, StreamFault>) -> Void)?

    init(_ name: String, _ outcome: Result<any Leg, StreamFault>?) {
        self.name = name
        self.outcome = outcome
    }

    func open(
        _ request: StreamRequest, trusted: Bool, on loop: SocketLoop,
        answer: @escaping (Result<any Leg, StreamFault>) -> Void
    ) -> any OpenAttempt {
        self.asked += 1
        if let outcome { answer(outcome) } else { self.answer = answer }
        return Cancel { self.cancelled += 1 }
    }

    func tell(_ result: Result<any Leg, StreamFault>) { self.answer?(result) }
}

private final class Cancel: OpenAttempt {
    private let action: () -> Void
    init(_ action: @escaping () -> Void) { self.action = action }
    func cancel() { self.action() }
}

/// A leg that does nothing.
private final class NoLeg: Leg {
    var events: (any LegEvents)?
    var isWritable: Bool { true }
    private(set) var fault: StreamFault?
    func begin() {}
    func unread(_ bytes: ByteBuffer) {}
    func write(_ bytes: ByteBuffer) {}
    func flush() {}
    func setReading(_ reading: Bool) {}
    func finish() {}
    func end(_ fault: StreamFault?) { self.fault = fault }
}

@Suite struct RouterTests {
    private let loop = SocketLoop.manual()
    private let last = ScriptedOutbound("last", .failure(.refused))
    private let one = ScriptedOutbound("one", .success(NoLeg()))
    private let two = ScriptedOutbound("two", .success(NoLeg()))

    private func router(_ target: RouteRule.Target, for text: String = "*.test") throws -> Router {
        var rule = RouteRule(place: "a", target: target)
        rule.destinations = [try EgressRule(text)]
        return Router([rule], ["one": self.one, "two": self.two, "last": self.last], last: self.last)
    }

    /// The outbound and the fault.
    private func open(_ router: Router, _ host: String = "a.test") -> (StreamRequest, String?, StreamFault?) {
        var request = StreamRequest(.tcp(Host(host), port: 80))
        request.route = RouteRecord()
        var answers: [Result<any Leg, StreamFault>] = []
        _ = router.open(request, trusted: false, on: self.loop) { answers.append($0) }
        #expect(answers.count == 1)
        guard case .failure(let fault) = answers.first else { return (request, request.route?.outbound, nil) }
        return (request, request.route?.outbound, fault)
    }

    @Test func whatNoRuleMatchesTakesTheLastWay() throws {
        let router = try self.router(.outbounds(["one"], .first))
        #expect(self.open(router).1 == "one")
        let (_, way, fault) = self.open(router, "a.example")
        #expect(way == "last" && fault == .refused)
        #expect(router.name == "last")
    }

    @Test func aBlockedStreamIsNotAllowed() throws {
        let (_, way, fault) = self.open(try self.router(.block))
        #expect(way == "block" && fault == .notAllowed)
        #expect(self.last.asked == 0)
    }

    @Test("the others stand by, and one that was down is asked last for a while")
    func standBy() throws {
        let router = try self.router(.outbounds(["one", "two"], .first))
        self.one.outcome = .failure(.sessionLost)
        #expect(self.open(router).1 == "two")
        #expect(self.open(router).1 == "two" && self.one.asked == 1)
        self.two.outcome = .failure(.sessionLost)
        let (_, way, fault) = self.open(router)
        #expect(way == "one" && fault == .sessionLost && self.one.asked == 2)
        self.one.outcome = .success(NoLeg())
        self.two.outcome = .success(NoLeg())
        self.loop.advance(by: .seconds(11))
        #expect(self.open(router).1 == "one")
    }

    @Test("an answer of the destination's is no reason to try another way")
    func refusals() throws {
        let router = try self.router(.outbounds(["one", "two"], .first))
        self.one.outcome = .failure(.refused)
        let (_, way, fault) = self.open(router)
        #expect(way == "one" && fault == .refused && self.two.asked == 0)
    }

    @Test func turnsGoRound() throws {
        let router = try self.router(.outbounds(["one", "two"], .roundRobin))
        #expect((0..<4).map { _ in self.open(router).1 } == ["one", "two", "one", "two"])
    }

    @Test func theOneWithTheFewestStreamsIsAsked() throws {
        let router = try self.router(.outbounds(["one", "two"], .leastStreams))
        let first = self.open(router).0
        #expect(self.open(router).1 == "two")
        #expect(self.open(router).1 == "one")
        #expect(self.open(router).1 == "two")
        router.ended(first)
        router.ended(StreamRequest(.fixed))
        #expect(self.open(router).1 == "one")
    }

    @Test("a stream that could not be had counts for nobody, and one that ends twice counts once")
    func countsWhatIsOpen() throws {
        let router = try self.router(.outbounds(["one", "two"], .leastStreams))
        let first = self.open(router).0
        self.two.outcome = .failure(.refused)
        let refused = self.open(router)
        #expect(refused.1 == "two" && refused.2 == .refused)
        self.one.outcome = .failure(.refused)
        self.two.outcome = .success(NoLeg())
        #expect(self.open(router).1 == "two")
        let (other, way, _) = self.open(router)  // one each
        #expect(way == "one")
        router.ended(other)  // it was refused: the one that is open there stays counted
        router.ended(refused.0)
        self.one.outcome = .success(NoLeg())
        #expect(self.open(router).1 == "one")
        #expect(self.open(router).1 == "two")
        router.ended(first)
        router.ended(first)
        #expect(self.open(router).1 == "one")
    }

    @Test func whatIsCancelledIsCancelledWhereItIs() throws {
        let router = try self.router(.outbounds(["one", "two"], .first))
        self.one.outcome = nil
        var request = StreamRequest(.tcp(Host("a.test"), port: 80))
        request.route = RouteRecord()
        let attempt = router.open(request, trusted: false, on: self.loop) { _ in #expect(Bool(false)) }
        attempt.cancel()
        #expect(self.one.cancelled == 1)
        // Told too late: nobody will use it.
        let leg = NoLeg()
        self.one.tell(.success(leg))
        #expect(leg.fault == .aborted)
        self.one.tell(.failure(.sessionLost))
        #expect(self.two.asked == 0)
    }
}

@Suite struct ResolvingRouteTests {
    private let loop = SocketLoop.manual()

    private func router(_ resolver: ScriptedResolver) throws -> (Router, ScriptedOutbound, ScriptedOutbound) {
        let (near, far) = (ScriptedOutbound("near", .success(NoLeg())), ScriptedOutbound("far", .success(NoLeg())))
        var rule = RouteRule(place: "a", target: .outbounds(["near"], .first))
        rule.destinations = [try EgressRule("10.0.0.0/8")]
        rule.resolves = true
        return (Router([rule], ["near": near, "far": far], last: far, resolver: resolver), near, far)
    }

    @Test("a rule that resolves goes by the addresses of the name", arguments: ["10.1.2.3", "192.0.2.1"])
    func resolves(address: String) throws {
        let resolver = ScriptedResolver(v4: [address], v6: [])
        let (router, near, far) = try self.router(resolver)
        var answers = 0
        _ = router.open(
            StreamRequest(.tcp(Host("name.test"), port: 80)), trusted: false, on: self.loop
        ) { _ in answers += 1 }
        for _ in 0..<5 { self.loop.runOnce() }
        #expect(answers == 1)
        #expect(near.asked == (address.hasPrefix("10.") ? 1 : 0) && far.asked == 1 - near.asked)
    }
}
