// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// One request on its way to the origin, and what comes back.
///
/// The request is followed to its last byte: what a user sends after it is meant for another host perhaps, and never
/// goes to this one. The answer passes as it is, until the origin closes (it was asked to).
///
/// ```
/// request:  head ──> body ──complete──> drop whatever comes
///              └─ WebSocket asked ──101──> handOver
///                                └──other answer──> further bytes end it: the user takes this connection for free
/// answer:   origin ──send──> output ──writable──> user
/// ```
struct HTTPForward {
    enum Step {
        case action(SessionAction)
        /// The stream's end where the runtime does not know it yet, what the user is still told, the session's end.
        case end(SessionAction?, HTTPAnswer?, CloseReason)
    }

    private enum Upgrade {
        case none
        /// Asked for; the origin has answered so many bytes of ``granted``.
        case asked(Int)
        case granted
        case declined

        var needsInput: Bool {
            switch self {
            case .none: false
            case .asked, .granted, .declined: true
            }
        }
    }

    private enum Origin: Equatable {
        case live
        case finished
        /// Ended by the runtime: nobody takes what we would deliver.
        case gone(StreamFault?)
    }

    private static let granted = Array("HTTP/1.1 101".utf8)

    let request: HTTPRequest
    private let limits: SessionLimits
    private var head: ByteBuffer?
    private var body: HTTPBody
    private var upgrade: Upgrade
    private var origin = Origin.live
    private(set) var input: ByteBuffer
    private var inputHasEnded: Bool
    private var unread = 0
    private var output = CircularBuffer<ByteBuffer>()
    private var queued = 0
    private var isPaused = false
    private var hasAnswered = false

    /// - Parameter input: what came after the head.
    init(_ request: HTTPRequest, path: ByteBuffer, input: ByteBuffer, inputHasEnded: Bool, limits: SessionLimits) {
        self.request = request
        self.limits = limits
        self.head = request.forwarded(to: path)
        self.body = request.body
        self.upgrade = request.wantsWebSocket ? .asked(0) : .none
        self.input = input
        self.inputHasEnded = inputHasEnded
    }

    var wantsBytes: Bool {
        switch self.upgrade {
        case .none: !self.body.isComplete && self.unread < self.limits.unreadPerStream
        case .asked, .granted, .declined: self.input.readableBytes < FrontConfiguration.mostEarlyBytes
        }
    }

    mutating func receive(_ bytes: ByteBuffer) {
        guard self.upgrade.needsInput || !self.body.isComplete else { return }
        self.input.take(bytes)
    }

    mutating func receiveEnd() { self.inputHasEnded = true }

    mutating func send(_ bytes: ByteBuffer) {
        guard self.origin == .live, bytes.readableBytes > 0 else { return }
        self.hasAnswered = true
        self.watchAnswer(bytes)
        self.output.append(bytes)
        self.queued += bytes.readableBytes
    }

    mutating func finish() {
        if self.origin == .live { self.origin = .finished }
    }

    /// An orderly end leaves the user what was queued; a fault does not.
    mutating func reset(_ fault: StreamFault?) {
        self.origin = .gone(fault)
        guard fault != nil else { return }
        self.output.removeAll()
        self.queued = 0
    }

    mutating func consumed(_ count: Int) { self.unread = max(0, self.unread - count) }
}

// MARK: - Steps

extension HTTPForward {
    mutating func next(writable: Bool) -> Step? {
        do throws(WireError) {
            if let step = try self.nextOfRequest() { return step }
        } catch {
            let sentence = error.code == .truncated ? "The body is cut off." : "The body is not chunked as it says."
            return .end(.end(.front, .aborted), self.hasAnswered ? nil : .malformed(sentence), .violation(error))
        }
        if writable, let bytes = self.output.popFirst() {
            self.queued -= bytes.readableBytes
            return .action(.write(bytes))
        }
        if self.isPaused ? self.queued < self.limits.queuedPerStream / 2 : self.queued >= self.limits.queuedPerStream {
            self.isPaused.toggle()
            return .action(self.isPaused ? .pause(.front) : .resume(.front))
        }
        return self.output.isEmpty ? self.nextOfEnd() : nil
    }

    private mutating func nextOfRequest() throws(WireError) -> Step? {
        switch self.origin {
        case .gone, .finished: return nil
        case .live: break
        }
        if let head = self.head.take() { return .action(.deliver(.front, head)) }
        if let piece = try self.body.read(from: &self.input) {
            self.unread += piece.readableBytes
            return .action(.deliver(.front, piece))
        }
        if self.body.isComplete {
            if !self.upgrade.needsInput { self.input.clear() }
        } else if self.inputHasEnded {
            throw WireError(.truncated, in: "HTTP body")
        }
        return nil
    }

    private func nextOfEnd() -> Step? {
        let target = self.request.target.destination
        switch (self.origin, self.upgrade) {
        case (.live, .granted): return .action(.handOver(.front, leftover: self.input))
        case (.live, .declined): return self.input.readableBytes > 0 ? .end(.end(.front, nil), nil, .finished) : nil
        case (.live, .none), (.live, .asked): return nil
        case (.finished, _):
            return .end(.end(.front, nil), self.hasAnswered ? nil : .emptyAnswer(of: target), .finished)
        case (.gone(nil), _): return .end(nil, self.hasAnswered ? nil : .emptyAnswer(of: target), .finished)
        case (.gone(let fault?), _):
            // An answer that was cut off must not look like a whole one, so the user's connection is reset too.
            guard !self.hasAnswered else { return .end(nil, nil, .carrierLost(fault.rawValue)) }
            return .end(nil, HTTPAnswer(fault, reaching: target), .finished)
        }
    }

    /// Whether the origin agrees to WebSocket is in the first bytes of its answer, and they come in any pieces.
    private mutating func watchAnswer(_ bytes: ByteBuffer) {
        guard case .asked(let seen) = self.upgrade else { return }
        let news = bytes.readableBytesView.prefix(Self.granted.count - seen)
        guard Self.granted[seen...].starts(with: news) else {
            self.upgrade = .declined
            self.input.clear()
            return
        }
        self.upgrade = seen + news.count == Self.granted.count ? .granted : .asked(seen + news.count)
    }
}
