// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenConfiguration
import WarrenCore
import WarrenLoop
import WarrenRuntime

// The inbounds without a tunnel: SOCKS, HTTP proxy, port forward.

extension InboundType {
    private static let proxyExposure = "user names, passwords, destinations and everything that is not encrypted itself"

    static let mixed = Self.proxy("mixed", speaks: [.socks5, .http]) { proxy in
        { leg, sessions, context in
            let candidates = [
                proxy.candidate(sessions, context, SOCKS5Server.init),
                proxy.candidate(sessions, context, SOCKS4Server.init),
                proxy.candidate(sessions, context, HTTPProxyServer.init),
            ]
            let peer = leg.peer
            let detector = Detector(leg, candidates) { head in
                let what = head.readableBytes == 0 ? "nothing" : "neither SOCKS nor HTTP"
                sessions.stranger(peer, saying: what)
            }
            detector.start(timeout: proxy.limits.handshake, on: context.loop)
        }
    }

    static let socks5 = Self.proxy("socks5", speaks: [.socks5]) { $0.install(SOCKS5Server.init) }
    static let http = Self.proxy("http", speaks: [.http]) { $0.install(HTTPProxyServer.init) }

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

    /// An inbound with `users:` and the choice of its machines.
    private static func proxy(
        _ name: String, speaks speech: [PACBlock.Speech],
        _ install:
            @escaping @Sendable (ProxyServerConfiguration) ->
            @Sendable (any Leg, InboundSessions, LoopContext) throws -> Void
    ) -> InboundType {
        InboundType(name, exposure: Self.proxyExposure) { entry, limits in
            let users = entry.section.users()
            let session = SessionLimits(handshake: limits.handshake, streams: limits.streamsPerSession)
            let proxy = ProxyServerConfiguration(requiresLogin: users != nil, limits: session)
            let judge: any Authenticator =
                users.map { Passwords($0.map { ($0.name, $0.password.text) }) } ?? NoAuthenticator()
            var draft = ListeningDraft(entry.section, judge: judge, install: install(proxy))
            draft?.isOpenToAll = users == nil
            let usable = PACBlock.usable(speech, hasLogin: users != nil, isSealed: draft?.tls != nil)
            let pac = entry.section.pac(for: usable, at: draft?.listen)
            draft?.pac = pac
            return draft.map { .listening($0) }
        }
    }
}

extension ProxyServerConfiguration {
    /// Starts one machine on a connection.
    fileprivate func install<Server: SessionMachine & SendableMetatype>(
        _ makeServer: @escaping @Sendable (ProxyServerConfiguration) -> Server
    ) -> @Sendable (any Leg, InboundSessions, LoopContext) throws -> Void {
        { leg, sessions, context in context.start(makeServer(self), on: leg, owner: sessions) }
    }

    fileprivate func candidate<Server: SessionMachine & TunnelProtocol>(
        _ sessions: InboundSessions, _ context: LoopContext,
        _ makeServer: @escaping @Sendable (ProxyServerConfiguration) -> Server
    ) -> Detector.Candidate {
        Detector.Candidate(detect: Server.detect) { leg in
            try self.install(makeServer)(leg, sessions.speaking(Server.name), context)
        }
    }
}
