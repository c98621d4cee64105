// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenConfiguration
import WarrenCore
import WarrenKCP

/// What the frames of a vproxy tunnel, or the connections of WebSocks, go over.
enum TunnelCarrier: String, CaseIterable, Sendable {
    case kcp
    case tcp
    case tls
}

extension Section {
    /// `carrier`, which must agree with the `tls:` block.
    ///
    /// - Parameters:
    ///   - role: who dials needs no certificate, so `tls` alone will do.
    ///   - usual: what it is without the key and without a block; with a block it is `tls`.
    ///   - mayWrap: with `kcp`, TLS is inside each stream of the tunnel.
    /// - Returns: nil after a report.
    func tunnelCarrier(for role: TLSSettings.Role, usual: TunnelCarrier, mayWrap: Bool) -> TunnelCarrier? {
        let carrier = self.optional("carrier", .oneOf(TunnelCarrier.self))
        guard carrier != nil || !self.contains("carrier") else { return nil }
        let hasTLS = self.hasTLSBlock
        switch carrier {
        case nil: return hasTLS ? .tls : usual
        case .tcp where hasTLS, .kcp where hasTLS && !mayWrap:
            let hint = "write carrier: tls, or remove the block"
            self.report("the carrier is \(carrier?.rawValue ?? ""), and there is a tls block", at: "tls", hint: hint)
            return nil
        case .tls where !hasTLS && role == .server:
            self.missing("tls", expected: "a block with cert and key, as the carrier is tls")
            return nil
        case .kcp, .tcp, .tls: return carrier
        }
    }

    private var hasTLSBlock: Bool {
        guard let node = self.node("tls") else { return false }
        if case .scalar(let scalar) = node.content { return scalar.text != "false" }
        return true
    }

    /// How KCP runs, by `profile`, `congestion` and `mtu`; nil for another carrier, where they have no meaning.
    func kcp(for carrier: TunnelCarrier?) -> KCP.Configuration? {
        let profile = self.value("profile", .oneOf(KCP.Configuration.Profile.self), default: .fast4)
        let congestion = self.value("congestion", .oneOf(KCPCongestion.self), default: .paced)
        let mtu = self.value("mtu", .int(in: 100...9000), default: 1250)
        guard carrier == .kcp else {
            for key in ["profile", "congestion", "mtu"] where self.contains(key) && carrier != nil {
                self.report("\(key) is for carrier: kcp", at: key, hint: "remove it, or write carrier: kcp")
            }
            return nil
        }
        var configuration = KCP.Configuration.vproxy(profile)
        configuration.congestion = congestion == .paced ? .paced : .window
        configuration.mtu = mtu
        // Deployed ends have 1024 segments and take no more of ours; a loss holds up what a long path carries meanwhile.
        configuration.sendWindow = 8192
        configuration.receiveWindow = 8192
        configuration.acknowledgementDelay = .milliseconds(5)
        return configuration
    }
}

/// What paces and bounds the sender.
enum KCPCongestion: String, CaseIterable, Sendable {
    case paced
    case window
}
