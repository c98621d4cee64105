// SPDX-License-Identifier: Apache-2.0

public import NIOCore
import WarrenCore

extension SecureDatagrams {
    /// A session of a ``Listener``, for its owner; never used again.
    public struct SessionID: Hashable, Sendable {
        let number: UInt64
    }

    /// The end that is dialled: the sessions of all clients of one socket.
    ///
    /// Sessions are found by the index in the datagram, never by its address. Who does not have the key gets no
    /// answer. The owner gives it what comes (``input(_:from:now:)``), asks for events (``nextEvent()``) and for
    /// datagrams (``poll(now:)``) until there are none, and sets one alarm from ``deadline``.
    public struct Listener {
        public enum Event: Hashable, Sendable {
            /// A client has shown that it has the key and receives at this address.
            case up(SessionID, Address, client: PublicKey?)
            case payload(SessionID, ByteBuffer)
            /// The client has a new address: an authentic datagram, later than all before, has come from it.
            case moved(SessionID, to: Address)
            /// The session is over. Only for those that were up.
            case ended(SessionID, Failure)
            /// The datagram that was taken last is for the listener with this number, which takes it as passed on.
            case elsewhere(Int)
        }

        /// Which of the sessions of one port are a listener's, where several listeners with the same key share it: a client
        /// that has moved may come to any of them.
        public struct Part: Hashable, Sendable {
            /// From 0.
            public let number: Int
            public let count: Int

            public init(_ number: Int = 0, of count: Int = 1) {
                self.number = number
                self.count = max(count, 1)
            }

            /// Whose index it is.
            func owner(of index: UInt32) -> Int { Int(index % UInt32(clamping: self.count)) }

            /// The nearest one that is ours.
            func own(_ index: UInt32) -> UInt32 {
                let count = UInt32(clamping: self.count)
                return index % (.max / count) * count + UInt32(clamping: self.number)
            }
        }

        /// A datagram to be sent.
        public struct Outgoing: Hashable, Sendable {
            public let datagram: ByteBuffer
            public let address: Address
        }

        struct Client {
            /// Boxed, as every datagram moves its client out of the table and back.
            private var boxed: Boxed<Session>
            var address: Address
            let key: PublicKey?
            let since: NIODeadline
            var isUp = false
            /// Of the last handshake that counted.
            var attempt: UInt64 = 0

            init(session: Session, address: Address, key: PublicKey?, since: NIODeadline) {
                self.boxed = Boxed(session)
                self.address = address
                self.key = key
                self.since = since
            }

            var session: Session {
                _read { yield self.boxed.value }
                _modify { yield &self.boxed.value }
            }

            /// - Returns: where to send it; nil, and nothing is appended, if it cannot be sealed.
            mutating func seal(_ payload: ByteBuffer, into datagram: inout ByteBuffer, now: NIODeadline) -> Address? {
                self.isUp && self.session.seal(payload, into: &datagram, now: now) ? self.address : nil
            }
        }

        public internal(set) var counters = Counters()
        public let timing: Timing
        public let limits: Limits
        public let part: Part

        var suite: Suite
        var allowed: Set<PublicKey>?
        var random: Random
        var limiter: SourceLimiter
        var cookies: Cookies
        var everybody: TokenBucket
        var clients: [SessionID: Client] = [:]
        var indices: [UInt32: SessionID] = [:]
        /// Of the clients, those that are not up.
        var pending = 0
        private var lastID: UInt64 = 0
        var events = CircularBuffer<Event>()
        var datagrams = CircularBuffer<Outgoing>()
        /// No client needs a look before; nil if none ever does.
        var lookAt: NIODeadline?

        /// - Parameter random: draws keys; anything but the system's is for tests.
        public init(
            key: ListenerKey, timing: Timing = Timing(), limits: Limits = Limits(),
            part: Part = Part(), random: any RandomNumberGenerator & Sendable = SystemRandomNumberGenerator(),
            now: NIODeadline
        ) {
            var random = Random(random)
            self.suite = Suite(key)
            switch key {
            case .shared: self.allowed = nil
            case .pair(_, let clients): self.allowed = clients
            }
            self.timing = timing
            self.limits = limits
            self.part = part
            self.limiter = SourceLimiter(limits, &random)
            self.cookies = Cookies(&random, now: now)
            self.everybody = TokenBucket(full: limits.handshakesBeforeCookies, now: now)
            self.random = random
        }

