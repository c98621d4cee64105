// SPDX-License-Identifier: Apache-2.0

public import NIOCore

extension SecureDatagrams {
    /// When things happen; both ends should have the same.
    public struct Timing: Hashable, Sendable {
        /// The initiator agrees on new keys at this age.
        public var rekeyAfter: TimeAmount = .seconds(120)
        /// Keys of this age neither seal nor open.
        public var rejectAfter: TimeAmount = .seconds(180)
        /// Old keys still open for so long after new ones are in use.
        public var overlap: TimeAmount = .seconds(30)
        /// The first answer is awaited for so long; then twice as long each time, up to ``longestRetry``.
        public var firstRetry: TimeAmount = .seconds(1)
        public var longestRetry: TimeAmount = .seconds(5)
        /// The same before the session is up. An answer that takes longer comes too late, as there is a new request.
        public var longestFirstRetry: TimeAmount = .seconds(5)
        /// A handshake that has not succeeded by then never will.
        public var handshake: TimeAmount = .seconds(30)
        /// The end that has heard and said nothing for so long says an empty datagram.
        public var keepAlive: TimeAmount = .seconds(10)
        /// The initiator that has spoken and heard nothing for so long asks by a handshake whether the peer is there.
        public var silence: TimeAmount = .seconds(15)
        /// Datagrams under one key before it is replaced, and before it is not used any more. AES-GCM is safe far
        /// beyond: 2^30 datagrams of 1,200 bytes give an attacker an advantage of less than 2^-54.
        public var rekeyAfterDatagrams: UInt64 = 1 << 28
        public var rejectAfterDatagrams: UInt64 = 1 << 30

        public init() {}
    }

    /// What strangers and clients may cost a ``Listener``.
    public struct Limits: Hashable, Sendable {
        /// Sessions, those whose client has not confirmed included.
        public var sessions = 4096
        /// Sessions whose client has not confirmed yet.
        public var pending = 256
        /// Handshakes a second, and at once, from one IPv4 address or one IPv6 /64.
        public var handshakesPerSource = 5
        public var burstPerSource = 20
        /// Handshakes a second from all sources beyond which cookies are asked for.
        public var handshakesBeforeCookies = 100
        /// Cookies are asked for always.
        public var alwaysCookies = false
        /// Rows of the table that counts by source, rounded up to a power of two; 24 bytes each.
        public var sourceTable = 4096

        public init() {}
    }
}
