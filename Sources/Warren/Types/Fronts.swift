// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore
import WarrenRuntime

// The inbounds without a tunnel: SOCKS, HTTP proxy, port forward.

extension InboundType {
    private static let frontExposure = "user names, passwords, destinations and everything that is not encrypted itself"

    static let mixed = Self.front("mixed") { front in
        { channel, sessions, residents in
            let candidates = [
                front.candidate(sessions, residents, SOCKS5Front.init),
                front.candidate(sessions, residents, SOCKS4Front.init),
                front.candidate(sessions, residents, HTTPFront.init),
            ]
            let peer = channel.remoteAddress
            let detector = Detector(candidates, patience: front.limits.handshake) { head in
                let what = head.readableBytes == 0 ? "nothing" : "neither SOCKS nor HTTP"
                sessions.stranger(peer, saying: what)
            }
            try channel.pipeline.syncOperations.addHandler(detector)
        }
    }

    static let socks5 = Self.front("socks5") { $0.install(SOCKS5Front.init) }
    static let http = Self.front("http") { $0.install(HTTPFront.init) }

    static let forward = InboundType(
        "forward", path: "target", exposure: "everything that is not encrypted itself"
    ) { entry, _ in
        let target = entry.section.required("target", .target)
        _ = entry.section.value("network", .oneOf(["tcp"]), default: "tcp")
        let destination = target.map { Destination.tcp($0.host, port: $0.port) }
        var draft = InboundDraft(entry.section) { channel, sessions, residents in
            guard let destination else { return }
            let handler = SessionHandler(ForwardFront(target: destination), owner: sessions, residents: residents)
            try channel.pipeline.syncOperations.addHandler(handler)
        }
        draft?.isTrusted = true
        return target == nil ? nil : draft
    }

    /// A front with `users:` and the choice of its machines.
    private static func front(
        _ name: String,
        _ install:
            @escaping @Sendable (FrontConfiguration) ->
            @Sendable (
                any Channel, InboundSessions, Residents
            ) throws -> Void
    ) -> InboundType {
        InboundType(name, exposure: Self.frontExposure) { entry, limits in
            let users = entry.section.users()
            let session = SessionLimits(handshake: limits.handshake, streams: limits.streamsPerSession)
            let front = FrontConfiguration(requiresLogin: users != nil, limits: session)
            let judge: any Authenticator =
                users.map { Passwords($0.map { ($0.name, $0.password.text) }) } ?? NoAuthenticator()
            var draft = InboundDraft(entry.section, judge: judge, install: install(front))
            draft?.isOpenToAll = users == nil
            return draft
        }
    }
}

extension FrontConfiguration {
    /// Puts the handler of one front on a connection.
    fileprivate func install<Front: SessionMachine & SendableMetatype>(
        _ makeFront: @escaping @Sendable (FrontConfiguration) -> Front
    ) -> @Sendable (any Channel, InboundSessions, Residents) throws -> Void {
        { channel, sessions, residents in
            let handler = SessionHandler(makeFront(self), owner: sessions, residents: residents)
            try channel.pipeline.syncOperations.addHandler(handler)
        }
    }

    fileprivate func candidate<Front: SessionMachine & TunnelProtocol>(
        _ sessions: InboundSessions, _ residents: Residents,
        _ makeFront: @escaping @Sendable (FrontConfiguration) -> Front
    ) -> Detector.Candidate {
        Detector.Candidate(detect: Front.detect) { channel in
            try self.install(makeFront)(channel, sessions.speaking(Front.name), residents)
        }
    }
}
