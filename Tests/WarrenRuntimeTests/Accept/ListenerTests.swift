// SPDX-License-Identifier: Apache-2.0

import Logging
import NIOCore
import Testing
import WarrenCore
import WarrenLoop

@testable import WarrenRuntime

/// Hears nothing: for a connection that only greets.
private final class Deaf: LegEvents {
    var needs: LegNeeds { [] }
    func received(_ bytes: ByteBuffer, by leg: any Leg) {}
    func receivedBurst(by leg: any Leg) {}
    func finished(by leg: any Leg) { leg.end(nil) }
    func sent(_ count: Int, by leg: any Leg) {}
    func writabilityChanged(of leg: any Leg) {}
    func ended(_ leg: any Leg, _ fault: StreamFault?) { leg.events = nil }
}

/// Says hello and nothing else.
private func greeting(_ name: String = "front", host: String? = "127.0.0.1", port: UInt16 = 0) -> Listener.Plan {
    Listener.Plan(name: name, protocol: "test", host: host, port: port) { leg, _ in
        leg.events = Deaf()
        leg.begin()
        leg.write(ByteBuffer(string: "hello"))
        leg.flush()
    }
}

@Suite(.timeLimit(.minutes(1))) struct ListenerTests {
    private let loops = Loops(threads: 1)
    private let log = LogRecorder()

    private func bind(_ plan: Listener.Plan, limit: Int = 100) async throws -> Listener {
        try await Listener.bind(
            plan, on: self.loops, gate: ConnectionLimiter(limit: limit, reporter: self.log.reporter))
    }

    /// What is said to a new connection until its end. A reset may come as early as while it is being set up.
    private static func words(from address: SocketAddress) async -> String {
        guard let peer = try? await Peer.connect(to: address) else { return "" }
        defer { peer.close() }
        guard let bytes = try? await peer.everything().bytes else { return "" }
        return String(buffer: bytes)
    }

    @Test func putsItsHandlersOnEveryConnection() async throws {
        let listener = try await self.bind(greeting())
        let bound = listener.bound
        #expect(bound.name == "front")
        #expect(bound.address.port != 0)
        for _ in 0..<3 {
            let peer = try await Peer.connect(to: bound.address)
            #expect(String(buffer: try await peer.received(atLeast: 5)) == "hello")
            peer.close()
        }
        await listener.close()
    }

    @Test("without a host it listens on all addresses")
    func listensOnAll() async throws {
        let listener = try await self.bind(greeting(host: nil))
        let port = try #require(listener.bound.address.port)
        let peer = try await Peer.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: port))
        #expect(String(buffer: try await peer.received(atLeast: 5)) == "hello")
        peer.close()
        await listener.close()
    }

    @Test(
        "a peer is who it is, whatever the socket calls it that listens for both families",
        arguments: ["127.0.0.1", "::1"])
    func tellsPeers(host: String) async throws {
        let plan = Listener.Plan(name: "front", protocol: "test", host: nil, port: 0) { leg, _ in
            leg.events = Deaf()
            leg.begin()
            leg.write(ByteBuffer(string: leg.peer?.ipAddress ?? ""))
            leg.finish()
            leg.flush()
        }
        let listener = try await self.bind(plan)
        let port = try #require(listener.bound.address.port)
        let peer = try await Peer.connect(to: SocketAddress(ipAddress: host, port: port))
        #expect(String(buffer: try await peer.received(atLeast: host.count)) == host)
        peer.close()
        await listener.close()
    }

    @Test func connectionsPastTheLimitAreTurnedAwayUntilOneHasGone() async throws {
        let listener = try await self.bind(greeting(), limit: 2)
        let address = listener.bound.address
        let first = try await Peer.connect(to: address)
        let second = try await Peer.connect(to: address)
        _ = try await first.received(atLeast: 5)
        _ = try await second.received(atLeast: 5)
        #expect(await Self.words(from: address) == "")
        let line = await self.log.next("connection turned away")
        #expect(line?.metadata["reason"] == "limits.sessions is 2")
        #expect(line?.level == .warning)
        #expect(await Self.words(from: address) == "")
        #expect(await self.log.next("connection turned away")?.level == .debug)
        first.reset()
        _ = try await first.everything()
        // The end of the first one is counted before the next connection of the same loop is looked at, or soon after.
        var greeted = false
        let timeout = NIODeadline.now() + .seconds(20)
        while !greeted, NIODeadline.now() < timeout {
            guard let next = try? await Peer.connect(to: address) else { continue }
            greeted = try await next.everythingOrHello()
            next.close()
        }
        #expect(greeted)
        second.close()
        await listener.close()
    }

    @Test("past the limit an inbound says no in the words of its protocol, a few at a time, and the others are reset")
    func saysNo() async throws {
        var plan = greeting()
        plan.refuse = { leg, _ in
            leg.events = Deaf()
            leg.begin()
            leg.write(ByteBuffer(string: "no"))
            leg.flush()
        }
        let gate = ConnectionLimiter(limit: 1, reporter: self.log.reporter)
        let listener = try await Listener.bind(plan, on: self.loops, gate: gate)
        let first = try await Peer.connect(to: listener.bound.address)
        _ = try await first.received(atLeast: 5)
        let refused = try await withThrowingTaskGroup(of: Peer.self) { tasks in
            for _ in 0..<ConnectionLimiter.mostRefused {
                tasks.addTask {
                    let peer = try await Peer.connect(to: listener.bound.address)
                    #expect(String(buffer: try await peer.received(atLeast: 2)) == "no")
                    return peer
                }
            }
            return try await tasks.reduce(into: [Peer]()) { $0.append($1) }
        }
        #expect(await Self.words(from: listener.bound.address) == "")
        #expect(gate.count == 1)
        for peer in refused + [first] { peer.close() }
        await listener.close()
    }

    @Test("a connection that has one of the last descriptors is told no; one that has the very last is reset")
    func keepsDescriptorsBack() async throws {
        for (limit, keeping, words) in [(99_000, 100_000, "no"), (99_000, 1_000_000, "")] {
            let log = LogRecorder()
            var plan = greeting()
            plan.refuse = { leg, _ in
                leg.events = Deaf()
                leg.begin()
                leg.write(ByteBuffer(string: "no"))
                leg.end(nil)
            }
            let descriptors = DescriptorLimit(keeping: keeping) { limit }
            let gate = ConnectionLimiter(limit: 100, descriptors: descriptors, reporter: log.reporter)
            let listener = try await Listener.bind(plan, on: self.loops, gate: gate)
            for level in [Logger.Level.warning, .debug] {
                #expect(await Self.words(from: listener.bound.address) == words)
                let line = await log.next("out of descriptors; Warren refuses connections until others end")
                #expect(line?.level == level)
                #expect(line?.metadata["reason"]?.contains("\(limit)") == true)
            }
            #expect(gate.count == 0)
            await listener.close()
        }
    }

    @Test("what a port that is in use makes of the start, in one sentence with a remedy")
    func portInUse() async throws {
        let other = try await TestServer.start()
        var plan = Node.Plan()
        plan.listeners = [greeting("one"), greeting("two", port: other.port)]
        let node = Node(plan, loops: self.loops, reporter: self.log.reporter) { _ in Issue.record("it was ready") }
        let failure = await #expect(throws: StartFailure.self) { try await node.run() }
        #expect(
            failure?.description
                == "two: cannot listen on 127.0.0.1:\(other.port): the port is in use; "
                + "stop the other program or choose another port"
        )
        try await other.stop()
    }

    @Test func anAddressOfAnotherMachine() async throws {
        var plan = Node.Plan()
        plan.listeners = [greeting("one", host: "192.0.2.1", port: 1)]
        let node = Node(plan, loops: self.loops, reporter: self.log.reporter) { _ in Issue.record("it was ready") }
        let failure = await #expect(throws: StartFailure.self) { try await node.run() }
        #expect(failure?.description.hasPrefix("one: cannot listen on 192.0.2.1:1: this machine has no such") == true)
    }
}

extension Peer {
    /// True as soon as the greeting is there, false if the other side ends without it.
    fileprivate func everythingOrHello() async throws -> Bool {
        (try? await self.received(atLeast: 5)) != nil
    }
}
