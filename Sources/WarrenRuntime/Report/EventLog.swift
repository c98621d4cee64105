// SPDX-License-Identifier: Apache-2.0

import Logging
import NIOCore
package import WarrenCore

/// Writes a line for what happened.
///
/// Levels: `warning` an operator must look, `notice` the first stranger of an address and minute, `info` listeners,
/// sessions and streams, `debug` all other strangers.
struct EventLog: RuntimeObserver {
    private let logger: Logger
    private let streams: (any StreamLog)?
    private let turningAway = Seldom()
    private let shortage = Seldom()
    private let strangers = Strangers()
    private let refusals = Refusals()

    init(_ logger: Logger, streams: (any StreamLog)?) {
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

    func observe(_ event: RuntimeEvent) {
        switch event {
        case .streamEnded(let stream, let request, let report, let user):
            self.streamEnded(stream, request, report, user: user)
        case .egressRefused(let refusals, let request): self.egressRefused(refusals, request)
        case .listening(let inbound, let `protocol`, let address):
            self.logger.info(
                "listening",
                metadata: [Key.inbound: "\(inbound)", Key.protocol: "\(`protocol`)", Key.address: "\(address.text)"])
        case .sessionStarted(let inbound, let `protocol`, let peer, let user):
            self.logger.info("session started", metadata: Self.session(inbound, `protocol`, peer, user: user))
        case .sessionEnded(let inbound, let `protocol`, let peer, let user, let reason, let wasUp, let isWorthALook):
            var who = Self.session(inbound, `protocol`, peer, user: user)
            who[Key.reason] = "\(reason)"
            guard wasUp else { return self.turnAway("stranger turned away", peer, who, isWorthALook: isWorthALook) }
            self.logger.info("session ended", metadata: who)
        case .stranger(let inbound, let peer, let what, let isWorthALook):
            let who: Logger.Metadata = [Key.inbound: "\(inbound)", Key.reason: "\(what)"]
            self.turnAway("stranger turned away", peer, who, isWorthALook: isWorthALook)
        case .loginDenied(let inbound, let `protocol`, let peer, let claim):
            var who = Self.session(inbound, `protocol`, peer, user: claim.shownIdentity)
            who[Key.reason] = "denied: unknown user or wrong password or key"
            self.turnAway("login denied", peer, who, isWorthALook: true)
        case .turnedAway(let inbound, let peer, let limit): self.turnedAway(inbound, peer, limit)
        case .outOfDescriptors(let limit): self.outOfDescriptors(limit)
        case .tunnelUp(let end, let peer):
            self.logger.info("tunnel up", metadata: [end.role: "\(end.name)", Key.peer: "\(peer)"])
        case .tunnelLost(let end, let peer, let reason, let pause, let wasUp):
            self.tunnelLost(end, peer, reason, pause, wasUp: wasUp)
        case .exitLost(let outbound, let peer, let reason, let left): self.exitLost(outbound, peer, reason, left: left)
        case .deviceLost(let outbound, let peer, let reason):
            let metadata: Logger.Metadata = [Key.outbound: "\(outbound)", Key.peer: "\(peer)", Key.reason: "\(reason)"]
            self.logger.info("tunnel down; its device is gone", metadata: metadata)
        case .carrierFailed(let end, let peer, let reason):
            let metadata: Logger.Metadata = [end.role: "\(end.name)", Key.peer: "\(peer)", Key.reason: "\(reason)"]
            self.logger.notice("carrier failed", metadata: metadata)
        case .granted(let inbound, let peer, let grant): self.granted(inbound, peer, grant)
        case .note(let sentence): self.logger.info("\(sentence)")
        case .warn(let sentence): self.logger.warning("\(sentence)")
        }
    }
}

// MARK: - Streams

/// Takes the line of a stream as it is. The keys and their order are those of the log.
package protocol StreamLog: Sendable {
    /// - Parameter reason: one word, or for what was not allowed also why.
    func streamEnded(
        _ stream: StreamLabel, _ request: StreamRequest, _ report: BridgeReport, user: String?, reason: String)
}

extension EventLog {
    private func streamEnded(_ stream: StreamLabel, _ request: StreamRequest, _ report: BridgeReport, user: String?) {
        guard self.logger.logLevel <= .info else { return }
        let detail = report.fault == .notAllowed ? self.refusals.take(request) : nil
        let reason = detail.map { "\(report.reason): \($0)" } ?? report.reason
        if let streams { return streams.streamEnded(stream, request, report, user: user, reason: reason) }
        var metadata: Logger.Metadata = [
            Key.inbound: .string(stream.inbound), Key.protocol: .string(stream.protocol),
            Key.peer: .string(request.source?.text ?? "-"), Key.destination: .string("\(request.destination)"),
            Key.outbound: .string(stream.outbound),
            Key.bytesIn: .stringConvertible(report.bytesIn), Key.bytesOut: .stringConvertible(report.bytesOut),
            Key.duration: .stringConvertible(report.duration.milliseconds), Key.reason: .string(reason),
        ]
        if let rule = (request.route as? TakenRoute)?.rule { metadata[Key.rule] = .string(rule) }
        if let user { metadata[Key.user] = .string(user) }
        self.logger.info("stream", metadata: metadata)
    }
}

// MARK: - Sessions and strangers

extension EventLog {
    private static func session(
        _ inbound: String, _ protocol: String, _ peer: SocketAddress?, user: String?
    ) -> Logger.Metadata {
        [
            Key.inbound: "\(inbound)", Key.protocol: "\(`protocol`)", Key.peer: "\(peer?.text ?? "-")",
            Key.user: "\(user ?? "-")",
        ]
    }

