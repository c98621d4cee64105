// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenConfiguration
import WarrenCore
import WarrenLoop
import WarrenRuntime

// The inbounds without a tunnel: SOCKS, HTTP proxy, port forward.

extension InboundType {
    private static let frontExposure = "user names, passwords, destinations and everything that is not encrypted itself"

    static let mixed = Self.front("mixed") { front in
        { leg, sessions, context in
            let candidates = [
                front.candidate(sessions, context, SOCKS5Server.init),
                front.candidate(sessions, context, SOCKS4Server.init),
                front.candidate(sessions, context, HTTPProxyServer.init),
            ]
            let peer = leg.peer
            let detector = Detector(leg, candidates) { head in
                let what = head.readableBytes == 0 ? "nothing" : "neither SOCKS nor HTTP"
                sessions.stranger(peer, saying: what)
            }
            detector.start(timeout: front.limits.handshake, on: context.loop)
        }
    }

    static let socks5 = Self.front("socks5") { $0.install(SOCKS5Server.init) }
    static let http = Self.front("http") { $0.install(HTTPProxyServer.init) }

    static let forward = InboundType(
        "forward", path: "target", exposure: "everything that is not encrypted itself"
    ) { entry, _ in
        let target = entry.section.optional("target", .target)
        _ = entry.section.value("network", .oneOf(["tcp"]), default: "tcp")
        let destination = target.map { Destination.tcp($0.host, port: $0.port) } ?? .fixed
        var draft = ListeningDraft(entry.section) { leg, sessions, context in
            context.start(ForwardMachine(target: destination), on: leg, owner: sessions)
        }
        draft?.isTrusted = true
        draft?.target = target
        draft?.needsTarget = !entry.section.contains("target")
        return draft.map { .listening($0) }
    }

    /// A front with `users:` and the choice of its machines.
    private static func front(
        _ name: String,
        _ install:
            @escaping @Sendable (ProxyServerConfiguration) ->
            @Sendable (any Leg, InboundSessions, LoopContext) throws -> Void
    ) -> InboundType {
        InboundType(name, exposure: Self.frontExposure) { entry, limits in
            let users = entry.section.users()
            let session = SessionLimits(handshake: limits.handshake, streams: limits.streamsPerSession)
            let front = ProxyServerConfiguration(requiresLogin: users != nil, limits: session)
            let judge: any Authenticator =
                users.map { Passwords($0.map { ($0.name, $0.password.text) }) } ?? NoAuthenticator()
            var draft = ListeningDraft(entry.section, judge: judge, install: install(front))
            draft?.isOpenToAll = users == nil
            return draft.map { .listening($0) }
        }
    }
}

extension ProxyServerConfiguration {
    /// Starts one front on a connection.
    fileprivate func install<Front: SessionMachine & SendableMetatype>(
        _ makeFront: @escaping @Sendable (ProxyServerConfiguration) -> Front
    ) -> @Sendable (any Leg, InboundSessions, LoopContext) throws -> Void {
        { leg, sessions, context in context.start(makeFront(self), on: leg, owner: sessions) }
    }

    fileprivate func candidate<Front: SessionMachine & TunnelProtocol>(
        _ sessions: InboundSessions, _ context: LoopContext,
        _ makeFront: @escaping @Sendable (ProxyServerConfiguration) -> Front
    ) -> Detector.Candidate {
        Detector.Candidate(detect: Front.detect) { leg in
            try self.install(makeFront)(leg, sessions.speaking(Front.name), context)
        }
    }
}
