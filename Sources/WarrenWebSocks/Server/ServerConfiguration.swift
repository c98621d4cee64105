// SPDX-License-Identifier: Apache-2.0

public import NIOCore

extension WebSocks {
    /// How a server speaks with agents.
    public struct ServerConfiguration: Sendable {
        public var decoding: Decoding
        public var dialect: Dialect
        public var visitors: Visitors
        /// Takes what comes behind the head and behind the SOCKS5 request in the same read. Deployed servers take it for an
        /// error.
        public var takesEarlyBytes: Bool
        /// How long the target's first bytes wait for the agent's, from the SOCKS5 reply on: a deployed agent fails if it reads
        /// both at once.
        public var hold: TimeAmount
        /// From the start to the upgrade, and again from the frame to the SOCKS5 request.
        public var handshake: TimeAmount
        /// How long an upgraded connection may say nothing at all; agents with a pool send a PONG every 15 s.
        public var pooled: TimeAmount
        /// Requests that are answered on one connection.
        public var requests: Int
        /// In the field `Server`.
        public var product: String
        /// Milliseconds since 1970, for the field `Date`.
        public var wallClock: @Sendable () -> Int64

        public init(
            decoding: Decoding = .lenient, dialect: Dialect = .deployed, visitors: Visitors = .refused,
            takesEarlyBytes: Bool = false, hold: TimeAmount = .milliseconds(50), handshake: TimeAmount = .seconds(10),
            pooled: TimeAmount = .minutes(15), requests: Int = 32, product: String = "vproxy/1.0.0-BETA-12",
            wallClock: @escaping @Sendable () -> Int64
        ) {
            self.decoding = decoding
            self.dialect = dialect
            self.visitors = visitors
            self.takesEarlyBytes = takesEarlyBytes
            self.hold = hold
            self.handshake = handshake
            self.pooled = pooled
            self.requests = requests
            self.product = product
            self.wallClock = wallClock
        }
    }
}