    private func turnAway(
        _ message: Logger.Message, _ peer: SocketAddress?, _ who: Logger.Metadata, isWorthALook: Bool
    ) {
        let missed = isWorthALook ? self.strangers.news(of: peer) : nil
        var metadata = who
        metadata[Key.peer] = "\(peer?.text ?? "-")"
        if let missed, missed > 0 { metadata[Key.notShown] = .stringConvertible(missed) }
        self.logger.log(level: missed == nil ? .debug : .notice, message, metadata: metadata)
    }

    /// A warning at most once a minute: worth an operator's look, but a flood must not become one of the log too.
    private func turnedAway(_ inbound: String, _ peer: SocketAddress?, _ limit: Int) {
        let metadata: Logger.Metadata = [
            Key.inbound: "\(inbound)", Key.peer: "\(peer?.text ?? "-")", Key.reason: "limits.sessions is \(limit)",
        ]
        let level: Logger.Level = self.turningAway.isNews() ? .warning : .debug
        self.logger.log(level: level, "connection turned away", metadata: metadata)
    }

    /// A warning at most once a minute.
    private func outOfDescriptors(_ limit: Int) {
        let reason = "the system allows \(limit) (RLIMIT_NOFILE); raise the limit or lower limits.sessions"
        self.logger.log(
            level: self.shortage.isNews() ? .warning : .debug,
            "out of descriptors; Warren refuses connections until others end", metadata: [Key.reason: "\(reason)"])
    }

    private func egressRefused(_ refusals: [EgressRefusal], _ request: StreamRequest?) {
        guard self.logger.logLevel <= .info else { return }
        if let request { return self.refusals.keep(refusals, of: request) }
        self.logger.info("carrier not allowed", metadata: [Key.reason: "\(Refusals.sentence(refusals))"])
    }

    private func granted(_ inbound: String, _ peer: SocketAddress?, _ grant: Grant) {
        var metadata: Logger.Metadata = [
            Key.inbound: "\(inbound)", Key.peer: "\(peer?.text ?? "-")", Key.destination: "\(grant.destination)",
        ]
        if let instance = grant.instance { metadata[Key.instance] = "\(instance)" }
        if let lifetime = grant.lifetime { metadata[Key.lifetime] = .stringConvertible(lifetime.milliseconds / 1000) }
        self.logger.info("reachable", metadata: metadata)
    }
}

// MARK: - Tunnels

extension EventLog {
    private func tunnelLost(_ end: TunnelEnd, _ peer: String, _ reason: String, _ pause: TimeAmount, wasUp: Bool) {
        self.logger.warning(
            wasUp ? "tunnel down; trying again" : "tunnel not up; trying again",
            metadata: [
                end.role: "\(end.name)", Key.peer: "\(peer)", Key.reason: "\(reason)",
                Key.retry: .stringConvertible(pause.milliseconds),
            ])
    }

    private func exitLost(_ outbound: String, _ peer: String, _ reason: String, left: Int) {
        self.logger.log(
            level: left == 0 ? .warning : .info,
            left == 0 ? "tunnel down; no exit is left" : "tunnel down; other exits are left",
            metadata: [Key.outbound: "\(outbound)", Key.peer: "\(peer)", Key.reason: "\(reason)"])
    }
}

extension TimeAmount {
    fileprivate var milliseconds: Int { Int(self.nanoseconds / 1_000_000) }
}
