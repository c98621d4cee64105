// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenConfiguration
import WarrenCore
import WarrenLoop
import WarrenRuntime
import WarrenSecureDatagrams
import WarrenVProxy
import WarrenWebSocks

extension OutboundType {
    /// The agent of WebSocks: one connection for each stream.
    static let websocks = OutboundType("websocks", authority: "server", exposure: websocksExposure) { entry, limits in
        let section = entry.section
        let before = section.findings.count
        let kind = section.tunnelCarrier(for: .client, usual: .tcp, mayWrap: true)
        var carrier = section.serverToDial(defaultPort: nil, needsTLS: kind == .tls, tls: { $0.carriesWebSocks() })
        let login = section.upstreamLogin(isRequired: true)
        let isStrict = section.value("strict", .bool, default: false)
        let pool = section.value("pool", .int(in: 0...64), default: 0)
        let age = section.value("poolAge", .duration, default: .minutes(10))
        let open = section.webSocksTunnel(kind, limits)
        let key = section.initiatorKey(for: kind)
        let tunnel = open?.sealed(with: key)
        // Nothing but the tunnel has it; it is said here that nobody on the path reads.
        carrier?.key = key
        section.checkNotThrough(entry, tunnel?.kcp)
        guard let carrier, let login, section.findings.count == before else { return nil }
        let agent = WebSocksAgent(carrier.target, login, isStrict: isStrict, handshake: limits.handshake)
        return .made(
            CustomOutboundDraft(carriers: [carrier]) { around in
                guard let tunnel else { return agent.outbound(carrier, around, pool: pool, age: age) }
                let session = tunnel.outbound(to: carrier.target, around)
                var inside = around
                inside.through = session
                return TunnelledOutbound(agent.outbound(carrier, inside, pool: pool, age: age), through: session)
            }
        )
    }
}

extension VProxyTunnel {
    fileprivate func sealed(with key: SecureDatagrams.InitiatorKey?) -> VProxyTunnel {
        var tunnel = self
        tunnel.key = key
        return tunnel
    }

    /// The client end of a tunnel that one outbound has for itself.
    fileprivate func outbound(to server: Target, _ around: BuildContext) -> SessionOutbound {
        var draft = CarrierDraft(scheme: .tcp, target: server, tls: nil)
        draft.kcp = self.kcp
        draft.key = self.key
        let (loops, configuration) = (around.loops, self.machine)
        let carrier = SessionCarrier(draft.dialer(around)) { leg, owner, loop in
            loops.context(on: loop).start(VProxy.ClientMachine(configuration), on: leg, owner: owner)
        }
        let first = loops.next()
        return SessionOutbound(
            name: around.name, on: first, loops.all.filter { $0 !== first }, carrier: carrier, leadsToOnePlace: true,
            unit: around.unit, reporter: around.reporter)
    }
}

extension WebSocksAgent {
    /// - Parameter configuration: told what was dialled, where that is the server itself.
    fileprivate func carrier(
        _ draft: CarrierDraft, _ around: BuildContext,
        _ configuration: @escaping @Sendable (SocketAddress?) -> WebSocks.ClientConfiguration
    ) -> SessionCarrier {
        let isDirect = around.through == nil
        return SessionCarrier(draft.dialer(around)) { leg, owner, loop in
            let machine = WebSocks.AgentMachine(configuration(isDirect ? leg.peer : nil))
            around.loops.context(on: loop).start(machine, on: leg, owner: owner)
        }
    }

    /// - Parameters:
    ///   - pool: how many connections wait on each loop.
    ///   - age: for how long.
    fileprivate func outbound(
        _ draft: CarrierDraft, _ around: BuildContext, pool: Int, age: TimeAmount
    ) -> any WarrenRuntime.Outbound {
        let outbound = self.outbound(draft, around)
        guard pool > 0 else { return outbound }
        let first = outbound.home ?? around.loops.next()
        let others = outbound.home == nil ? around.loops.all.filter { $0 !== first } : []
        return PooledOutbound(
            outbound, on: first, others, carrier: self.carrier(draft, around) { _ in self.pooled }, size: pool,
            age: age, reporter: around.reporter)
    }

    private func outbound(_ draft: CarrierDraft, _ around: BuildContext) -> PerStreamOutbound {
        var made = PerStreamOutbound.Route(carriers: [self.carrier(draft, around, self.fresh)])
        // That it is the server that is not there, or does not want us, and not the destination.
        made.whenUnreachable = .sessionLost
        made.whenRejected = .notAllowed
        let route = made
        return PerStreamOutbound(name: around.name, home: around.through?.home, reporter: around.reporter) { route }
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
            isStrict: isStrict, handshake: handshake, opening: handshake, wallClock: WallClock.milliseconds)
    }

    /// For a connection that is used at once.
    ///
    /// - Parameter peer: what was dialled, where that is the server itself.
    @Sendable func fresh(_ peer: SocketAddress?) -> WebSocks.ClientConfiguration {
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
        // The way may be gone meanwhile: a fresh one is soon dialled.
        configuration.opening = min(.seconds(3), configuration.opening)
        return configuration
    }
}
