// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenRuntime

/// A node with a port forward to a server of the test.
private struct Rig: Sendable {
    let node: Node
    let loops = Loops(threads: 2)
    let log = LogRecorder()
    private let ready: AsyncStream<[BoundListener]>

    init(target: UInt16, idle: TimeAmount = .hours(1), drain: TimeAmount = .seconds(30)) {
        let (ready, tell) = AsyncStream<[BoundListener]>.makeStream()
        let loops = self.loops
        let dialer = Dialer(resolver: ScriptedResolver(v4: [], v6: []), policy: EgressPolicy())
        let sessions = InboundSessions(
            name: "in", protocol: "forward", outbound: DirectOutbound(name: "direct", dialer: dialer), isTrusted: true,
            reporter: self.log.reporter
        )
        var plan = Node.Plan()
        plan.limits.idle = idle
        plan.limits.drain = drain
        plan.listeners = [
            Listener.Plan(name: "in", protocol: "forward", host: "127.0.0.1", port: 0) { leg, loop in
                let front = ForwardMachine(target: .tcp(Host("127.0.0.1"), port: target))
                loops.context(on: loop).start(front, on: leg, owner: sessions)
            }
        ]
        self.ready = ready
        self.node = Node(plan, loops: loops, reporter: self.log.reporter) { tell.yield($0) }
    }

    /// Where it listens, once it does.
    func address() async throws -> SocketAddress {
        for await bound in self.ready {
            if let address = bound.first?.address { return address }
        }
        throw ChannelError.unknownLocalAddress
    }
}

@Suite(.timeLimit(.minutes(1))) struct NodeTests {
    @Test func forwardsAndReportsEachStreamOnce() async throws {
        let server = try await TestServer.start()
        let rig = Rig(target: server.port)
        let run = Task { try await rig.node.run() }
        let client = try await Peer.connect(to: rig.address())
        let far = try await server.next()
        try await client.send("question")
        _ = try await far.received(atLeast: 8)
        try await client.finish()
        #expect(String(buffer: try await far.everything().bytes) == "question")
        try await far.send("answer")
        try await far.finish()
        #expect(String(buffer: try await client.everything().bytes) == "answer")
        let line = await rig.log.next("stream")
        #expect(line?.metadata["bytesIn"] == "8")
        #expect(line?.metadata["bytesOut"] == "6")
        #expect(line?.metadata["reason"] == "finished")
        #expect(line?.metadata["destination"] == "127.0.0.1:\(server.port)")
        run.cancel()
        try await run.value
        #expect(rig.log.lines.count { $0.message == "stream" } == 1)
        try await server.stop()
    }

    @Test func endsIdleStreams() async throws {
        let server = try await TestServer.start()
        let rig = Rig(target: server.port, idle: .seconds(3))
        let run = Task { try await rig.node.run() }
        let client = try await Peer.connect(to: rig.address())
        #expect(try await client.everything().end == .reset)
        #expect(await rig.log.next("stream")?.metadata["reason"] == "idle")
        run.cancel()
        try await run.value
        try await server.stop()
    }

    @Test func aCancelledNodeEndsItsStreamsAndItsListeners() async throws {
        let server = try await TestServer.start()
        let rig = Rig(target: server.port)
        let run = Task { try await rig.node.run() }
        let client = try await Peer.connect(to: rig.address())
        let far = try await server.next()
        try await client.send("x")
        _ = try await far.received(atLeast: 1)
        run.cancel()
        try await run.value
        #expect(try await client.everything().end == .reset)
        #expect(try await far.everything().end == .reset)
        #expect(await rig.log.next("stream")?.metadata["reason"] == "shutting down")
        try await server.stop()
    }

    @Test func aTargetThatRefusesResetsTheConnection() async throws {
        let closed = try #require(ClosedPort())
        defer { withExtendedLifetime(closed) {} }
        let rig = Rig(target: closed.number)
        let run = Task { try await rig.node.run() }
        do {
            let client = try await Peer.connect(to: rig.address())
            let (bytes, end) = try await client.everything()
            #expect(bytes.readableBytes == 0 && end == .reset)
        } catch let error as IOError where error.errnoCode == ECONNRESET {
            // The reset may be there before the client has looked at its connection.
        }
        #expect(await rig.log.next("stream")?.metadata["reason"] == "refused")
        run.cancel()
        try await run.value
    }
}
