// SPDX-License-Identifier: Apache-2.0

import Foundation
import Logging
import NIOCore
import ServiceLifecycle
import Testing
import WarrenCore
import WarrenLoop

@testable import WarrenRuntime

/// Writes down what a node does with it.
private final class ScriptedPart: NodeComponent {
    let name: String
    let events: Mailbox<String>
    /// When it has tried once.
    let tried: EventLoopFuture<Void>

    init(name: String, events: Mailbox<String>, tried: EventLoopFuture<Void>) {
        self.name = name
        self.events = events
        self.tried = tried
    }

    func start() -> EventLoopFuture<Void> {
        self.events.put("\(self.name) starts")
        return self.tried
    }
    func retire() { self.events.put("\(self.name) retires") }
    func stop() { self.events.put("\(self.name) stops") }
}

@Suite(.timeLimit(.minutes(1))) struct NodeComponentTests {
    private let loops = Loops(threads: 1)
    private let log = LogRecorder()
    private let events = Mailbox<String>()

    private func node(_ plan: Node.Plan) -> Node {
        let events = self.events
        return Node(plan, loops: self.loops, reporter: self.log.reporter) { bound in
            events.put("ready \(bound.map(\.name))")
        }
    }

    private func part(_ name: String, _ tried: EventLoopFuture<Void>? = nil) -> ScriptedPart {
        ScriptedPart(name: name, events: self.events, tried: tried ?? self.loops.all[0].makeSucceededVoidFuture())
    }

    private static func listener(
        _ name: String, port: UInt16 = 0, host: String = "127.0.0.1",
        install: @escaping @Sendable (any Leg, SocketLoop) -> Void = { leg, _ in leg.discard() }
    ) -> Listener.Plan {
        Listener.Plan(name: name, protocol: "test", host: host, port: port, install: install)
    }

    @Test("all parts begin at the same time, before it is ready; they retire before the first of them stops")
    func tellsItsParts() async throws {
        let late = self.loops.all[0].makePromise(of: Void.self)
        var plan = Node.Plan()
        plan.listeners = [Self.listener("in")]
        plan.parts = [self.part("one"), self.part("two", late.futureResult), self.part("three")]
        let node = self.node(plan)
        let run = Task { try await node.run() }
        #expect(await self.events.next { $0 == "two starts" } != nil)
        // Nobody waits for the second but the word that all is ready.
        #expect(await self.events.next { $0 == "three starts" } != nil)
        try await self.loops.all[0].submit {}.get()
        #expect(self.events.all == ["one starts", "two starts", "three starts"])
        late.succeed()
        #expect(await self.events.next { $0.hasPrefix("ready") } != nil)
        #expect(self.log.lines.map(\.message) == ["listening"])
        run.cancel()
        try await run.value
        #expect(
            self.events.all == [
                "one starts", "two starts", "three starts", "ready [\"in\"]", "one retires", "two retires",
                "three retires", "one stops", "two stops", "three stops",
            ])
        self.loops.stop()
    }

    @Test("a part that cannot start ends the node with its name and the reason, and nothing is left")
    func aPartFailsToStart() async throws {
        let error = IOError(errnoCode: EMFILE, reason: "socketpair")
        var plan = Node.Plan()
        plan.listeners = [Self.listener("in")]
        plan.parts = [
            self.part("one", self.loops.all[0].makeFailedFuture(error)),
            self.part("two", self.loops.all[0].makePromise(of: Void.self).futureResult),
        ]
        let node = self.node(plan)
        let failure = await #expect(throws: StartFailure.self) { try await node.run() }
        #expect(
            failure?.description == "one: cannot start: the system has no descriptors left; "
                + "raise the limit of open files (ulimit -n)")
        #expect(
            self.events.all == [
                "one starts", "two starts", "one retires", "two retires", "one stops", "two stops",
            ])
        self.loops.stop()
    }

    @Test func whatIsToldToStopWhileItStartsStopsAtOnceAndIsNeverReady() async throws {
        var plan = Node.Plan()
        plan.parts = [self.part("one", self.loops.all[0].makePromise(of: Void.self).futureResult)]
        let node = self.node(plan)
        let group = ServiceGroup(configuration: .init(services: [.init(service: node)], logger: Logger(label: "test")))
        let run = Task { try await group.run() }
        #expect(await self.events.next { $0 == "one starts" } != nil)
        await group.triggerGracefulShutdown()
        try await run.value
        #expect(self.events.all == ["one starts", "one retires", "one stops"])
        self.loops.stop()
    }

    @Test func nothingIsOpenedAfterAStop() async throws {
        var plan = Node.Plan()
        plan.parts = [self.part("one")]
        let node = self.node(plan)
        let run = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            try await node.run()
        }
        try await run.value
        #expect(self.events.all == ["one retires", "one stops"])
        self.loops.stop()
    }

    @Test func aPartThatTriesForTooLongDoesNotKeepTheNodeFromBeingReady() async throws {
        var plan = Node.Plan()
        plan.limits.start = .milliseconds(50)
        plan.parts = [self.part("one", self.loops.all[0].makePromise(of: Void.self).futureResult)]
        let node = self.node(plan)
        let run = Task { try await node.run() }
        #expect(await self.events.next { $0.hasPrefix("ready") } != nil)
        run.cancel()
        try await run.value
        self.loops.stop()
    }

    @Test func noPartStartsWhereAPortCannotBeHad() async throws {
        let other = try await TestServer.start()
        var plan = Node.Plan()
        plan.listeners = [Self.listener("in", port: other.port)]
        plan.parts = [self.part("one")]
        let node = self.node(plan)
        await #expect(throws: StartFailure.self) { try await node.run() }
        #expect(self.events.all == [])
        try await other.stop()
        self.loops.stop()
    }

    @Test("a listener's address is told once, with its port, before any connection and before parts start")
    func tellsWhereItListens() async throws {
        let events = self.events
        let told = Mailbox<SocketAddress>()
        var plan = Node.Plan()
        var listener = Self.listener("in") { leg, _ in
            events.put("connection")
            leg.end(nil)
        }
        listener.onBound = { address in
            events.put("bound")
            told.put(address)
        }
        plan.listeners = [listener]
        plan.parts = [self.part("one")]
        let node = self.node(plan)
        let run = Task { try await node.run() }
        let address = try #require(await told.next())
        #expect(address.ipAddress == "127.0.0.1")
        #expect(address.port != 0)
        let peer = try await Peer.connect(to: address)
        _ = try await peer.everything()
        peer.close()
        #expect(await self.events.next { $0.hasPrefix("ready") } != nil)
        run.cancel()
        try await run.value
        #expect(self.events.all.first == "bound")
        #expect(self.events.all.count { $0 == "bound" } == 1)
        #expect(self.events.all.count { $0 == "connection" } == 1)
        let line = self.log.lines.first { $0.message == "listening" }
        #expect(line?.metadata["address"] == address.text)
        self.loops.stop()
    }
}
