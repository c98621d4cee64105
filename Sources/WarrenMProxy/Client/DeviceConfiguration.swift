// SPDX-License-Identifier: Apache-2.0

public import NIOCore
public import WarrenCore

extension MProxy {
    /// How a device's end behaves, and what it is known by.
    public struct DeviceConfiguration: Hashable, Sendable {
        /// Said by control message to relays that have them. Relays in Go take one with the upgrade.
        public var tokens: [String]
        /// Nil if the relay's first words are to tell: a hello, or anything else, or none for ``helloWait``.
        public var dialect: Dialect?
        /// A relay in Go says nothing before a visitor comes.
        public var helloWait: TimeAmount
        /// How long a command may go unanswered; deployed devices: 10 s.
        public var commandTimeout: TimeAmount
        /// How long a stream stays open for the visitor after its target has sent everything. Deployed devices: 0.
        public var linger: TimeAmount
        /// How long a reader that takes nothing may hold up the session before its stream is ended.
        public var stall: TimeAmount
        /// The upgrade carried ``Extension/header``: a relay that is a Warren may answer with windows and half-close.
        public var usesExtension: Bool
        public var limits: SessionLimits

        public init(
            tokens: [String] = [], dialect: Dialect? = nil, helloWait: TimeAmount = .seconds(5),
            commandTimeout: TimeAmount = .seconds(10), linger: TimeAmount = .zero,
            stall: TimeAmount = SessionLimits.stall, usesExtension: Bool = false,
            limits: SessionLimits = SessionLimits()
        ) {
            self.tokens = tokens
            self.dialect = dialect
            self.helloWait = helloWait
            self.commandTimeout = commandTimeout
            self.linger = linger
            self.stall = stall
            self.usesExtension = usesExtension
            self.limits = limits
        }
    }
}
