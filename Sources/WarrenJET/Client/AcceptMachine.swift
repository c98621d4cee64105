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
    /// starting --request--> awaitingReply --200--> granted, dialing --accept--> waiting --bytes--> met, ready --> closed
    ///                             |                          |                     |              hand-over
    ///                             +-- refused, bad bytes     +-- reset             +-- nobody came --> over
    /// ```
    ///
    /// The relay says nothing when a partner comes, and takes the end of one who waits for its leaving. So until there are
    /// bytes of a partner, those of the target pass through the machine, and its end is kept back: the relay of the legs
    /// repeats it after the hand-over. Only a partner that has said something makes the session ready; where the target
    /// has said much and nobody has answered, the carrier is handed over all the same, without that word.
    public struct AcceptMachine: SessionMachine {
        private enum Phase {
            case idle
            case starting
            case awaitingReply
            case granted
            case dialing
            case waiting
            case met
            case refused(CloseReason)
            case over
            case closed
        }

        static let stream = StreamID(0)
        /// After so much without an answer the target may be one who only sends, and deserves the shorter path.
        static let mostUnanswered = 64 << 10
        /// What relays give where they do not say.
        static let usualLifetime = TimeAmount.seconds(300)
        /// So near to the end of its time a wait counts as over.
        static let tolerance = TimeAmount.seconds(2)
        /// So long after that time a relay that has said nothing has brought a partner that says nothing.
        static let grace = TimeAmount.seconds(10)

        private var exchange: Exchange
        private var phase = Phase.idle
        private var handshakeDeadline: NIODeadline?
        /// When the relay gives up waiting.
        private var expiry = NIODeadline.distantFuture
        private var meeting = ""
        private var target = TargetQueue()
        private var hasEnded = false
        /// The wait was too long for one without a partner.
        private var isOverdue = false

        public init(_ configuration: ClientConfiguration) { self.exchange = Exchange(.accept, configuration) }

        public var deadline: NIODeadline? {
            guard case .waiting = self.phase else { return self.handshakeDeadline }
            return self.isOverdue ? nil : self.expiry + Self.grace
        }

        /// What a partner says early waits in the kernel until the target is there to hear it, and what follows its first
        /// words until the carrier is handed over.
        public var wantsBytes: Bool {
            switch self.phase {
            case .granted, .dialing, .met: false
            case .waiting: self.exchange.input.readableBytes == 0
            case .idle, .starting, .awaitingReply, .refused, .over, .closed: true
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
            case .granted:
                self.phase = .dialing
                return .open(Self.stream, StreamRequest(.meeting(self.meeting)))
            case .waiting: return self.wait(now: now, writable: writable)
            case .met: return self.handOver()
            case .refused(let reason): return self.close(reason)
            case .over: return self.close(.timedOut(phase: "waiting for a partner"))
            case .idle, .dialing, .closed: return nil
            }
        }

        public mutating func accept(_ stream: StreamID) {
            if case .dialing = self.phase, stream == Self.stream { self.phase = .waiting }
        }

        public func hasRoom(on stream: StreamID) -> Bool { self.target.hasRoom }

        public mutating func send(_ bytes: ByteBuffer, on stream: StreamID) {
            if case .waiting = self.phase, stream == Self.stream { self.target.append(bytes) }
        }

        public mutating func finish(_ stream: StreamID) {
            if case .waiting = self.phase, stream == Self.stream { self.target.isFinished = true }
        }

        /// The target cannot be had, or is gone: whoever came now would meet nobody.
        public mutating func reset(_ stream: StreamID, _ fault: StreamFault?) {
            guard stream == Self.stream else { return }
            switch self.phase {
            case .dialing, .waiting:
                self.phase = .refused(fault.map { .carrierLost("the target: \($0.rawValue)") } ?? .finished)
            case .idle, .starting, .awaitingReply, .granted, .met, .refused, .over, .closed: return
            }
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
        self.phase = .granted
        return .granted(Grant(.meeting(meeting), instance: reply?.instance, lifetime: lifetime))
    }

    /// Passes on what the target says, until the carrier can be handed over with nothing left to say.
    private mutating func wait(now: NIODeadline, writable: Bool) -> SessionAction? {
        if let deadline, deadline <= now { self.isOverdue = true }
        if let action = self.target.next(writable: writable) { return action }
        guard self.target.isEmpty else { return nil }
        guard self.exchange.input.readableBytes == 0 else {
            self.phase = .met
            return .ready
        }
        if self.isOverdue || self.target.written >= Self.mostUnanswered { return self.handOver() }
        guard self.hasEnded else { return nil }
        guard self.expiry <= now + Self.tolerance else { return self.handOver() }
        self.phase = .over
        return .end(Self.stream, .timedOut)
    }

    private mutating func handOver() -> SessionAction {
        let leftover = self.exchange.takeInput()
        self.phase = .closed
        return .handOver(Self.stream, leftover: leftover)
    }

    private mutating func close(_ reason: CloseReason) -> SessionAction {
        self.phase = .closed
        self.handshakeDeadline = nil
        self.exchange.input = ByteBuffer()
        self.target = TargetQueue()
        return .close(reason)
    }
}

/// What the target has said and the carrier has not taken.
private struct TargetQueue {
    private enum Flow {
        case open
        /// The target is to be told.
        case full
        case paused
    }

    private var chunks = CircularBuffer<ByteBuffer>()
    private var queued = 0
    private var flow = Flow.open
    /// Bytes that have left.
    private(set) var written = 0
    var isFinished = false

    var isEmpty: Bool { self.chunks.isEmpty }
    var hasRoom: Bool { self.flow == .open }

    mutating func append(_ bytes: ByteBuffer) {
        guard bytes.readableBytes > 0, !self.isFinished else { return }
        self.chunks.append(bytes)
        self.queued += bytes.readableBytes
        if self.queued >= JET.AcceptMachine.mostUnanswered, self.flow == .open { self.flow = .full }
    }

    mutating func next(writable: Bool) -> SessionAction? {
        if self.flow == .full {
            self.flow = .paused
            return .pause(JET.AcceptMachine.stream)
        }
        if writable, let chunk = self.chunks.popFirst() {
            self.queued -= chunk.readableBytes
            self.written += chunk.readableBytes
            return .write(chunk)
        }
        if self.flow == .paused, self.queued <= JET.AcceptMachine.mostUnanswered / 2 {
            self.flow = .open
            return .resume(JET.AcceptMachine.stream)
        }
        return nil
    }
}
