// SPDX-License-Identifier: Apache-2.0

public import NIOCore
public import WarrenCore

extension VProxy {
    /// How an end of a tunnel behaves: the client's and the server's alike.
    public struct Configuration: Sendable {
        public var dialect: Dialect
        /// Whether payload is sent compressed; never in the document's dialect.
        public var compression: Compression
        /// What one compressed frame may become, in bytes; more ends the tunnel.
        public var mostInflated: Int
        /// The driver says by `acknowledged(upTo:)` what the carrier's other end has: KCP knows, TCP does not.
        public var acknowledges: Bool
        /// How long a FIN follows the last payload at least, so that a deployed peer does not lose that; with a carrier that
        /// acknowledges, it waits for the acknowledgement instead.
        public var finishDelay: TimeAmount
        /// How long a reader that takes nothing may hold up the session before its stream is ended. Without windows only.
        public var stall: TimeAmount
        /// Client: how long a SYN may go unanswered.
        public var connectTimeout: TimeAmount
        /// How often a silent peer is looked for; nil: every 10 s by a client and every 30 s by a server, as deployed ones do.
        public var keepAlive: TimeAmount?
        /// Whether the other end is told, or may tell, that it is a Warren; in the deployed dialect only.
        public var usesExtension: Bool
        public var limits: SessionLimits

        public init(
            dialect: Dialect = .deployed, compression: Compression = .off, mostInflated: Int = 1 << 20,
            acknowledges: Bool = false, finishDelay: TimeAmount = .milliseconds(50),
            stall: TimeAmount = SessionLimits.stall, connectTimeout: TimeAmount = .seconds(30),
            keepAlive: TimeAmount? = nil, usesExtension: Bool = true,
            limits: SessionLimits = SessionLimits(handshake: .seconds(5))
        ) {
            self.dialect = dialect
            self.compression = compression
            self.mostInflated = mostInflated
            self.acknowledges = acknowledges
            self.finishDelay = finishDelay
            self.stall = stall
            self.connectTimeout = connectTimeout
            self.keepAlive = keepAlive
            self.usesExtension = usesExtension
            self.limits = limits
        }

        /// The extension may be spoken.
        var mayExtend: Bool { self.usesExtension && self.dialect == .deployed }
        var mayCompress: Bool { self.compression == .auto && self.dialect == .deployed }

        /// Windows are never smaller than what may be sent before the first credit.
        var windowLimits: SessionLimits {
            var limits = self.limits
            limits.unreadPerStream = max(limits.unreadPerStream, Extension.early)
            limits.unreadWhenCrowded = max(limits.unreadWhenCrowded, Extension.early)
            return limits
        }
    }
}
