// SPDX-License-Identifier: Apache-2.0

public import NIOCore
public import WarrenCore

extension ZhwkproX {
    /// How an inter-server behaves.
    public struct InterConfiguration: Sendable {
        public var key: Key
        /// A GET with its head, in bytes; nil for what the path takes in one segment. Deployed exits lose their place
        /// when one comes in two.
        public var pieces: Int?
        /// From one GET of a destination to the next: deployed exits handle each in a task of its own.
        public var gap: TimeAmount
        /// What the exit's idle time is. Silence of both directions for that long and 5 s more is the end of a stream.
        public var idle: TimeAmount
        /// How long a stream may wait for its destination while that is in use. Longer than ``idle``, after which the
        /// exit has ended what the last user left behind.
        public var wait: TimeAmount
        /// How long bytes that the exit's end of a stream has overtaken are waited for.
        public var late: TimeAmount
        /// How long a reader that takes nothing may hold up the session before its stream is ended.
        public var stall: TimeAmount
        /// Between two Warrens: how long a connect may go unanswered.
        public var connectTimeout: TimeAmount
        /// The longest reply that is accepted, in bytes of payload.
        public var largestMessage: Int
        /// Whether an exit that knows Warren's extension is told that this end does, too.
        public var usesExtension: Bool
        /// How many streams may wait for one destination, and for all together.
        public var waitersPerDestination: Int
        public var waiters: Int
        public var limits: SessionLimits

        public init(
            key: Key = .deployed, pieces: Int? = nil, idle: TimeAmount = .seconds(20),
            wait: TimeAmount = .seconds(30), late: TimeAmount = .milliseconds(150),
            stall: TimeAmount = SessionLimits.stall,
            connectTimeout: TimeAmount = .seconds(30), largestMessage: Int = 1 << 20,
            gap: TimeAmount = ZhwkproX.defaultGap, usesExtension: Bool = true,
            waitersPerDestination: Int = 64, waiters: Int = 1024, limits: SessionLimits = SessionLimits()
        ) {
            self.key = key
            self.pieces = pieces
            self.gap = gap
            self.idle = idle
            self.wait = wait
            self.late = late
            self.stall = stall
            self.connectTimeout = connectTimeout
            self.largestMessage = largestMessage
            self.usesExtension = usesExtension
            self.waitersPerDestination = waitersPerDestination
            self.waiters = waiters
            self.limits = limits
        }
    }
}
