// SPDX-License-Identifier: Apache-2.0

public import NIOCore
public import WarrenCore

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

extension JET {
    /// The end that waits at a relay for whoever names its association. Its one stream goes to the local target, which is
    /// reached at once, because the target may be the one who speaks first.
    ///
    /// ```
    /// starting --request--> awaitingReply --200--> waiting --bytes--> met, ready --> closed
    ///                             |                  |                    hand-over
    ///                             |                  +-- nobody came --> over --> closed
    ///                             +-- refused, bad bytes, time out ------------------^
    /// ```
    ///
    /// The relay says nothing when a partner comes, and takes the end of one who waits for its leaving. So until there are
    /// bytes of a partner, those of the target pass through the machine. Only a partner that has said something makes the
    /// session ready; where the target has said much and nobody has answered, the carrier is handed over all the same,
    /// without that word.
    ///
    /// A target that goes before a partner comes is reached anew, as long as nothing of what it said has left. Otherwise a
    /// partner would hear two targets as one, so the wait is over: at once, or, if the target is one that says what it
    /// has to say and goes, after a while in which somebody may still come for that.
    public struct AcceptMachine: SessionMachine {
        private enum Phase {
            case idle
            case starting
            case awaitingReply
            case waiting
            case met
            case leaving(CloseReason)
            case closed
        }

        static let firstStream = StreamID(0)
        /// After so much without an answer the target may be one who only sends, and deserves the shorter path.
        static let mostUnanswered = 64 << 10
        /// What relays give where they do not say.
        static let usualLifetime = TimeAmount.seconds(300)
        /// So near to the end of its time a wait counts as over.
        static let tolerance = TimeAmount.seconds(2)
        /// So long after that time a relay that has said nothing has brought a partner that says nothing.
        static let grace = TimeAmount.seconds(10)
        /// A target that goes so soon has said all it had to say.
        static let brief = TimeAmount.milliseconds(500)
        /// How long that is kept for somebody who comes for it.
        static let keeping = TimeAmount.seconds(10)

        private var exchange: Exchange
        private var phase = Phase.idle
        private var handshakeDeadline: NIODeadline?
        /// When the relay gives up waiting.
        private var expiry = NIODeadline.distantFuture
        private var meeting = ""
        private var target = TargetWatch()
        private var queue = TargetQueue(Self.firstStream)
        /// How long the last words of a target that is gone are kept.
        private var keptUntil: NIODeadline?
        private var hasEnded = false
        /// The wait was too long for one without a partner.
        private var isOverdue = false

        public init(_ configuration: ClientConfiguration) { self.exchange = Exchange(.accept, configuration) }

        public var deadline: NIODeadline? {
            guard case .waiting = self.phase, !self.target.isDialing else { return self.handshakeDeadline }
            var first = self.isOverdue ? .distantFuture : self.expiry + Self.grace
            if case .resting(let until) = self.target.state { first = min(first, until) }
            if let keptUntil { first = min(first, keptUntil) }
            return first == .distantFuture ? nil : first
        }

        /// What a partner says early waits in the kernel until the target is there to hear it, and what follows its first
        /// words until the carrier is handed over.
        public var wantsBytes: Bool {
            switch (self.phase, self.target.state) {
            case (.waiting, .wanted), (.waiting, .dialing), (.waiting, .lost), (.met, _): false
            case (.waiting, .reached), (.waiting, .resting): self.exchange.input.readableBytes == 0
            case (.idle, _), (.starting, _), (.awaitingReply, _), (.leaving, _), (.closed, _): true
            }
        }

        public mutating func start(now: NIODeadline) {
            self.phase = .starting
            self.handshakeDeadline = now + self.exchange.configuration.handshake
        }

        public mutating func receive(_ bytes: ByteBuffer) {
            if case .closed = self.phase { return }
            self.exchange.input.take(bytes)
        }

        public mutating func receiveEnd() { self.hasEnded = true }

