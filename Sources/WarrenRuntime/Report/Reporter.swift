// SPDX-License-Identifier: Apache-2.0

package import Logging
import Metrics
package import NIOCore
package import WarrenCore

/// Turns what happened into log lines and counters. The only place of the runtime that knows either.
///
/// Levels: `warning` an operator must look, `notice` the first stranger of an address and minute, `info` listeners,
/// sessions and streams, `debug` all other strangers. Labels of metrics
/// are names from the configuration and fault words, never addresses.
package struct Reporter: Sendable {
    private let logger: Logger
    private let streams: (any StreamLog)?
    private let turningAway = Seldom()
    private let shortage = Seldom()
    private let strangers = Strangers()

    /// - Parameter streams: writes the lines of streams, faster than by way of metadata.
    package init(logger: Logger, streams: (any StreamLog)? = nil) {
        self.logger = logger
        self.streams = streams
    }

    /// Keys of log metadata.
    private enum Key {
        static let inbound = "inbound"
        static let `protocol` = "protocol"
        static let peer = "peer"
        static let user = "user"
        static let destination = "destination"
        static let outbound = "outbound"
        static let bytesIn = "bytesIn"
        static let bytesOut = "bytesOut"
        static let duration = "durationMs"
        static let reason = "reason"
        static let rule = "rule"
        static let address = "address"
        static let notShown = "notShown"
        static let retry = "retryMs"
        static let instance = "instance"
        static let lifetime = "lifetimeS"
    }
}

// MARK: - Streams

extension Reporter {
    /// One line per stream, when it ends, or when its destination could not be reached.
    package func streamEnded(_ stream: StreamLabel, _ request: StreamRequest, _ report: BridgeReport, user: String?) {
        stream.counters.count(report)
        guard self.logger.logLevel <= .info else { return }
        if let streams { return streams.streamEnded(stream, request, report, user: user) }
        var metadata: Logger.Metadata = [
            Key.inbound: .string(stream.inbound), Key.protocol: .string(stream.protocol),
            Key.peer: .string(request.source?.text ?? "-"), Key.destination: .string("\(request.destination)"),
            Key.outbound: .string(stream.outbound),
            Key.bytesIn: .stringConvertible(report.bytesIn), Key.bytesOut: .stringConvertible(report.bytesOut),
            Key.duration: .stringConvertible(Int(report.duration.nanoseconds / 1_000_000)),
            Key.reason: .string(report.reason),
        ]
        if let rule = (request.route as? TakenRoute)?.rule { metadata[Key.rule] = .string(rule) }
        if let user { metadata[Key.user] = .string(user) }
        self.logger.info("stream", metadata: metadata)
    }

    /// Says why a destination was not allowed: the stream's own line has room for one word only.
    package func egressRefused(_ refusal: EgressRefusal) {
        self.logger.info("not allowed", metadata: [Key.reason: "\(refusal)"])
    }
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

    /// The key of log metadata.
    var role: String {
        switch self {
        case .inbound: "inbound"
        case .outbound: "outbound"
        }
    }
}

/// Takes the line of a stream as it is. The keys and their order are those of the log.
package protocol StreamLog: Sendable {
    func streamEnded(_ stream: StreamLabel, _ request: StreamRequest, _ report: BridgeReport, user: String?)
}

extension BridgeReport {
    /// The word for logs and counters.
    package var reason: String { self.fault?.rawValue ?? "finished" }
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

// MARK: - Sessions and strangers

extension Reporter {
    package func sessionStarted(inbound: String, protocol: String, peer: SocketAddress?, user: String?) {
        self.count("warren_sessions", inbound, "started")
        self.logger.info(
            "session started",
            metadata: [
                Key.inbound: "\(inbound)", Key.protocol: "\(`protocol`)", Key.peer: "\(peer?.text ?? "-")",
                Key.user: "\(user ?? "-")",
            ]
        )
    }

    /// - Parameters:
    ///   - wasUp: false for a peer that never got through its login: a stranger.
    ///   - isWorthALook: it is of use to know why a stranger was turned away.
    package func sessionEnded(
        inbound: String, protocol: String, peer: SocketAddress?, user: String?, reason: CloseReason, wasUp: Bool,
        isWorthALook: Bool = false
    ) {
        guard wasUp else {
            let who: Logger.Metadata = [
                Key.inbound: "\(inbound)", Key.protocol: "\(`protocol`)", Key.user: "\(user ?? "-")",
                Key.reason: "\(reason)",
            ]
            return self.turnAway("stranger turned away", inbound, peer, who, isWorthALook: isWorthALook)
        }
        self.count("warren_sessions", inbound, "ended")
        self.logger.info(
            "session ended",
            metadata: [
                Key.inbound: "\(inbound)", Key.protocol: "\(`protocol`)", Key.peer: "\(peer?.text ?? "-")",
                Key.user: "\(user ?? "-")", Key.reason: "\(reason)",
            ]
        )
    }

    package func stranger(inbound: String, peer: SocketAddress?, saying what: String, isWorthALook: Bool = true) {
        let who: Logger.Metadata = [Key.inbound: "\(inbound)", Key.reason: "\(what)"]
        self.turnAway("stranger turned away", inbound, peer, who, isWorthALook: isWorthALook)
    }

