// SPDX-License-Identifier: Apache-2.0

import Logging
import NIOCore
import Synchronization
import WarrenCore
import WarrenLoop
import WarrenLoopTesting

@testable import WarrenRuntime

/// An inbound that dials servers of the test, which say what its sessions do (``WordMachine``); what it logs and tells.
struct DialledRig: Sendable {
    let inbound: DialledInbound
    let loop: SocketLoop
    let log = LogRecorder()
    /// A mark for each session that was begun, and when.
    let sessions = Mailbox<NIODeadline>()
    let grants = Mailbox<Grant>()
    let ends = Mailbox<Bool>()
    let refusals = Mailbox<String>()
    var messages: [String] { self.log.lines.map(\.message) }
    var warnings: [LogRecorder.Line] { self.log.lines.filter { $0.level >= .warning } }

    /// - Parameters:
    ///   - relays: ports of 127.0.0.1, dialled in this order.
    ///   - target: a port of 127.0.0.1 where all streams go; nil lets the peer choose.
    init(
        relays: [UInt16], target: UInt16? = nil, _ succession: DialledInbound.Succession,
        outbound: (any Outbound)? = nil, endsWhenRefused: Bool = false
    ) {
        let (sessions, grants, ends, refusals) = (self.sessions, self.grants, self.ends, self.refusals)
        let carriers = relays.map { port in SessionCarrier.words(port: port) { sessions.put(.now()) } }
        var plan = DialledInbound.Plan(
            carriers: carriers, target: target.map { .tcp(Host("127.0.0.1"), port: $0) }, succession: succession
        )
        plan.onGrant = { grants.put($0) }
        plan.onDone = { ends.put(true) }
        if endsWhenRefused { plan.onRefused = { refusals.put($0) } }
        let dialer = Dialer(resolver: ScriptedResolver(v4: [], v6: []), policy: .everything)
        let inSessions = InboundSessions(
            name: "in", protocol: "words", outbound: outbound ?? DirectOutbound(name: "direct", dialer: dialer),
            isTrusted: true, isTunnel: true, reporter: self.log.reporter
        )
        self.loop = Pair.loops.next()
        self.inbound = DialledInbound(plan, sessions: inSessions, on: self.loop, reporter: self.log.reporter)
    }

    /// Lets pass what the inbound would take for a session more, and more than that.
    func letPass() async throws {
        try await self.loop.scheduleTask(in: .milliseconds(40)) {}.futureResult.get()
    }
}

extension Peer {
    /// Makes the session at the other end of this carrier a stream that has reached its target.
    func handOver(saying bytes: String = "") async throws {
        try await self.send("ready\nopen\n")
        _ = try await self.received(atLeast: 9)
        try await self.send("over\n" + bytes)
    }
}

/// Fails the streams that come first, and takes the others to a port of 127.0.0.1.
final class FailingOutbound: Outbound {
    let name = "failing"
    let home: SocketLoop? = nil
    private let direct: Dialer
    private let port: UInt16
    private let faults: Mutex<[StreamFault]>

    init(port: UInt16, after faults: [StreamFault]) {
        self.direct = Dialer(resolver: ScriptedResolver(v4: [], v6: []), policy: .everything)
        self.port = port
        self.faults = Mutex(faults.reversed())
    }

    func open(
        _ request: StreamRequest, trusted: Bool, on loop: SocketLoop,
        answer: @escaping (Result<any Leg, StreamFault>) -> Void
    ) -> any OpenAttempt {
        if let fault = self.faults.withLock({ $0.popLast() }) {
            answer(.failure(fault))
            return NoAttempt()
        }
        return self.direct.dial(Host("127.0.0.1"), port: self.port, for: .unknown, on: loop) { result in
            answer(result.map { $0 })
        }
    }
}