        public mutating func next(now: NIODeadline, writable: Bool) -> SessionAction? {
            if let deadline = self.handshakeDeadline, deadline <= now {
                return self.close(.timedOut(phase: "handshake"))
            }
            do throws(WireError) {
                return try self.step(now: now, writable: writable)
            } catch {
                return self.close(.violation(error))
            }
        }

        private mutating func step(now: NIODeadline, writable: Bool) throws(WireError) -> SessionAction? {
            switch self.phase {
            case .starting where self.exchange.configuration.isBare:
                return self.grant(self.exchange.configuration.association.jetText, nil, now: now)
            case .starting:
                self.phase = .awaitingReply
                return .write(try self.exchange.request())
            case .awaitingReply:
                return try self.readReply(now: now)
            case .waiting: return self.wait(now: now, writable: writable)
            case .met: return self.handOver()
            case .leaving(let reason): return self.close(reason)
            case .idle, .closed: return nil
            }
        }

        private func isCurrent(_ stream: StreamID) -> Bool {
            if case .waiting = self.phase { self.target.stream == stream } else { false }
        }

        public mutating func accept(_ stream: StreamID) {
            if self.isCurrent(stream), self.target.isDialing { self.target.accepted() }
        }

        public func hasRoom(on stream: StreamID) -> Bool { self.queue.hasRoom }

        public mutating func send(_ bytes: ByteBuffer, on stream: StreamID) {
            if self.isCurrent(stream), self.target.isReached { self.queue.append(bytes) }
        }

        public mutating func finish(_ stream: StreamID) {
            if self.isCurrent(stream), self.target.isReached { self.queue.isFinished = true }
        }

        /// The target cannot be had, or is gone.
        public mutating func reset(_ stream: StreamID, _ fault: StreamFault?) {
            if self.isCurrent(stream), self.target.isDialing || self.target.isReached { self.target.lost(fault) }
        }
    }
}

extension JET.AcceptMachine {
    private mutating func readReply(now: NIODeadline) throws(WireError) -> SessionAction? {
        guard let reply = try self.exchange.readReply() else {
            return self.hasEnded ? self.close(.carrierLost("closed without a reply")) : nil
        }
        guard reply.status == JET.Reply.granted else { return self.close(.rejected(reply.statusText)) }
        return self.grant(try self.association(of: reply).jetText, reply, now: now)
    }

    /// In version 1 the relay says where we wait, in version 2 we did.
    private func association(of reply: JET.Reply) throws(WireError) -> UUID {
        let configuration = self.exchange.configuration
        guard configuration.version == JET.Version.one else { return configuration.association }
        guard let association = reply.association else {
            throw WireError(.badValue, in: "Jet-Association", found: "nothing")
        }
        return association
    }

    private mutating func grant(_ meeting: String, _ reply: JET.Reply?, now: NIODeadline) -> SessionAction? {
        let lifetime = reply?.timeout.map { TimeAmount.seconds(Int64($0)) }
        self.meeting = meeting
        self.handshakeDeadline = nil
        self.expiry = now + (lifetime ?? Self.usualLifetime)
        self.phase = .waiting
        return .granted(Grant(.meeting(meeting), instance: reply?.instance, lifetime: lifetime))
    }

    private mutating func handOver() -> SessionAction {
        let leftover = self.exchange.takeInput()
        self.phase = .closed
        return .handOver(self.target.stream, leftover: leftover)
    }

    private mutating func close(_ reason: CloseReason) -> SessionAction {
        self.phase = .closed
        self.handshakeDeadline = nil
        self.exchange.input = ByteBuffer()
        self.queue = TargetQueue(self.target.stream)
        return .close(reason)
    }
}

// MARK: - The wait

extension JET.AcceptMachine {
    private static let overtime = CloseReason.timedOut(phase: "waiting for a partner")

    /// Whether somebody has come: has said something, has ended what it did not say, or keeps the relay from letting go.
    private func hasPartner(_ now: NIODeadline) -> Bool {
        self.exchange.input.readableBytes > 0 || self.isOverdue
            || self.hasEnded && self.expiry > now + Self.tolerance
    }

