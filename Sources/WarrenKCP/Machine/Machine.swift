// SPDX-License-Identifier: Apache-2.0

public import NIOCore

extension KCP {
    /// Why a machine has fallen silent for good.
    public enum Failure: Hashable, Sendable {
        /// Nothing was acknowledged for too long.
        case deadLink
        /// The peer began a message that is longer than the window.
        case messageTooLong
    }

    /// One end of a conversation.
    ///
    /// The owner tells it what comes (``input(_:now:)``) and what is to be sent (``send(_:)``), then asks for datagrams
    /// (``poll(now:)``) and data (``receive()``) until there are none, and sets one alarm from ``deadline``. It
    /// acknowledges with the next datagram that is polled, for little data up to ``Configuration/acknowledgementDelay``
    /// later; an owner who reads all that has come before it polls saves most of these.
    ///
    /// Nothing a peer sends throws or traps: what makes no sense is dropped and counted. What the peer can make the
    /// machine keep is bounded by ``Configuration/receiveWindow`` segments and as many acknowledgements.
    ///
    /// Time is a `NIODeadline` that never goes back. On the wire it is milliseconds, low 32 bits, plus
    /// ``Configuration/clockOffset``.
    ///
    /// - Source: KCP protocol. Differs: sent at once instead of by an interval; repeats need proof (see
    ///   ``Configuration/skipsUntilResend``).
    public struct Machine {
        public let configuration: Configuration
        public internal(set) var counters = Counters()
        /// Once set, nothing comes out any more.
        public internal(set) var failure: Failure?
        /// The peer has answered as if it did not know what it had acknowledged before: it was started anew, and this
        /// conversation leads nowhere.
        public internal(set) var peerHasForgotten = false

        var queue: SendQueue
        var window: SendWindow
        var peer: PeerWindow
        var received: ReceiveWindow
        var acknowledgements: Acknowledgements
        var roundTripEstimate: RoundTrip
        var congestion: CongestionControl
        var losses: Losses
        var pathLoss: PathLoss
        var copies = Copies()
        let copyLimits: CopyLimits
        /// The window is to be asked for, to be told.
        var mustAsk = false
        var mustTell = false
        /// The end of our window as the peer was told last.
        var toldEdge: UInt32
        /// The latest time it was told, in nanoseconds.
        var time: Int64

        public init(_ configuration: Configuration, now: NIODeadline) {
            self.init(configuration, now: now, firstNumber: 0)
        }

        /// - Parameter firstNumber: of both ends' segments, 0 for every peer there is.
        init(_ configuration: Configuration, now: NIODeadline, firstNumber: UInt32) {
            let receiveWindow = min(max(configuration.receiveWindow, 1), 65535)
            self.configuration = configuration
            self.time = Int64(clamping: now.uptimeNanoseconds)
            self.queue = SendQueue(configuration.framing)
            self.window = SendWindow(first: firstNumber)
            self.peer = PeerWindow(first: firstNumber, configuration)
            self.received = ReceiveWindow(first: firstNumber, limit: receiveWindow, framing: configuration.framing)
            self.acknowledgements = Acknowledgements(
                limit: max(receiveWindow, 64),
                patience: Acknowledgements.Patience(
                    delay: configuration.acknowledgementDelay.nanoseconds, most: configuration.segment / 2))
            self.roundTripEstimate = RoundTrip(configuration)
            self.congestion = CongestionControl(configuration, now: self.time)
            self.losses = Losses(now: self.time)
            self.pathLoss = PathLoss(isSteady: configuration.congestion == .paced)
            self.copyLimits = CopyLimits(configuration.congestion)
            self.toldEdge = firstNumber &+ UInt32(clamping: receiveWindow)
        }

        /// Queues data; in messages framing one message.
        ///
        /// It takes all it is given: ask ``isWritable`` before. Data of one buffer is not copied until it is put out.
        ///
        /// - Returns: false, and nothing is queued, for a message longer than ``Configuration/longestMessage``.
        @discardableResult public mutating func send(_ bytes: ByteBuffer) -> Bool {
            guard self.failure == nil else { return true }
            if self.configuration.framing == .messages, bytes.readableBytes > self.configuration.longestMessage {
                return false
            }
            self.queue.append(bytes)
            return true
        }

        /// The next data from the peer, in order: some bytes of the stream, or one whole message. Nil if there is none.
        ///
        /// Data is a slice of its datagram, as far as that does not keep too much memory.
        public mutating func receive() -> ByteBuffer? {
            guard let bytes = self.received.take() else { return nil }
            self.considerTelling()
            return bytes
        }

        /// Has room for so many segments from now on, if that is more than before; at most 65535. The peer is told.
        public mutating func widen(to receiveWindow: Int) {
            guard min(receiveWindow, 65535) > self.received.limit else { return }
            self.received.widen(to: min(receiveWindow, 65535))
            self.acknowledgements.limit = max(self.received.limit, 64)
            self.mustTell = true
        }

        /// Acknowledges at once from now on, as no more data will come that could leave with it.
        public mutating func hurry() { self.acknowledgements.hurry() }

        /// Notes the time.
        mutating func turn(_ now: NIODeadline) { self.time = max(self.time, Int64(clamping: now.uptimeNanoseconds)) }

        /// The time as the wire has it.
        var stamp: UInt32 {
            UInt32(truncatingIfNeeded: self.time / 1_000_000) &+ self.configuration.clockOffset
        }

        /// The peer is told of room that it does not know of, if it knows of none or of much less.
        private mutating func considerTelling() {
            let room = self.received.room
            let known = Int(Int32(bitPattern: self.toldEdge &- self.received.next))
            if known <= 0 || 2 * (room - known) >= self.received.limit {
                self.mustTell = true
            }
        }

        mutating func fail(_ failure: Failure) {
            self.failure = failure
            self.queue.removeAll()
        }
    }
}