    /// A wrong password, or a key that is not known.
    ///
    /// - Parameter claim: whom the peer claims to be; it may say anything. Its proof is never shown.
    package func loginDenied(inbound: String, protocol: String, peer: SocketAddress?, claim: Claim) {
        let who: Logger.Metadata = [
            Key.inbound: "\(inbound)", Key.protocol: "\(`protocol`)", Key.user: "\(claim.shownIdentity)",
            Key.reason: "denied: unknown user or wrong password or key",
        ]
        self.turnAway("login denied", inbound, peer, who, isWorthALook: true)
    }

    private func turnAway(
        _ message: Logger.Message, _ inbound: String, _ peer: SocketAddress?, _ who: Logger.Metadata,
        isWorthALook: Bool
    ) {
        self.count("warren_sessions", inbound, "refused")
        let missed = isWorthALook ? self.strangers.news(of: peer) : nil
        var metadata = who
        metadata[Key.peer] = "\(peer?.text ?? "-")"
        if let missed, missed > 0 { metadata[Key.notShown] = .stringConvertible(missed) }
        self.logger.log(level: missed == nil ? .debug : .notice, message, metadata: metadata)
    }

    /// A warning at most once a minute: worth an operator's look, but a flood must not become one of the log too.
    package func turnedAway(inbound: String, peer: SocketAddress?, limit: Int) {
        self.count("warren_sessions", inbound, "limit")
        self.logger.log(
            level: self.turningAway.isNews() ? .warning : .debug,
            "connection turned away",
            metadata: [
                Key.inbound: "\(inbound)", Key.peer: "\(peer?.text ?? "-")", Key.reason: "limits.sessions is \(limit)",
            ]
        )
    }

    /// The process has no descriptors left for more connections. A warning at most once a minute.
    package func outOfDescriptors(limit: Int) {
        self.logger.log(
            level: self.shortage.isNews() ? .warning : .debug,
            "out of descriptors; connections are refused until others end",
            metadata: [
                Key.reason: "the system allows \(limit) (RLIMIT_NOFILE); raise the limit or lower limits.sessions"
            ]
        )
    }

    package func tunnelUp(_ end: TunnelEnd, peer: String) {
        self.count("warren_tunnels", end.name, "up")
        self.logger.info("tunnel up", metadata: [end.role: "\(end.name)", Key.peer: "\(peer)"])
    }

    package func tunnelLost(_ end: TunnelEnd, peer: String, reason: String, pause: TimeAmount, wasUp: Bool) {
        self.count("warren_tunnels", end.name, wasUp ? "down" : "failed")
        self.logger.warning(
            wasUp ? "tunnel down; trying again" : "tunnel not up; trying again",
            metadata: [
                end.role: "\(end.name)", Key.peer: "\(peer)", Key.reason: "\(reason)",
                Key.retry: .stringConvertible(Int(pause.nanoseconds / 1_000_000)),
            ]
        )
    }

    /// An exit that had come to us is gone; it is for the exit to come again.
    package func exitLost(outbound: String, peer: String, reason: String, left: Int) {
        self.count("warren_tunnels", outbound, "down")
        self.logger.log(
            level: left == 0 ? .warning : .info,
            left == 0 ? "tunnel down; no exit is left" : "tunnel down; other exits are left",
            metadata: [Key.outbound: "\(outbound)", Key.peer: "\(peer)", Key.reason: "\(reason)"]
        )
    }

    /// One of several carriers could not be had; the next one is tried, or what comes of it is said elsewhere.
    package func carrierFailed(_ end: TunnelEnd, peer: String, reason: String) {
        self.count("warren_tunnels", end.name, "failed")
        self.logger.notice(
            "carrier not to be had",
            metadata: [end.role: "\(end.name)", Key.peer: "\(peer)", Key.reason: "\(reason)"]
        )
    }

    /// A relay gave us a name under which others reach us.
    package func granted(inbound: String, peer: SocketAddress?, _ grant: Grant) {
        var metadata: Logger.Metadata = [
            Key.inbound: "\(inbound)", Key.peer: "\(peer?.text ?? "-")", Key.destination: "\(grant.destination)",
        ]
        if let instance = grant.instance { metadata[Key.instance] = "\(instance)" }
        if let lifetime = grant.lifetime {
            metadata[Key.lifetime] = .stringConvertible(Int(lifetime.nanoseconds / 1_000_000_000))
        }
        self.logger.info("reachable", metadata: metadata)
    }

    package func listening(inbound: String, protocol: String, address: SocketAddress) {
        self.logger.info(
            "listening",
            metadata: [Key.inbound: "\(inbound)", Key.protocol: "\(`protocol`)", Key.address: "\(address.text)"]
        )
    }

    package func note(_ sentence: String) { self.logger.info("\(sentence)") }
    package func warn(_ sentence: String) { self.logger.warning("\(sentence)") }

    private func count(_ label: String, _ name: String, _ event: String) {
        Counter(label: label, dimensions: [("name", name), ("event", event)]).increment()
    }
}

extension SocketAddress {
    /// `192.0.2.1:80` or `[2001:db8::1]:80`; an IPv4 peer of a listener for both families is shown as what it is.
    package var text: String {
        guard let peer = PeerAddress(self) else { return "\(self)" }
        let address = peer.address
        let isMapped = address.hasPrefix(IPAddress(high: 0, low: 0xFFFF_0000_0000), length: 96)
        let shown = isMapped ? IPAddress(v4: UInt32(truncatingIfNeeded: address.low)) : address
        return Destination.tcp(.address(shown), port: peer.port).description
    }
}
