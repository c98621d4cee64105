// SPDX-License-Identifier: Apache-2.0

package import NIOCore
import Synchronization
package import WarrenCore
package import WarrenLoop

/// What the sessions of one inbound have in common: their judge, where their streams go, and who hears of it.
package final class InboundSessions: SessionOwner {
    private let from: StreamSource
    package let judge: any Authenticator
    package let unit: UnitTag
    package let target: StreamTarget
    private let accounts: Accounts
    /// The streams' destinations stand in our own configuration.
    private let isTrusted: Bool
    /// Proxy servers end with their one stream, whose line says it all; tunnels are reported on their own.
    package let isTunnel: Bool
    /// Where streams go that name no destination.
    private let fixed: Destination?
    /// There are too many connections: every stream is refused, in the words of its protocol.
    private let isFull: Bool
    private let heirs: Heirs
    private let reporter: Reporter

    package init(
        _ unit: UnitTag, protocol: String, to target: StreamTarget, judge: any Authenticator = NoAuthenticator(),
        isTrusted: Bool = false, isTunnel: Bool = false, fixed: Destination? = nil, accounts: Accounts = Accounts(),
        reporter: Reporter
    ) {
        self.accounts = accounts
        let label = StreamLabel(inbound: unit.name, protocol: `protocol`, outbound: target.outbound.name)
        self.from = StreamSource(label, unit)
        self.unit = unit
        self.target = target
        self.judge = judge
        self.isTrusted = isTrusted
        self.isTunnel = isTunnel
        self.fixed = fixed
        self.isFull = false
        self.heirs = Heirs()
        self.reporter = reporter
    }

    package convenience init(
        name: String, protocol: String, outbound: any Outbound, judge: any Authenticator = NoAuthenticator(),
        isTrusted: Bool = false, isTunnel: Bool = false, reporter: Reporter
    ) {
        self.init(
            UnitTag(role: "inbound", name: name), protocol: `protocol`, to: StreamTarget(outbound), judge: judge,
            isTrusted: isTrusted, isTunnel: isTunnel, reporter: reporter)
    }

    /// The same for a protocol that was told by its first bytes.
    package func speaking(_ name: String) -> InboundSessions {
        InboundSessions(self, label: self.streamLabel.speaking(name), isFull: self.isFull)
    }

    /// The same toward those who come when there are too many already.
    package func refusing() -> InboundSessions { InboundSessions(self, label: self.streamLabel, isFull: true) }

    private init(_ sessions: InboundSessions, label: StreamLabel, isFull: Bool) {
        self.from = StreamSource(label, sessions.unit)
        self.unit = sessions.unit
        self.target = sessions.target
        self.accounts = sessions.accounts
        self.judge = sessions.judge
        self.isTrusted = sessions.isTrusted
        self.isTunnel = sessions.isTunnel
        self.fixed = sessions.fixed
        self.isFull = isFull
        self.heirs = sessions.heirs
        self.reporter = sessions.reporter
    }

    /// Of its own unit, which waits for its streams, as long as that is looked after.
    package var source: StreamSource? {
        self.unit.isOver ? StreamSource(self.streamLabel, self.latest.unit) : self.from
    }
    private var streamLabel: StreamLabel { self.from.label }
    package var name: String { self.unit.name }
    package var label: SessionLabel? { SessionLabel(role: self.unit.role, name: self.unit.name, unit: self.unit) }

    /// The loop on which its streams are best opened; nil for any.
    package var home: SocketLoop? { self.target.outbound.home }

    /// From its end on, those of the same inbound after a reload open the streams of whoever is let in there, too.
    package func leave(to heir: InboundSessions) { self.heirs.heir.withLock { $0 = heir } }

    /// The last of those that came after it, while it or they drain.
    private var latest: InboundSessions {
        self.unit.isOver ? self.heirs.heir.withLock { $0 }?.latest ?? self : self
    }

    /// Who opens a user's streams instead; nil while its unit runs, and for one who is not let in any more.
    private func heir(for user: String?) -> InboundSessions? {
        guard self.unit.isRetired, let heir = self.heirs.heir.withLock({ $0 }) else { return nil }
        return heir.judge.admits(user, letInBy: self.judge) ? heir : nil
    }

    package func home(for request: StreamRequest, from loop: SocketLoop) -> SocketLoop? {
        let sessions = self.heir(for: request.user) ?? self
        return sessions.target.outbound.home(of: request, from: loop)
    }

    package func open(
        _ request: StreamRequest, on loop: SocketLoop, answer: @escaping (Result<any Leg, StreamFault>) -> Void
    ) -> any OpenAttempt {
        if !self.isFull, let heir = self.heir(for: request.user) {
            return heir.open(request, on: loop, answer: answer)
        }
        if let fault = self.refusal(of: request, on: loop) {
            answer(.failure(fault))
            return NoAttempt()
        }
        let outbound: any Outbound =
            switch request.route {
            case let route as FixedRoute: route.target
            case let record as RouteRecord: record.target ?? self.target.outbound
            default: self.target.outbound
            }
        return outbound.open(request, trusted: self.isTrusted, on: loop, answer: answer)
    }

    /// Charges a new stream to its account.
    ///
    /// - Returns: why there may be none.
    func refusal(of request: StreamRequest, on loop: SocketLoop) -> StreamFault? {
        guard !self.isFull, !self.unit.isRetired else { return self.isFull ? .limit : .shutdown }
        guard let meter = (request.route as? TakenRoute)?.meter, !meter.enter(now: loop.now) else { return nil }
        return .limit
    }

    package func routed(_ request: StreamRequest) -> StreamRequest {
        guard request.route == nil else { return request }
        if let heir = self.heir(for: request.user) { return heir.routed(request) }
        var request = request
        if let fixed, request.destination == .fixed { request.destination = fixed }
        let meter = self.accounts.isActive ? StreamMeter(self.accounts.of(request.user, now: .now())) : nil
        request.route = self.target.route(meter)
        return request
    }

    package func streamEnded(_ request: StreamRequest, _ report: BridgeReport, user: String?) {
        if let record = request.route as? RouteRecord {
            record.router?.ended(request)
            record.meter?.leave()
        }
        let outbound = request.route?.outbound
        let label =
            outbound.map { $0 == self.streamLabel.outbound ? self.streamLabel : self.streamLabel.leading(to: $0) }
            ?? self.streamLabel
        self.reporter.emit(.streamEnded(label, request, report, user: user))
    }

    /// Somebody who spoke no protocol of ours.
    package func stranger(_ peer: SocketAddress?, saying what: String) {
        self.reporter.emit(.stranger(inbound: self.unit.name, peer: peer, saying: what))
    }

    package func sessionBegan(_ session: any Session) {}

    package func sessionReady(_ session: any Session) {
        guard self.isTunnel else { return }
        self.reporter.emit(
            .sessionStarted(
                inbound: self.unit.name, protocol: self.streamLabel.protocol, peer: session.peer, user: session.user
            ))
    }

    package func loginDenied(_ session: any Session, _ claim: Claim) {
        self.reporter.emit(
            .loginDenied(
                inbound: self.unit.name, protocol: self.streamLabel.protocol, peer: session.peer, claim: claim
            ))
    }

    package func sessionEnded(_ session: any Session, _ reason: CloseReason) {
        // A proxy server's end is told by the lines of its streams, unless it had none.
        switch reason {
        case .finished, .cutOff: guard self.isTunnel else { return }
        case .denied where session.wasDenied: return  // that was told, with the claim
        case .denied, .rejected, .redirected, .timedOut, .violation, .carrierLost, .shutdown: break
        }
        self.reporter.emit(
            .sessionEnded(
                inbound: self.unit.name, protocol: self.streamLabel.protocol, peer: session.peer, user: session.user,
                reason: reason, wasUp: self.isTunnel && session.isReady,
                // An inbound that asks for a login is asked without one first; a wrong one is told on its own.
                isWorthALook: reason.isWorthALook && (self.isTunnel || reason != .denied)
            ))
    }
}

/// Who comes after the sessions of an inbound; one for all that are made of the same.
private final class Heirs: Sendable {
    let heir = Mutex<InboundSessions?>(nil)
}
