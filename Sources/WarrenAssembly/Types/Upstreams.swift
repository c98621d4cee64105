// SPDX-License-Identifier: Apache-2.0

import WarrenConfiguration
import WarrenCore
import WarrenRuntime

// The outbounds without a tunnel of ours: proxies of others.

extension OutboundType {
    private static let upstreamExposure = "the login, destinations and everything that is not encrypted itself"

    /// A SOCKS5 proxy, which is asked with CONNECT.
    static let socks5 = Self.upstream("socks5", port: 1080) { login, limits in
        let handshake = limits.handshake
        return { leg, owner, context in
            context.start(SOCKS5Upstream(login: login, handshake: handshake), on: leg, owner: owner)
        }
    }

    /// An HTTP proxy, which is asked with CONNECT.
    static let http = Self.upstream("http", port: 8080) { login, _ in
        { leg, owner, context in context.start(HTTPUpstream(login: login), on: leg, owner: owner) }
    }

    private typealias Install = @Sendable (any Leg, any SessionOwner, LoopContext) throws -> Void

    private static func upstream(
        _ name: String, port: UInt16,
        _ install: @escaping @Sendable (UpstreamLogin?, Configuration.Limits) -> Install
    ) -> OutboundType {
        OutboundType(name, authority: "server", exposure: Self.upstreamExposure) { entry, limits in
            let section = entry.section
            let carrier = section.serverToDial(defaultPort: port)
            let before = section.findings.count
            let login = section.upstreamLogin()
            guard let carrier, section.findings.count == before else { return nil }
            let start = install(login, limits)
            return .made(
                CustomOutboundDraft(carriers: [carrier]) { around in
                    let carrier = SessionCarrier(carrier.dialer(around)) { leg, owner, loop in
                        try start(leg, owner, around.loops.context(on: loop))
                    }
                    var made = PerStreamOutbound.Route(carriers: [carrier])
                    // That it is the proxy that is not there, and not the destination.
                    made.whenUnreachable = .sessionLost
                    let route = made
                    return PerStreamOutbound(
                        name: around.name, home: around.through?.home, reporter: around.reporter
                    ) { route }
                }
            )
        }
    }
}

extension Section {
    /// `user` and its password; nil without, or after a report.
    func upstreamLogin(isRequired: Bool = false) -> UpstreamLogin? {
        let user = isRequired ? self.required("user", .string) : self.optional("user", .string)
        let password = self.secret("password", isRequired: isRequired || user != nil)
        guard let user else {
            if password != nil, !isRequired { self.missing("user", expected: "the name that the password belongs to") }
            return nil
        }
        guard (1...255).contains(user.utf8.count), !user.contains(":") else {
            let hint = "write the name alone, and passwordFile: FILE beside it"
            self.report("the user needs a name of 1 to 255 bytes without a colon", at: "user", hint: hint)
            return nil
        }
        guard let password else { return nil }
        guard (1...255).contains(password.text.utf8.count) else {
            let place = self.contains("password") ? "password" : "passwordFile"
            self.report("the password needs 1 to 255 bytes", at: place)
            return nil
        }
        return UpstreamLogin(user: user, password: password.text)
    }
}
