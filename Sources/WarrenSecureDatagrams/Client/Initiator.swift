// SPDX-License-Identifier: Apache-2.0

public import NIOCore

extension SecureDatagrams {
    /// The end that dials: one session with one server.
    ///
    /// ```
    /// handshaking ──response──> up ──age, use or silence──> rekeying ──response──> up
    ///      │ no answer in time                                  │ no answer in time, forgotten
    ///      └──────────────────────────> dead <──────────────────┘
    /// ```
    ///
    /// The owner gives it what comes from the server (``input(_:now:)``), asks for events (``nextEvent()``) and for
    /// datagrams (``poll(now:)``) until there are none, and sets one alarm from ``deadline``. Nothing a peer sends
    /// throws or traps; what does not authenticate changes nothing but ``counters``. Time is a `NIODeadline` that
    /// never goes back.
    public struct Initiator {
        public enum State: Hashable, Sendable {
            case handshaking
            case up
            /// Up, and agreeing on new keys.
            case rekeying
            case dead(Failure)
        }

        public enum Event: Hashable, Sendable {
            /// Payload may be sealed from now on.
            case up
            case payload(ByteBuffer)
            /// The session is over; the last event.
            case failed(Failure)
        }

        public private(set) var state = State.handshaking
        public internal(set) var counters = Counters()
        public let timing: Timing

        var suite: Suite
        var random: Random
        var session: Session
        var handshake: Handshake?
        /// Grows with each request.
        var attempt: UInt64 = 0
        var cookie: (bytes: [UInt8], until: NIODeadline)?
        var confirm: Confirmation?
        private var events = CircularBuffer<Event>()
        var datagrams = CircularBuffer<ByteBuffer>()

        /// - Parameter random: draws keys; anything but the system's is for tests.
        public init(
            key: InitiatorKey, timing: Timing = Timing(),
            random: any RandomNumberGenerator & Sendable = SystemRandomNumberGenerator(), now: NIODeadline
        ) {
            self.suite = Suite(key)
            self.timing = timing
            self.random = Random(random)
            self.session = Session(timing)
            self.handshake = Handshake(startedAt: now, retryAt: now)
        }

        /// Takes one datagram from the server.
        public mutating func input(_ datagram: ByteBuffer, now: NIODeadline) {
            if case .dead = self.state { return }
            switch Kind(of: datagram) {
            case .data: self.receive(datagram, now: now)
            case .response: self.respond(datagram, now: now)
            case .cookie: self.takeCookie(datagram, now: now)
            case .request, nil: self.counters.strangers += 1
            }
        }

        private mutating func receive(_ datagram: ByteBuffer, now: NIODeadline) {
            guard let header = Header(of: datagram) else {
                self.counters.strangers += 1
                return
            }
            switch self.session.open(datagram, header, now: now) {
            case .payload(let payload, _, _):
                if self.session.hasHeard { self.confirm = nil }
                if payload.readableBytes > 0 { self.events.append(.payload(payload)) }
            case .replayed: self.counters.replayed += 1
            case .forged: self.counters.forged += 1
            case .unknown: self.counters.unknown += 1
            }
        }

        /// Appends payload to `datagram`, sealed; ``SecureDatagrams/overhead`` bytes more than it has.
        ///
        /// - Returns: false, and nothing is appended, while the session is not up, or for more than
        ///   ``SecureDatagrams/longestPayload`` bytes.
        public mutating func seal(_ payload: ByteBuffer, into datagram: inout ByteBuffer, now: NIODeadline) -> Bool {
            switch self.state {
            case .handshaking, .dead: false
            case .up, .rekeying: self.session.seal(payload, into: &datagram, now: now)
            }
        }

        /// The server was asked whether it is there, as it had left what we said without an answer for ``Timing/silence``, and
        /// has not said so in ``Timing/firstRetry``.
        public func hearsNothing(now: NIODeadline) -> Bool {
            self.session.unansweredSince.map { now >= $0 + self.timing.silence + self.timing.firstRetry } ?? false
        }

        public mutating func nextEvent() -> Event? { self.events.popFirst() }

        /// The next datagram to send that is not payload; does what is due.
        public mutating func poll(now: NIODeadline) -> ByteBuffer? {
            self.tick(now: now)
            return self.datagrams.popFirst()
        }

        /// Ends the session; the server hears nothing of it.
        public mutating func close() { self.fail(.closed) }

        mutating func fail(_ failure: Failure) {
            if case .dead = self.state { return }
            self.state = .dead(failure)
            self.handshake = nil
            self.confirm = nil
            self.datagrams.removeAll()
            self.session = Session(self.timing)
            self.events.append(.failed(failure))
        }

        mutating func becameUp() {
            if self.state == .handshaking { self.events.append(.up) }
            self.state = .up
        }

        mutating func becameRekeying() { self.state = .rekeying }
    }
}
