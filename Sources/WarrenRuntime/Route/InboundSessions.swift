// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import WarrenCore

/// What the sessions of one inbound have in common: their judge, where their streams go, and who hears of it.
package final class InboundSessions: SessionOwner {
    package let label: StreamLabel
    package let judge: any Authenticator
    package let outbound: any Outbound
    /// The outbound, where it chooses one for every stream.
    private let router: Router?
    /// The streams' destinations stand in our own configuration.
    private let isTrusted: Bool
    /// Fronts end with their one stream, whose line says it all; tunnels are reported on their own.
    package let isTunnel: Bool
    private let reporter: Reporter

    package init(
        name: String, protocol: String, outbound: any Outbound, judge: any Authenticator = NoAuthenticator(),
        isTrusted: Bool = false, isTunnel: Bool = false, reporter: Reporter
    ) {
        self.label = StreamLabel(inbound: name, protocol: `protocol`, outbound: outbound.name)
        self.outbound = outbound
        self.router = outbound as? Router
        self.judge = judge
        self.isTrusted = isTrusted
        self.isTunnel = isTunnel
        self.reporter = reporter
    }

    /// The same for a protocol that was told by its first bytes.
    package func speaking(_ name: String) -> InboundSessions {
        InboundSessions(self, label: self.label.speaking(name))
    }

    private init(_ sessions: InboundSessions, label: StreamLabel) {
        self.label = label
        self.outbound = sessions.outbound
        self.router = sessions.router
        self.judge = sessions.judge
        self.isTrusted = sessions.isTrusted
        self.isTunnel = sessions.isTunnel
        self.reporter = sessions.reporter
    }

    package func open(
        _ request: StreamRequest, on loop: SocketLoop, answer: @escaping (Result<any Leg, StreamFault>) -> Void
    ) -> any OpenAttempt {
        self.outbound.open(request, trusted: self.isTrusted, on: loop, answer: answer)
    }

    package func routed(_ request: StreamRequest) -> StreamRequest {
        guard self.router != nil, request.route == nil else { return request }
        var request = request
        request.route = RouteRecord()
        return request
    }

    package func streamEnded(_ request: StreamRequest, _ report: RelayReport, user: String?) {
        self.router?.ended(request)
        let label = request.route?.outbound.map { self.label.leading(to: $0) } ?? self.label
        self.reporter.streamEnded(label, request, report, user: user)
    }

    /// Somebody who spoke no protocol of ours.
    package func stranger(_ peer: SocketAddress?, saying what: String) {
        self.reporter.stranger(inbound: self.label.inbound, peer: peer, saying: what)
    }

    package func sessionBegan(_ session: any Session) {}

    package func sessionReady(_ session: any Session) {
        guard self.isTunnel else { return }
        self.reporter.sessionStarted(
            inbound: self.label.inbound, protocol: self.label.protocol, peer: session.peer, user: session.user
        )
    }

    package func loginDenied(_ session: any Session, _ claim: Claim) {
        self.reporter.loginDenied(
            inbound: self.label.inbound, protocol: self.label.protocol, peer: session.peer, claim: claim
        )
    }

    package func sessionEnded(_ session: any Session, _ reason: CloseReason) {
        // A front's end is told by the lines of its streams, unless it had none.
        switch reason {
        case .finished, .cutOff: guard self.isTunnel else { return }
        case .denied where session.wasDenied: return  // that was told, with the claim
        case .denied, .rejected, .redirected, .timedOut, .violation, .carrierLost, .shutdown: break
        }
        self.reporter.sessionEnded(
            inbound: self.label.inbound, protocol: self.label.protocol, peer: session.peer, user: session.user,
            reason: reason, wasUp: self.isTunnel && session.isReady,
            // A front that asks for a login is asked without one first; a wrong one is told on its own.
            isWorthALook: reason.isWorthALook && (self.isTunnel || reason != .denied)
        )
    }
}
