// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenConfiguration
import WarrenCore
import WarrenKCP
import WarrenLoop
import WarrenRuntime
import WarrenSecureDatagrams
import WarrenVProxy

private let vproxyExposure = "everything that is not encrypted itself; and change it, as KCP has no check of its own"

extension InboundType {
    /// The server end of the vproxy tunnel: every stream goes to one target.
    static let vproxy = InboundType("vproxy", path: "target", exposure: vproxyExposure) { entry, limits in
        let section = entry.section
        let before = section.findings.count
        let tunnel = section.vproxyTunnel(for: .server, limits)
        let key = section.listenerKey(for: tunnel.carrier)
        let target = section.required("target", .target)
        let configuration = tunnel.machine
        var draft = ListeningDraft(section) { leg, sessions, context in
            context.start(VProxy.ServerMachine(configuration), on: leg, owner: sessions)
        }
        draft?.isTunnel = true
        draft?.isTrusted = true
        draft?.sockets = .carrier
        draft?.target = target
        draft?.kcp = tunnel.kcp
        draft?.key = key
        guard section.findings.count == before else { return nil }
        return draft.map { .listening($0) }
    }
}

extension OutboundType {
    /// The client end of the vproxy tunnel.
    static let vproxy = OutboundType(
        "vproxy", authority: "server", exposure: vproxyExposure, knowsTarget: true
    ) { entry, limits in
        let section = entry.section
        let before = section.findings.count
        var tunnel = section.vproxyTunnel(for: .client, limits)
        let key = section.initiatorKey(for: tunnel.carrier)
        tunnel.machine.connectTimeout = section.value("connectTimeout", .duration, default: .seconds(30))
        let configuration = tunnel.machine
        var draft = SessionDraft(section, needsTLS: tunnel.carrier == .tls) { leg, owner, context in
            context.start(VProxy.ClientMachine(configuration), on: leg, owner: owner)
        }
        draft?.leadsToOnePlace = true
        draft?.carrier.kcp = tunnel.kcp
        draft?.carrier.key = key
        section.checkNotThrough(entry, tunnel.kcp)
        guard section.findings.count == before else { return nil }
        return draft.map { .session($0) }
    }
}

/// The keys that both ends have.
struct VProxyTunnel {
    let carrier: TunnelCarrier?
    let kcp: KCP.Configuration?
    /// Of the end that dials a tunnel for itself alone.
    var key: SecureDatagrams.InitiatorKey?
    var machine: VProxy.Configuration
}

extension Section {
    func vproxyTunnel(for role: TLSSettings.Role, _ limits: Configuration.Limits) -> VProxyTunnel {
        let carrier = self.tunnelCarrier(for: role, usual: .kcp, mayWrap: false)
        let kcp = self.kcp(for: carrier)
        var machine = VProxy.Configuration()
        machine.dialect = self.value("dialect", .oneOf(VProxy.Dialect.self), default: .deployed)
        machine.compression = self.value("compression", .oneOf(VProxy.Compression.self), default: .off)
        machine.usesExtension = self.readExtension()
        machine.stall = self.value("stall", .duration, default: machine.stall)
        machine.limits = self.sessionLimits(limits)
        machine.limits.handshake = min(limits.handshake, .seconds(5))
        machine.carried(by: kcp)
        return VProxyTunnel(carrier: carrier, kcp: kcp, machine: machine)
    }

    /// The tunnel under WebSocks: as deployed, with what two Warrens have between them.
    func webSocksTunnel(_ carrier: TunnelCarrier?, _ limits: Configuration.Limits) -> VProxyTunnel? {
        let isExtended = self.readExtension()
        guard let kcp = self.kcp(for: carrier) else {
            if self.contains("extension"), carrier != nil {
                self.report("extension is for carrier: kcp", at: "extension", hint: "remove it, or write carrier: kcp")
            }
            return nil
        }
        var machine = VProxy.Configuration()
        machine.usesExtension = isExtended
        machine.limits = SessionLimits(
            handshake: min(limits.handshake, .seconds(5)), streams: limits.streamsPerSession)
        machine.carried(by: kcp)
        return VProxyTunnel(carrier: carrier, kcp: kcp, machine: machine)
    }

    /// Datagrams go through no outbound.
    func checkNotThrough(_ entry: Entry, _ kcp: KCP.Configuration?) {
        guard kcp != nil, let through = entry.through, through.value != Entry.direct else { return }
        self.findings.report(
            "\(quoted(entry.name)) goes over UDP, which no outbound carries", at: through.place,
            hint: "write carrier: tcp or tls, or remove through")
    }
}

extension VProxy.Configuration {
    /// Over KCP it is known what has arrived; and windows begin with what a long path holds, where a loss delays the word of
    /// what a reader has taken.
    fileprivate mutating func carried(by kcp: KCP.Configuration?) {
        guard kcp != nil else { return }
        self.acknowledges = true
        self.limits.unreadPerStream = 1 << 20
        self.limits.unreadPerSession = self.limits.budget
    }
}