        /// Sessions that are up.
        public var count: Int { self.clients.count - self.pending }

        /// Takes one datagram.
        ///
        /// - Parameter isPassedOn: another part of the port has had it, and said that it is for this one.
        public mutating func input(
            _ datagram: ByteBuffer, from address: Address, isPassedOn: Bool = false, now: NIODeadline
        ) {
            switch Kind(of: datagram) {
            case .data: self.receive(datagram, from: address, isPassedOn, now: now)
            case .request: self.answer(datagram, from: address, isPassedOn, now: now)
            case .response, .cookie, nil: self.counters.strangers += 1
            }
        }

        private mutating func receive(
            _ datagram: ByteBuffer, from address: Address, _ isPassedOn: Bool, now: NIODeadline
        ) {
            guard let header = Header(of: datagram) else {
                self.counters.strangers += 1
                return
            }
            if self.passesOn(header.index, isPassedOn) { return }
            guard let id = self.indices[header.index],
                let opened = self.clients[id]?.session.open(datagram, header, now: now)
            else {
                self.counters.unknown += 1
                return
            }
            switch opened {
            case .payload(let payload, let isLatest, let isFirst):
                if isFirst { self.confirmed(id, from: address, now: now) }
                if isLatest, self.clients[id]?.address != address {
                    self.clients[id]?.address = address
                    self.events.append(.moved(id, to: address))
                }
                if payload.readableBytes > 0 {
                    self.events.append(.payload(id, payload))
                    self.look(at: self.clients[id]?.session.keepAliveAt)
                }
            case .replayed: self.counters.replayed += 1
            case .forged: self.counters.forged += 1
            case .unknown: self.counters.unknown += 1
            }
        }

        /// True if the index is one of another part's, whose owner is named then.
        mutating func passesOn(_ index: UInt32, _ isPassedOn: Bool) -> Bool {
            let owner = self.part.owner(of: index)
            guard owner != self.part.number, !isPassedOn else { return false }
            self.events.append(.elsewhere(owner))
            return true
        }

        /// The client uses the keys of the last handshake: it is there. It is told so, and then stops asking.
        private mutating func confirmed(_ id: SessionID, from address: Address, now: NIODeadline) {
            self.forgetRetired(id)
            if self.clients[id]?.isUp == false {
                self.clients[id]?.isUp = true
                self.clients[id]?.address = address
                self.pending -= 1
                self.events.append(.up(id, address, client: self.clients[id]?.key))
            }
            self.look(at: self.clients[id]?.session.nextEnd)
            self.sayNothing(id, now: now)
        }

        /// Appends payload to `datagram`, sealed; ``SecureDatagrams/overhead`` bytes more than it has.
        ///
        /// - Returns: where to send it; nil, and nothing is appended, if the session is over or not up, or for more
        ///   than ``SecureDatagrams/longestPayload`` bytes.
        public mutating func seal(
            _ payload: ByteBuffer, for id: SessionID, into datagram: inout ByteBuffer, now: NIODeadline
        ) -> Address? {
            self.clients[id]?.seal(payload, into: &datagram, now: now)
        }

        public mutating func nextEvent() -> Event? { self.events.popFirst() }

        /// The next datagram to send that is not payload; does what is due.
        public mutating func poll(now: NIODeadline) -> Outgoing? {
            if let due = self.lookAt, now >= due { self.lookAtAll(now: now) }
            return self.datagrams.popFirst()
        }

        /// When ``poll(now:)`` has something to do; nil while there is nobody.
        public var deadline: NIODeadline? { self.datagrams.isEmpty ? self.lookAt : .distantPast }

        /// Lets in these clients from now on, and ends the sessions of others. Without key pairs it changes nothing.
        public mutating func allow(_ clients: Set<PublicKey>) {
            guard self.allowed != nil else { return }
            self.allowed = clients
            for (id, client) in self.clients where client.key.map(clients.contains) != true { self.end(id, .closed) }
        }

        /// Ends a session; its client hears nothing of it until it asks.
        public mutating func close(_ id: SessionID) { self.end(id, .closed) }

        mutating func makeID() -> SessionID {
            self.lastID += 1
            return SessionID(number: self.lastID)
        }
    }
}
