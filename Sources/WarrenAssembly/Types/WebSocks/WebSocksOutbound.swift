// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenConfiguration
import WarrenCore
import WarrenLoop
import WarrenRuntime
import WarrenWebSocks

extension OutboundType {
    /// The agent of WebSocks: one connection for each stream.
    static let websocks = OutboundType("websocks", authority: "server", exposure: websocksExposure) { entry, limits in
        let section = entry.section
        let before = section.findings.count
        let kind = section.websocksCarrier(for: .client)
        let carrier = section.serverToDial(defaultPort: nil, needsTLS: kind == .tls)
        let login = section.upstreamLogin(isRequired: true)
        let isStrict = section.value("strict", .bool, default: false)
        guard let carrier, let login, section.findings.count == before else { return nil }
        let agent = WebSocksAgent(carrier.target, login, isStrict: isStrict, handshake: limits.handshake)
        return .made(
            CustomOutboundDraft(carriers: [carrier]) { around in
                let isDirect = around.through == nil
                let carrier = SessionCarrier(carrier.dialer(around)) { leg, owner, loop in
                    let machine = WebSocks.AgentMachine(agent.configuration(isDirect ? leg.peer : nil))
                    around.loops.context(on: loop).start(machine, on: leg, owner: owner)
                }
                var made = PerStreamOutbound.Route(carriers: [carrier])
                // That it is the server that is not there, or does not want us, and not the destination.
                made.whenUnreachable = .sessionLost
                made.whenRejected = .notAllowed
                let route = made
                return PerStreamOutbound(name: around.name, home: around.through?.home, reporter: around.reporter) {
                    route
                }
            }
        )
    }
}

/// What agents of one server have in common.
struct WebSocksAgent: Sendable {
    private let server: Target
    private let common: WebSocks.ClientConfiguration

    init(_ server: Target, _ login: UpstreamLogin, isStrict: Bool, handshake: TimeAmount) {
        self.server = server
        self.common = WebSocks.ClientConfiguration(
            host: "null", user: login.user, secret: WebSocks.Digest.secret(password: login.password),
            isStrict: isStrict, handshake: handshake, wallClock: WallClock.milliseconds)
    }

    /// For a connection that is used at once.
    ///
    /// - Parameter peer: what was dialled, where that is the server itself.
    func configuration(_ peer: SocketAddress?) -> WebSocks.ClientConfiguration {
        var configuration = self.common
        let dialled = peer.flatMap { IPAddress($0) }
        switch (dialled, self.server.host) {
        case (let address?, _), (nil, .address(let address)):
            configuration.host = WebSocks.ClientConfiguration.freshHost(address, port: self.server.port)
        case (nil, .name): configuration.host = "\(self.server)"
        }
        return configuration
    }

    /// For one that waits in a pool.
    var pooled: WebSocks.ClientConfiguration {
        var configuration = self.common
        configuration.host = WebSocks.ClientConfiguration.pooledHost(self.server.host)
        return configuration
    }
}
