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
        public var limits: SessionLimits

        public init(
            key: ClientKey, dialect: Dialect = .deployed, linger: TimeAmount = .seconds(5),
            stall: TimeAmount = .seconds(5),
            connectTimeout: TimeAmount = .seconds(30), limits: SessionLimits = SessionLimits()
        ) {
            self.key = key
            self.dialect = dialect
            self.linger = linger
            self.stall = stall
            self.connectTimeout = connectTimeout
            self.limits = limits
        }
    }
}
