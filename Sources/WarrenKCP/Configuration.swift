// SPDX-License-Identifier: Apache-2.0

public import NIOCore

extension KCP {
    /// What paces and bounds the sender. None of them changes a byte on the wire.
    public enum Congestion: Hashable, Sendable {
        /// The two windows alone, as deployed with `nc = 1`.
        case window
        /// KCP's own congestion window: slow start, and a collapse at each loss (`nc = 0`).
        case classic
        /// A model of the path, from the rate of delivery and the least round trip, that paces datagrams.
        case paced
    }

    /// Whether what `send` is given is one stream or keeps its bounds.
    public enum Framing: Hashable, Sendable {
        case stream
        /// Each `send` is a message of at most 255 segments.
        case messages
    }

    /// How one end of a conversation behaves.
    ///
    /// Both ends must agree on ``conversation`` and, if they want messages, on ``framing``; all else is each end's own.
    public struct Configuration: Hashable, Sendable {
        /// The number that both ends put into every segment (`conv`).
        public var conversation: UInt32 = 0
        public var framing = Framing.stream
        /// Bytes of the largest datagram that is put out, at least 50.
        public var mtu = 1250
        /// Segments in flight, and segments held for the reader or out of order; 1 to 65535.
        public var sendWindow = 1024
        public var receiveWindow = 1024
        /// What the peer is taken to have room for until it says so: the least that deployed cores have.
        public var firstPeerWindow = 32
        public var congestion = Congestion.window

        /// KCP's `nodelay`: time-outs grow by half of themselves instead of doubling, and the first one has no eighth
        /// on top.
        public var isQuick = true
        /// KCP's `interval`. Nothing ticks here; it is the least by which a time-out exceeds the round trip.
        public var interval = TimeAmount.milliseconds(10)
        /// KCP's `resend`: a segment is repeated once so many sent after it were acknowledged; 0 is never.
        public var skipsUntilResend = 1
        public var leastTimeout = TimeAmount.milliseconds(30)
        public var firstTimeout = TimeAmount.milliseconds(200)

        /// How long the peer's window stays shut before it is asked. Grows by half each time.
        public var firstProbe = TimeAmount.milliseconds(500)
        public var longestProbe = TimeAmount.seconds(10)
        /// A link is dead once a segment was sent so often, and nothing was acknowledged for so long.
        public var deadSends = 20
        public var deadTime = TimeAmount.seconds(20)

        /// How long an acknowledgement may wait for data that leaves with it. Only one of little data that came in order
        /// waits: less than half a segment.
        public var acknowledgementDelay = TimeAmount.zero

        /// Bytes that wait to be sent before ``KCP/Machine/isWritable`` says no.
        public var queued = 256 << 10
        /// Added to the milliseconds of `now` for what the wire calls `ts`: peers only give it back, so a random one
        /// hides how long the system has been up.
        public var clockOffset: UInt32 = 0

        public init() {}

        /// Data bytes of the largest segment.
        public var segment: Int { max(self.mtu, 50) - KCP.overhead }
        /// Bytes of the longest message: 255 segments, and no more than the sender's window.
        public var longestMessage: Int { self.segment * min(255, max(self.sendWindow, 1)) }
    }
}