    private mutating func wait(now: NIODeadline, writable: Bool) -> SessionAction? {
        if self.expiry + Self.grace <= now { self.isOverdue = true }
        if case .lost = self.target.state, self.isLossTheEnd(now) {
            return self.close(self.target.fault.map { .carrierLost("the target: \($0.rawValue)") } ?? .finished)
        }
        self.target.look(at: now)
        switch self.target.state {
        case .reached: return self.talk(now: now, writable: writable)
        case .resting where self.hasPartner(now), .wanted:
            self.target.dial()
            self.queue = TargetQueue(self.target.stream)
            return .open(self.target.stream, StreamRequest(.meeting(self.meeting)))
        case .resting: return self.hasEnded ? self.close(Self.overtime) : nil
        case .dialing, .lost: return nil
        }
    }

    /// Whether there can be no other target for this wait. Whoever is there already is told that this one failed.
    private func isLossTheEnd(_ now: NIODeadline) -> Bool {
        self.exchange.configuration.isTargetOnce || self.queue.written > 0 || self.target.fault == .shutdown
            || self.hasPartner(now)
    }

    /// Passes on what the target says, until the carrier can be handed over with nothing left to say.
    private mutating func talk(now: NIODeadline, writable: Bool) -> SessionAction? {
        if self.queue.isFinished, !self.exchange.configuration.isTargetOnce {
            if self.mayForgetTarget(now: now, writable: writable) { return self.forgetTarget(now) }
            if !self.hasPartner(now) { return self.outliveTarget(now: now, writable: writable) }
        }
        if let action = self.queue.next(writable: writable) { return action }
        guard self.queue.isEmpty else { return nil }
        guard self.exchange.input.readableBytes == 0 else {
            self.phase = .met
            return .ready
        }
        if self.isOverdue || self.queue.written >= Self.mostUnanswered { return self.handOver() }
        guard self.hasEnded else { return nil }
        return self.hasPartner(now) ? self.handOver() : self.leave(Self.overtime)
    }

    /// So soon that it has said all it had to say.
    private func isTargetBrief(_ now: NIODeadline) -> Bool { now - (self.target.reachedAt ?? now) < Self.brief }

    /// Whether nothing was heard of the target that went, and nothing of it is for anybody.
    private func mayForgetTarget(now: NIODeadline, writable: Bool) -> Bool {
        guard self.queue.written == 0 else { return false }
        return self.queue.isEmpty || !self.hasPartner(now) && !(writable && self.isTargetBrief(now))
    }

    /// The target went, and nobody has heard of it: another one takes its place.
    private mutating func forgetTarget(_ now: NIODeadline) -> SessionAction {
        self.target.lost(nil)
        self.target.look(at: now)
        return .end(self.target.stream, .timedOut)
    }

    /// The target went, and its words wait at the relay for a partner who would take them for those of the next one.
    private mutating func outliveTarget(now: NIODeadline, writable: Bool) -> SessionAction? {
        if let action = self.queue.next(writable: writable) { return action }
        if self.hasEnded { return self.leave(Self.overtime) }
        if self.queue.isEmpty, self.queue.written >= Self.mostUnanswered { return self.handOver() }
        let isKept = self.keptUntil != nil
        let until = self.keptUntil ?? (self.isTargetBrief(now) ? now + Self.keeping : now)
        self.keptUntil = until
        guard until <= now else { return nil }
        // Words that are cut short must not look whole; and whoever has had the last ones for a while, and neither says
        // anything nor ends, learns by a reset that nobody is there any more.
        return self.leave(self.queue.isEmpty && !isKept ? .finished : .carrierLost("the target: gone"))
    }

    private mutating func leave(_ reason: CloseReason) -> SessionAction {
        self.phase = .leaving(reason)
        return .end(self.target.stream, .timedOut)
    }
}
