// SPDX-License-Identifier: Apache-2.0

package import NIOCore
import Synchronization
package import WarrenCore
package import WarrenLoop

/// Takes streams through sessions whose carriers the far ends dial: exits that cannot be reached from outside.
///
/// Sessions live on ``home``; a stream of another loop crosses. A stream is never kept waiting for an exit that is not there.
package final class ReverseOutbound: ArrivingOutbound, NodeComponent, @unchecked Sendable {
    // Sendable: the constants are, and all other state is touched on `home` only.

    /// Which exit takes the next stream, when there are several.
    package enum Choice: String, Sendable, CaseIterable {
        /// The one that came last; those before it keep their streams, and are used again when it goes.
        case newest
        /// The one that came first; others are turned away while it is there.
        case first
        /// Each takes its share of the destinations; one destination is always with the same exit.
        case pool
    }

    package struct Plan: Sendable {
        package var choice: Choice
        /// Where exits may come from; nil for everywhere.
        package var allow: [EgressRule]?
        package var resolver: any AddressResolver
        /// Starts a session with this owner on an accepted carrier.
        package var makeSession: @Sendable (any Leg, any SessionOwner, SocketLoop) -> Void

        package init(
            choice: Choice, allow: [EgressRule]?, resolver: any AddressResolver,
            makeSession: @escaping @Sendable (any Leg, any SessionOwner, SocketLoop) -> Void
        ) {
            self.choice = choice
            self.allow = allow
            self.resolver = resolver
            self.makeSession = makeSession
        }
    }

    package let name: String
    package let home: SocketLoop?
    private let plan: Plan
    private let loop: SocketLoop
    private let reporter: Reporter
    /// Those that have logged in, the oldest first.
    private var exits: [any Session] = [] {
        didSet { self.hasExits.store(!self.exits.isEmpty, ordering: .relaxed) }
    }
    /// For those on other loops.
    private let hasExits = Atomic(false)
    private let formers = Forerunners<ReverseOutbound>()
    private var isStopped = false
    private var waitsSince = NIODeadline.now()
    private let unit: UnitTag?

    package init(_ plan: Plan, name: String, home: SocketLoop, unit: UnitTag? = nil, reporter: Reporter) {
        self.unit = unit
        self.plan = plan
        self.name = name
        self.home = home
        self.loop = home
        self.reporter = reporter
    }

    package func follow(_ former: any NodeComponent) {
        if let former = former as? ReverseOutbound { self.formers.add(former, former.formers) }
    }

    package func start() -> EventLoopFuture<Void> { self.loop.makeSucceededVoidFuture() }

    package func tunnels() -> EventLoopFuture<[TunnelStatus]>? {
        self.loop.submit {
            guard !self.exits.isEmpty else {
                let state = self.isStopped ? "stopped" : "waiting"
                return [TunnelStatus(role: "outbound", name: self.name, state: state, since: self.waitsSince)]
            }
            return self.exits.map {
                TunnelStatus(role: "outbound", name: self.name, state: "up", peer: $0.peer?.text, since: $0.started)
            }
        }
    }

    package func retire() {}

    package func stop() {
        self.loop.execute {
            self.isStopped = true
            for exit in self.exits { exit.shutDown(.shutdown) }
        }
    }

    /// Takes a connection that an exit has made.
    package func arrive(_ leg: any Leg, on loop: SocketLoop) {
        self.loop.preconditionInEventLoop()
        if let refusal = self.refusal(of: leg.peer) {
            self.reporter.emit(.stranger(inbound: self.name, peer: leg.peer, saying: refusal))
            return leg.discard()
        }
        self.plan.makeSession(leg, self, self.loop)
    }

    private func refusal(of peer: SocketAddress?) -> String? {
        guard !self.isStopped else { return "shutting down" }
        if case .first = self.plan.choice, !self.exits.isEmpty { return "there is an exit already" }
        guard let allow = self.plan.allow else { return nil }
        guard let peer, let address = IPAddress(peer), let port = peer.port.flatMap({ UInt16(exactly: $0) }) else {
            return "an unknown address"
        }
        let isAllowed = allow.contains { $0.allows(address, port: port, name: nil) }
        return isAllowed ? nil : "an address that allow: does not name"
    }
}

// MARK: - Streams

extension ReverseOutbound {
    package func open(
        _ request: StreamRequest, trusted: Bool, on loop: SocketLoop,
        answer: @escaping (Result<any Leg, StreamFault>) -> Void
    ) -> any OpenAttempt {
        guard loop === self.loop else {
            return Crossing.open(from: loop, to: self.loop, answer: answer) { answer in
                self.open(request, trusted: trusted, on: self.loop, answer: answer)
            }
        }
        if self.exits.isEmpty, !self.isStopped, let former = self.former {
            return former.open(request, trusted: trusted, on: loop, answer: answer)
        }
        switch request.destination {
        case .host(.name(let name), let port, .tcp):
            guard !self.exits.isEmpty else { break }
            let asker = Asker(request, trusted: trusted)
            return NameAttempt(name, self.plan.resolver, for: asker, on: self.loop, answer: answer) { address, answer in
                var request = request
                request.destination = .tcp(.address(address), port: port)
                return self.open(request, trusted: trusted, on: loop, answer: answer)
            }
        case .host(.address, _, .tcp):
            guard let exit = self.exit(for: request.destination) else { break }
            return exit.open(request, answer: answer)
        case .host, .service, .meeting, .fixed:
            answer(.failure(.unsupported))
            return NoAttempt()
        }
        answer(.failure(self.isStopped ? .shutdown : .noExit))
        return NoAttempt()
    }

    /// One whose exits came before a reload, and have not come here yet.
    private var former: ReverseOutbound? {
        self.formers.all.first { $0.hasExits.load(ordering: .relaxed) }
    }

    private func exit(for destination: Destination) -> (any Session)? {
        switch self.plan.choice {
        case .newest: self.exits.last
        case .first: self.exits.first
        case .pool: self.exits.max { self.rank($0, destination) < self.rank($1, destination) }
        }
    }

    /// The highest one has the destination: when an exit comes or goes, no other changes hands.
    private func rank(_ exit: any Session, _ destination: Destination) -> Int {
        var hasher = Hasher()
        hasher.combine(ObjectIdentifier(exit))
        hasher.combine(destination)
        return hasher.finalize()
    }
}

// MARK: - Exits

extension ReverseOutbound: OutboundSessionOwner {
    package var label: SessionLabel? { SessionLabel(role: "outbound", name: self.name, unit: self.unit) }

    package func sessionBegan(_ session: any Session) {}

    package func sessionReady(_ session: any Session) {
        guard self.refusal(of: session.peer) == nil else { return session.shutDown(.finished) }
        self.exits.append(session)
        self.reporter.emit(.tunnelUp(.outbound(self.name), peer: session.peer?.text ?? "-"))
    }

    package func sessionEnded(_ session: any Session, _ reason: CloseReason) {
        guard let index = self.exits.firstIndex(where: { $0 === session }) else {
            return self.reporter.emit(.stranger(inbound: self.name, peer: session.peer, saying: "\(reason)"))
        }
        self.exits.remove(at: index)
        self.waitsSince = .now()
        guard !self.isStopped else { return }
        let peer = session.peer?.text ?? "-"
        self.reporter.emit(.exitLost(outbound: self.name, peer: peer, reason: reason.asLoss, left: self.exits.count))
    }
}
