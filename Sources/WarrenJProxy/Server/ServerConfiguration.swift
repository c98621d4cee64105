// SPDX-License-Identifier: Apache-2.0

public import NIOCore
public import WarrenCore

extension JProxy {
    /// How a server end behaves.
    public struct ServerConfiguration: Hashable, Sendable {
        public var dialect: Dialect
        /// Close the session on messages that are otherwise ignored: empty, short, unknown, or longer than their packet.
        public var strict: Bool
        /// How long a stream stays open for the client after its target has sent everything. Deployed servers: 0.
        public var linger: TimeAmount
        /// How long a reader that takes nothing may hold up the session before its stream is ended.
        public var stall: TimeAmount
        /// Whether clients that know Warren's extension are offered it; in the deployed dialect only.
        public var usesExtension: Bool
        public var limits: SessionLimits

        public init(
            dialect: Dialect = .deployed, strict: Bool = false, linger: TimeAmount = .zero,
            stall: TimeAmount = SessionLimits.stall, usesExtension: Bool = true,
            limits: SessionLimits = SessionLimits()
        ) {
            self.dialect = dialect
            self.strict = strict
            self.linger = linger
            self.stall = stall
            self.usesExtension = usesExtension
            self.limits = limits
        }
    }
}
