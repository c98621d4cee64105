// SPDX-License-Identifier: Apache-2.0

public import NIOCore
public import WarrenCore

extension JProxy {
    /// How a client end behaves, and who it is.
    public struct ClientConfiguration: Sendable {
        public var key: ClientKey
        public var dialect: Dialect
        /// How long after the user's last byte a stream stays open without data: the protocol has no half-close.
        public var linger: TimeAmount
        /// How long a reader that takes nothing may hold up the session before its stream is ended.
        public var stall: TimeAmount
        /// How long a connect may go unanswered.
        public var connectTimeout: TimeAmount
        /// Whether the server is told that this end knows Warren's extension; in the deployed dialect only.
        public var usesExtension: Bool
        public var limits: SessionLimits
        /// How many of the ids are used, from 0: all, except in tests of what happens when they run out.
        var ids = 1 << 16

        public init(
            key: ClientKey, dialect: Dialect = .deployed, linger: TimeAmount = .seconds(5),
            stall: TimeAmount = SessionLimits.stall,
            connectTimeout: TimeAmount = .seconds(30), usesExtension: Bool = true,
            limits: SessionLimits = SessionLimits()
        ) {
            self.key = key
            self.dialect = dialect
            self.linger = linger
            self.stall = stall
            self.connectTimeout = connectTimeout
            self.usesExtension = usesExtension
            self.limits = limits
        }
    }
}
