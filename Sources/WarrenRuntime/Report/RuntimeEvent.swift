// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import WarrenCore
import WarrenLoop

/// What happened, for whoever keeps a log, counts, or tells people. There is nothing else that the runtime says.
///
/// Names are those of the configuration, addresses those of peers; what a peer claims of itself may say anything.
package enum RuntimeEvent: Sendable {
    /// A stream is over, or its destination could not be reached.
    case streamEnded(StreamLabel, StreamRequest, BridgeReport, user: String?)
    /// Why a destination was not allowed: the stream's own event, which comes next, has room for one word only. Without a
    /// request it was the address of a carrier that a peer had named.
    case egressRefused([EgressRefusal], StreamRequest?)

    case listening(inbound: String, protocol: String, address: SocketAddress)
    case sessionStarted(inbound: String, protocol: String, peer: SocketAddress?, user: String?)
    /// - Parameters:
    ///   - wasUp: false for a peer that never got through its login: a stranger.
    ///   - isWorthALook: it is of use to know why a stranger was turned away.
    case sessionEnded(
        inbound: String, protocol: String, peer: SocketAddress?, user: String?, reason: CloseReason, wasUp: Bool,
        isWorthALook: Bool = false)
    /// Somebody who spoke no protocol of ours, or spoke it badly.
    case stranger(inbound: String, peer: SocketAddress?, saying: String, isWorthALook: Bool = true)
    /// A wrong password, or a key that is not known; the proof of the claim is never shown.
    case loginDenied(inbound: String, protocol: String, peer: SocketAddress?, claim: Claim)
    /// A connection past `limits.sessions`.
    case turnedAway(inbound: String, peer: SocketAddress?, limit: Int)
    /// The process has no descriptors left for more connections.
    case outOfDescriptors(limit: Int)

    case tunnelUp(TunnelEnd, peer: String)
    /// - Parameter wasUp: false for one that could not be had.
    case tunnelLost(TunnelEnd, peer: String, reason: String, pause: TimeAmount, wasUp: Bool)
    /// An exit that had come to us is gone; it is for the exit to come again.
    case exitLost(outbound: String, peer: String, reason: String, left: Int)
    /// A device that served names is gone; it is for the device to come again.
    case deviceLost(outbound: String, peer: String, reason: String)
    /// One of several carriers could not be had; the next one is tried, or what comes of it is said elsewhere.
    case carrierFailed(TunnelEnd, peer: String, reason: String)
    /// A relay gave us a name under which others reach us.
    case granted(inbound: String, peer: SocketAddress?, Grant)

    /// A sentence of what has no event of its own.
    case note(String)
    /// The same where an operator must look.
    case warn(String)
}

/// Hears what happens, on whatever thread it happens, and does not keep it waiting.
package protocol RuntimeObserver: Sendable {
    func observe(_ event: RuntimeEvent)
}

/// Whose carrier it is that we dial.
package enum TunnelEnd: Sendable {
    case inbound(String)
    case outbound(String)

    var name: String {
        switch self {
        case .inbound(let name), .outbound(let name): name
        }
    }

    /// Streams are asked of it, so that it knows when it is missed.
    var isAsked: Bool {
        switch self {
        case .inbound: false
        case .outbound: true
        }
    }

    /// The word for it in logs and in the configuration.
    var role: String {
        switch self {
        case .inbound: "inbound"
        case .outbound: "outbound"
        }
    }
}

/// Where a stream comes from and goes to, in words of the configuration.
package struct StreamLabel: Sendable {
    package let inbound: String
    /// The one that was spoken, where an inbound takes several.
    package let `protocol`: String
    package let outbound: String
    let counters: StreamCounters

    package init(inbound: String, protocol: String, outbound: String) {
        self.inbound = inbound
        self.protocol = `protocol`
        self.outbound = outbound
        self.counters = StreamCounters(inbound: inbound)
    }

    private init(_ label: StreamLabel, protocol: String, outbound: String) {
        self.inbound = label.inbound
        self.protocol = `protocol`
        self.outbound = outbound
        self.counters = label.counters
    }

    /// The same for a protocol that was told by its first bytes.
    func speaking(_ name: String) -> StreamLabel { StreamLabel(self, protocol: name, outbound: self.outbound) }

    /// The same for a stream that took another way.
    func leading(to name: String) -> StreamLabel { StreamLabel(self, protocol: self.protocol, outbound: name) }
}

extension BridgeReport {
    /// The word for logs and counters.
    package var reason: String { self.fault?.rawValue ?? "finished" }
}

extension SocketAddress {
    /// `192.0.2.1:80` or `[2001:db8::1]:80`.
    package var text: String {
        guard let peer = PeerAddress(self) else { return "\(self)" }
        return Destination.tcp(.address(peer.address), port: peer.port).description
    }
}
