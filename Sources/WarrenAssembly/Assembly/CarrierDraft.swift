// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenConfiguration
import WarrenCore
import WarrenKCP
import WarrenRuntime
import WarrenSecureDatagrams

/// A carrier to dial whose keys are good.
struct CarrierDraft: Sendable {
    let scheme: CarrierScheme
    let target: Target
    /// Nil for a scheme without TLS.
    let tls: TLSMaterial?
    /// Around the path that a WebSocket is asked for under.
    var prefix = ""
    var query = ""
    /// How the target is spoken to over UDP; nil for TCP.
    var kcp: KCP.Configuration?
    /// What every datagram is sealed with; only with `kcp`.
    var key: SecureDatagrams.InitiatorKey?

    /// - Parameters:
    ///   - path: what to ask for below the prefix, over a WebSocket.
    ///   - carriesSession: it has frames of a session, whose peer always reads.
    ///   - headers: said besides those of the upgrade.
    ///   - ping: how often that is kept alive.
    ///   - isTrusted: false where a peer named the target, so that the egress policy has its say.
    func dialer(
        _ around: BuildContext, webSocket path: String? = nil, ping: TimeAmount = WebSocketClient.usualPing,
        headers: [(name: String, value: String)] = [], carriesSession: Bool = false,
        isTrusted: Bool = true
    ) -> CarrierDialer {
        var layers: [any DialLayer] = []
        if let tls { layers.append(tls.client) }
        let port: UInt16 = self.scheme.isSecure ? 443 : 80
        let name = self.target.port == port ? "\(self.target.host)" : "\(self.target)"
        if let path {
            var client = WebSocketClient(host: name, path: self.prefix + path + self.query, headers: headers)
            client.keepAlive = ping
            client.carriesSession = carriesSession
            layers.append(client)
        }
        return CarrierDialer(
            dialer: around.dialer, host: self.target.host, port: self.target.port, layers: layers,
            through: around.through, kcp: self.kcp, key: self.key, isTrusted: isTrusted
        )
    }

    /// The same scheme, TLS and path, another host.
    func moved(to target: Target) -> CarrierDraft {
        CarrierDraft(scheme: self.scheme, target: target, tls: self.tls, prefix: self.prefix, query: self.query)
    }
}

extension CarrierDraft: CustomStringConvertible {
    var description: String { "\(self.scheme.rawValue)://\(self.target)\(self.prefix)" }
}

extension Section {
    /// The carriers under a key that is dialled, one or several, with the `tls:` block beside it.
    ///
    /// - Returns: empty after a report.
    func carriersToDial(_ key: String, defaultPort: UInt16, keepsHelloSmall: Bool = false) -> [CarrierDraft] {
        let addresses = self.required(key, .oneOrMore(.carrierToDial(defaultPort: defaultPort))) ?? []
        let settings = self.tls(for: .client)
        let needsTLS = addresses.contains { $0.scheme?.isSecure == true }
        var effective = settings ?? (needsTLS ? self.defaultTLS() : nil)
        effective?.keepsHelloSmall = keepsHelloSmall
        let tls = effective.flatMap { TLSMaterial($0, self.findings) }
        guard (settings != nil || needsTLS) == (tls != nil) else { return [] }
        self.checkServerName(settings, for: addresses.map(\.address.host))
        return addresses.map { address in
            let scheme = address.scheme(hasTLS: settings != nil)
            return CarrierDraft(
                scheme: scheme, target: address.address, tls: scheme.isSecure ? tls : nil, prefix: address.prefix,
                query: address.query
            )
        }
    }

    /// The carrier to the one `server`, with the `tls:` block beside it; nil after a report.
    ///
    /// - Parameters:
    ///   - needsTLS: TLS with all defaults where there is no block.
    ///   - adjust: what the protocol inside wants of TLS.
    func serverToDial(
        defaultPort: UInt16?, needsTLS: Bool = false, tls adjust: (inout TLSSettings) -> Void = { _ in }
    ) -> CarrierDraft? {
        let server = self.required("server", .target(defaultPort: defaultPort))
        var settings = self.tls(for: .client) ?? (needsTLS && !self.contains("tls") ? self.defaultTLS() : nil)
        if var adjusted = settings {
            adjust(&adjusted)
            settings = adjusted
        }
        let tls = settings.flatMap { TLSMaterial($0, self.findings) }
        guard let server, (settings == nil) == (tls == nil) else { return nil }
        self.checkServerName(settings, for: [server.host])
        return CarrierDraft(scheme: tls == nil ? .tcp : .tls, target: server, tls: tls)
    }

    /// An address in a certificate is compared with the one that is dialled, so no other one can be asked for.
    func checkServerName(_ settings: TLSSettings?, for hosts: [Host]) {
        guard let name = settings?.serverName, case .address = Host(name.value) else { return }
        guard hosts.contains(where: { $0 != Host(name.value) }) else { return }
        let hint = "dial that address, or write a name that the certificate holds"
        self.findings.report("serverName is an address, but another host is dialled", at: name.place, hint: hint)
    }

    private func defaultTLS() -> TLSSettings {
        TLSSettings(
            certificate: nil, key: nil, authority: nil, serverName: nil, verifies: true, role: .client,
            place: self.place
        )
    }
}
