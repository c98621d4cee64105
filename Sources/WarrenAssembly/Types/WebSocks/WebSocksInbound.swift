// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenConfiguration
import WarrenCore
import WarrenLoop
import WarrenRuntime
import WarrenWebSocks

/// What is inside TLS, as deployed agents and servers have it, and browsers.
let webSocksProtocols = ["http/1.1"]

extension InboundType {
    /// The server of WebSocks: an upgrade, SOCKS5 inside it, and one stream for each connection.
    static let websocks = InboundType("websocks", exposure: websocksExposure) { entry, limits in
        let section = entry.section
        let before = section.findings.count
        let carrier = section.tunnelCarrier(for: .server, usual: .tcp, mayWrap: true)
        let tunnel = section.webSocksTunnel(carrier, limits)
        let key = section.listenerKey(for: carrier)
        var server = WebSocks.ServerConfiguration(wallClock: WallClock.milliseconds)
        server.handshake = limits.handshake
        server.dialect = section.value("dialect", .oneOf(WebSocks.Dialect.self), default: .deployed)
        let isStrict = section.value("strict", .bool, default: false)
        server.decoding = isStrict ? .deployed : .lenient
        server.hold = section.value("hold", .durationOrZero, default: server.hold)
        server.pooled = section.value("idle", .duration, default: server.pooled)
        let users = section.users(isRequired: true)
        let logins = section.value("logins", .oneOf(WebSocksUsers.Logins.self), default: .anywhere)
        let site = section.visitors()
        let passwords = Dictionary((users ?? []).map { ($0.name, $0.password.text) }) { first, _ in first }
        let configuration = server
        let judge = WebSocksUsers(passwords, logins)
        var draft = ListeningDraft(section, judge: judge, tls: { $0.carriesWebSocks() }) { leg, sessions, context in
            var configuration = configuration
            configuration.visitors = site.visitors
            context.start(WebSocks.ServerMachine(configuration), on: leg, owner: sessions)
        }
        draft?.watched = site.watched
        draft?.kcp = tunnel?.kcp
        draft?.key = key
        draft?.tunnel = tunnel?.machine
        guard section.findings.count == before else { return nil }
        return draft.map { .listening($0) }
    }
}

extension Section {
    /// What whoever asks for a page gets: `static` or `redirect`.
    fileprivate func visitors() -> VisitorSite {
        let folder = self.optional("static", .located(.path))
        let place = self.optional("redirect", .webAddress)
        if self.contains("static"), self.contains("redirect") {
            self.report("static and redirect are both given", at: "redirect", hint: "remove one of them")
        }
        if let place { return VisitorSite(.redirect(place)) }
        return folder.map { VisitorSite(folder: $0, self.findings) } ?? VisitorSite(.refused)
    }
}

extension ValueKind where Value == String {
    /// Where a browser is sent.
    fileprivate static var webAddress: Self {
        .scalar("an address such as https://www.example.net/") { text throws(Refusal) in
            let isPlain = text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
            let rest = text.split(separator: "://", maxSplits: 1, omittingEmptySubsequences: false)
            guard isPlain, rest.count == 2, ["http", "https"].contains(rest.first), rest.last?.isEmpty == false
            else { throw Refusal(hint: "write it as a browser shows it") }
            return text
        }
    }
}
