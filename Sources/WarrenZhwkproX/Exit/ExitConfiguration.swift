// SPDX-License-Identifier: Apache-2.0

public import NIOCore
public import WarrenCore

extension ZhwkproX {
    /// How an exit behaves.
    public struct ExitConfiguration: Sendable {
        public var key: Key
        public var dialect: Dialect
        /// Whether the size byte of the inter-server's answer must say what follows, and nothing may follow that.
        public var strict: Bool
        /// How long a destination may neither send nor be sent anything before it is closed.
        public var idle: TimeAmount
        /// How long a reader that takes nothing may hold up the session before its stream is ended.
        public var stall: TimeAmount
        /// How long a destination may go on sending without a request: deployed inter-servers cannot say that a user
        /// has left.
        public var sendOnly: TimeAmount
        /// A reply with its head, in bytes; nil for what the path takes in one segment.
        public var pieces: Int?
        /// From one reply of a destination to the next: deployed inter-servers handle each in a task of its own.
        public var gap: TimeAmount
        /// The longest request that is accepted, in bytes of payload.
        public var largestMessage: Int
        /// Whether the challenge tells an inter-server that knows Warren's extension of it; in the deployed dialect only.
        public var usesExtension: Bool
        public var limits: SessionLimits

        public init(
            key: Key = .deployed, dialect: Dialect = .deployed, strict: Bool = false,
            idle: TimeAmount = .seconds(20), stall: TimeAmount = SessionLimits.stall,
            sendOnly: TimeAmount = .minutes(10),
            pieces: Int? = nil, largestMessage: Int = 1 << 20, gap: TimeAmount = ZhwkproX.defaultGap,
            usesExtension: Bool = true, limits: SessionLimits = SessionLimits()
        ) {
            self.key = key
            self.dialect = dialect
            self.strict = strict
            self.idle = idle
            self.stall = stall
            self.sendOnly = sendOnly
            self.pieces = pieces
            self.gap = gap
            self.largestMessage = largestMessage
            self.usesExtension = usesExtension
            self.limits = limits
        }
    }
}
