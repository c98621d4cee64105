// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenConfiguration
import WarrenCore
import WarrenJProxy
import WarrenLoop
import WarrenRuntime

private let jproxyExposure =
    "who logs in, how much is sent when, and equal blocks of it (the cipher is AES-ECB without authentication)"

extension InboundType {
    /// The server of jProxy.
    static let jproxy = InboundType("jproxy", exposure: jproxyExposure) { entry, limits in
        let section = entry.section
        var server = JProxy.ServerConfiguration()
        server.dialect = section.value("dialect", .oneOf(JProxy.Dialect.self), default: .deployed)
        server.strict = section.value("strict", .bool, default: false)
        server.linger = section.value("linger", .durationOrZero, default: .zero)
        server.stall = section.value("stall", .duration, default: server.stall)
        server.limits = section.sessionLimits(limits)
        server.usesExtension = section.readExtension()
        let folder = section.required("users", .located(.path))
        let users = folder.flatMap {
            JProxyUsers(folder: $0.value, dialect: server.dialect, at: $0.place, section.findings)
        }
        let configuration = server
        var draft = ListeningDraft(section, judge: users ?? JProxyUsers.nobody) { leg, sessions, context in
            context.start(JProxy.ServerMachine(configuration), on: leg, owner: sessions)
        }
        draft?.isTunnel = true
        draft?.sockets = .carrier
        if let users { draft?.watched = [FileWatcher.Watched(paths: [users.folder], reload: users.reload)] }
        return users == nil ? nil : draft.map { .listening($0) }
    }
}

extension OutboundType {
    /// The client of jProxy.
    static let jproxy = OutboundType("jproxy", authority: "server", exposure: jproxyExposure) { entry, limits in
        let section = entry.section
        let dialect = section.value("dialect", .oneOf(JProxy.Dialect.self), default: .deployed)
        let linger = section.value("linger", .durationOrZero, default: .seconds(5))
        let stall = section.value("stall", .duration, default: SessionLimits.stall)
        let usesExtension = section.readExtension()
        let file = section.required("key", .located(.privateFile))
        let key = file.flatMap { JProxyKeys.clientKey(at: $0, dialect, section.findings) }
        let session = section.sessionLimits(limits)
        let configuration = key.map {
            JProxy.ClientConfiguration(
                key: $0, dialect: dialect, linger: linger, stall: stall, usesExtension: usesExtension, limits: session
            )
        }
        let draft = SessionDraft(section, defaultPort: JProxyKeys.defaultPort) { leg, owner, context in
            guard let configuration else { return }
            context.start(JProxy.ClientMachine(configuration), on: leg, owner: owner)
        }
        guard configuration != nil, let draft else { return nil }
        return .session(draft)
    }
}

extension Section {
    /// `budget`, and what the limits of all sessions say.
    func sessionLimits(_ limits: Configuration.Limits) -> SessionLimits {
        var session = SessionLimits(handshake: limits.handshake, streams: limits.streamsPerSession)
        session.budget = self.value("budget", .size, default: session.budget)
        session.unreadPerSession = session.budget / 2
        return session
    }

    /// Windows and half-close between two Warrens; a deployed peer sees nothing of it.
    func readExtension() -> Bool { self.value("extension", .oneOf(["on", "off"]), default: "on") == "on" }
}
