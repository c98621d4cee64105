// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// One request on its way to the origin, and what comes back.
///
/// The request is followed to its last byte: what a user sends after it is the next request, perhaps for another host,
/// and never goes to this one. So is the answer: what an origin sends after it goes to nobody.
///
/// ```
/// request:  head ──> body ──complete──> wait for the answer     (the user's end is passed on)
///              └─ upgrade asked ──101──> handOver
/// answer:   origin ──send──> HTTPReply ──writable──> user ──complete──> answered
/// ```
struct HTTPForward {
    enum Step {
        case action(SessionAction)
        /// The answer is with the user, all of it, and so it goes on with the connection.
        case answered(HTTPPersistence)
        /// There is no answer but this one; nil where a part of one is with the user already.
        case failed(StreamFault?, HTTPAnswer?)
        /// The user broke off or broke the rules.
        case broken(HTTPAnswer?, WireError)
    }

    private enum Origin: Equatable {
        case live
        case finished
        /// Ended by the runtime: nobody takes what we would deliver.
        case gone(StreamFault?)
    }

    let request: HTTPRequest
    let stream: StreamID
    private let limits: SessionLimits
    private var head: ByteBuffer?
    private var body: HTTPBody
    private let asksUpgrade: Bool
    private var reply: HTTPReply
    private var origin = Origin.live
    private var hasFinished = false
    private var unread = 0
    private var isPaused = false

    init(_ request: HTTPRequest, path: ByteBuffer, on stream: StreamID, limits: SessionLimits) {
        self.request = request
        self.stream = stream
        self.limits = limits
        self.head = request.forwarded(to: path)
        self.body = request.body
        self.asksUpgrade = !request.upgrades.isEmpty
        self.reply = HTTPReply(to: request)
    }

    /// The user has a part of the answer and not yet all of it.
    var isUnderWay: Bool { self.reply.isUnderWay }

    /// The origin's end of the stream is there no more.
    var isGone: Bool {
        switch self.origin {
        case .live, .finished: false
        case .gone: true
        }
    }

    /// - Parameter input: bytes of the user that nobody has looked at.
    func wantsBytes(_ input: ByteBuffer) -> Bool {
        // Also behind the request, up to a limit: else nobody would see the user leave.
        input.readableBytes < ProxyServerConfiguration.mostEarlyBytes
            && (self.body.isComplete || self.unread < self.limits.unreadPerStream)
    }

    /// Where the answer is ours: whether the next request may follow.
    var mayGoOn: Bool { self.body.isComplete && !self.asksUpgrade }

    mutating func send(_ bytes: ByteBuffer) {
        if self.origin == .live { self.reply.receive(bytes) }
    }

    mutating func finish() {
        if self.origin == .live { self.origin = .finished }
    }

    /// An orderly end leaves the user what was queued, and so does the origin's reset; another fault does not.
    mutating func reset(_ fault: StreamFault?) {
        self.origin = .gone(fault)
        if let fault, !fault.comesBehindBytes { self.reply.dropQueued() }
    }

    mutating func consumed(_ count: Int) { self.unread = max(0, self.unread - count) }
}

// MARK: - Steps

extension HTTPForward {
    /// - Parameter input: what the user has sent and nobody has taken; the request's own bytes are taken out of it.
    mutating func next(_ input: inout ByteBuffer, inputHasEnded: Bool, writable: Bool) -> Step? {
        do throws(WireError) {
            if let step = try self.nextOfRequest(&input, inputHasEnded) { return step }
        } catch {
            let sentence = error.code == .truncated ? "The body is cut off." : "The body is not chunked as it says."
            return .broken(self.isUnderWay ? nil : .malformed(sentence), error)
        }
        do throws(WireError) {
            // The tail of an answer does not wait for its reader where nothing else would remember it.
            if writable || self.isGone, let bytes = try self.reply.next(self.allowed(input)) {
                return .action(.write(bytes))
            }
        } catch {
            let target = self.request.target.destination
            return .failed(.aborted, self.isUnderWay ? nil : .badAnswer(of: target, "not as HTTP says: \(error)"))
        }
        if let step = self.nextOfPressure() { return step }
        return self.nextOfEnd(input, hasLooked: writable || self.isGone)
    }

    private mutating func nextOfRequest(_ input: inout ByteBuffer, _ inputHasEnded: Bool) throws(WireError) -> Step? {
        guard self.origin == .live, !self.reply.isComplete else { return nil }
        if let head = self.head.take() { return .action(.deliver(self.stream, head)) }
        if let piece = try self.body.read(from: &input) {
            self.unread += piece.readableBytes
            // The storage is the piece's alone.
            if input.readableBytes == 0 { input = ByteBuffer() }
            return .action(.deliver(self.stream, piece))
        }
        // Words of another protocol that came early are still to follow.
        guard inputHasEnded, !self.hasFinished, !self.asksUpgrade || input.readableBytes == 0 else { return nil }
        guard self.body.isComplete else { throw WireError(.truncated, in: "HTTP body") }
        // The user may have gone, or only have nothing more to say: that is for the origin to judge.
        self.hasFinished = true
        return .action(.finish(self.stream))
    }

    /// What may become of the user's connection, as far as this request goes.
    private func allowed(_ input: ByteBuffer) -> HTTPPersistence {
        // The origin has not taken all of the body, so what follows on this connection is not the next request.
        guard self.body.isComplete else { return .close }
        // Words of another protocol that came before it was agreed must not be taken for a request.
        guard !self.asksUpgrade || input.readableBytes == 0 else { return .close }
        return self.request.persistence
    }

    private mutating func nextOfPressure() -> Step? {
        guard !self.isGone else { return nil }
        let queued = self.reply.queued
        guard self.isPaused ? queued < self.limits.queuedPerStream / 2 : queued >= self.limits.queuedPerStream else {
            return nil
        }
        self.isPaused.toggle()
        return .action(self.isPaused ? .pause(self.stream) : .resume(self.stream))
    }

    /// - Parameter hasLooked: what has come of the answer has been looked at: where the user cannot be written to it waits.
    private mutating func nextOfEnd(_ input: ByteBuffer, hasLooked: Bool) -> Step? {
        switch self.origin {
        case .gone(let fault?): return self.lost(fault)
        case .gone(nil) where self.reply.hasSwitched: return .answered(.close)
        case .live where self.reply.hasSwitched, .finished where self.reply.hasSwitched:
            guard self.body.isComplete else { return .failed(.aborted, nil) }
            return .action(.handOver(self.stream, leftover: input))
        case .live: break
        case .finished, .gone(nil): self.reply.receiveEnd()
        }
        if self.reply.isComplete { return .answered(self.reply.persistence ?? .close) }
        guard self.origin != .live, self.reply.queued == 0 || hasLooked && self.reply.hasPartOfHead else { return nil }
        guard !self.isUnderWay else { return .failed(.aborted, nil) }
        let target = self.request.target.destination
        guard self.reply.hasPartOfHead else { return .failed(nil, .emptyAnswer(of: target)) }
        return .failed(.aborted, .badAnswer(of: target, "half a head"))
    }

    /// An answer that was cut off must not look like a whole one.
    private func lost(_ fault: StreamFault) -> Step {
        if self.reply.isComplete { return .answered(self.reply.persistence ?? .close) }
        return .failed(fault, self.isUnderWay ? nil : HTTPAnswer(fault, reaching: self.request.target.destination))
    }
}
