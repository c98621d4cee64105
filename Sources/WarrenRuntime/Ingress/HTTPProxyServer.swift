// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import WarrenCore

/// An HTTP proxy for one user's connection: requests in absolute form one after the other, or CONNECT.
///
/// ```
/// head ──login──> judging ──accepted──> opening ──open──> dialing ──accept──> connected
///  ^ │                └──denied──┐         │                 │          CONNECT │ │ absolute form
///  │ │                           │      last hop          reset──> refused      │ └──> forwarding (HTTPForward)
///  │ └──bad head, no login, late─┴──> ending ──answer──> closing <──┤           │          │
///  │                                                        └──> closed <── handingOver    │
///  └────────────────────────── answered, and the connection is kept <──────────────────────┘
/// ```
package struct HTTPProxyServer: SessionMachine {
    private enum Phase {
        case head
        case judging(HTTPRequest)
        case opening(HTTPRequest)
        case dialing(HTTPRequest)
        case refused(HTTPRequest, StreamFault)
        case connected(HTTPRequest)
        case forwarding
        /// To be told by us in the place of the origin.
        case answering(ByteBuffer, HTTPPersistence)
        case handingOver
        /// To be told: first the answer, then the session's end.
        case ending(ByteBuffer?, CloseReason)
        case closed
    }

    private static let mostDelays = 30

    package private(set) var deadline: NIODeadline?
    private let configuration: ProxyServerConfiguration
    private var phase = Phase.head
    private var scan = HTTPHeadScan.request
    private var input = ByteBuffer()
    private var inputHasEnded = false
    /// Of the request in hand; every one gets its own.
    private var stream = StreamID.front
    private var forward: HTTPForward?
    /// Between two requests, when no byte of the next one has come.
    private var isResting = false
    /// For the next request.
    private var timeout = TimeAmount.zero
    /// How often the end of the time found the user still busy with the last answer.
    private var delays = 0

    package init(_ configuration: ProxyServerConfiguration) { self.configuration = configuration }

    package var wantsBytes: Bool {
        self.forward?.wantsBytes(self.input) ?? (self.input.readableBytes < ProxyServerConfiguration.mostEarlyBytes)
    }

    package var mayEndInOrder: Bool { self.forward.map { !$0.isUnderWay } ?? true }

    package mutating func start(now: NIODeadline) { self.deadline = now + self.configuration.limits.handshake }

    package mutating func next(now: NIODeadline, writable: Bool) -> SessionAction? {
        if let deadline, deadline <= now, !self.isDelayed(now, writable) { return self.late() }
        switch self.phase {
        // Who does not read the last answer gets no further one.
        case .head: return writable ? self.readHead(now) : nil
        case .judging, .dialing, .closed: return nil
        case .opening(let request): return self.open(request, now)
        case .refused(let request, let fault):
            self.answer(HTTPAnswer(fault, reaching: request.target.destination), to: request)
            return self.next(now: now, writable: writable)
        case .connected(let request): return self.connect(request, now, writable)
        case .forwarding: return self.nextOfForward(now, writable)
        case .answering(let answer, let persistence):
            self.goOn(persistence, now)
            return .write(answer)
        case .handingOver: return self.handOver(leftover: self.input)
        case .ending(let answer, let reason):
            guard let answer else { return self.close(reason) }
            self.phase = .ending(nil, reason)
            return .write(answer)
        }
    }
}

// MARK: - Commands

extension HTTPProxyServer {
    package mutating func receive(_ bytes: ByteBuffer) {
        switch self.phase {
        case .head, .judging, .opening, .dialing, .refused, .connected, .forwarding, .answering, .handingOver:
            self.input.take(bytes)
        case .ending, .closed: return
        }
    }

    package mutating func receiveEnd() { self.inputHasEnded = true }

    package mutating func judged(_ verdict: Verdict) {
        guard case .judging(let request) = self.phase else { return }
        switch verdict {
        case .accepted: self.phase = .opening(request)
        case .denied: self.end(.loginRequired, to: request.method, .denied)
        }
    }

    package mutating func accept(_ stream: StreamID) {
        guard case .dialing(let request) = self.phase, stream == self.stream else { return }
        self.phase = .connected(request)
    }

    package mutating func reset(_ stream: StreamID, _ fault: StreamFault?) {
        if case .dialing(let request) = self.phase, stream == self.stream {
            self.phase = .refused(request, fault ?? .failed)
        } else {
            if stream == self.stream { self.forward?.reset(fault) }
        }
    }

    // A late word for a stream before this one is nobody's.
    package mutating func send(_ bytes: ByteBuffer, on stream: StreamID) {
        if stream == self.stream { self.forward?.send(bytes) }
    }

    package mutating func finish(_ stream: StreamID) {
        if stream == self.stream { self.forward?.finish() }
    }

    package mutating func consumed(_ count: Int, on stream: StreamID) {
        if stream == self.stream { self.forward?.consumed(count) }
    }
}

// MARK: - The request

extension HTTPProxyServer {
    private mutating func readHead(_ now: NIODeadline) -> SessionAction? {
        if self.isResting, self.input.readableBytes > 0 {
            self.isResting = false
            self.deadline = now + self.configuration.limits.handshake
        }
        do throws(HTTPAnswer) {
            let found = try HTTPAnswer.reading { () throws(HTTPFlaw) in try self.scan.length(in: self.input) }
            guard let length = found, let head = self.input.readSlice(length: length)
            else { return self.inputHasEnded ? self.close(.finished) : nil }
            self.scan = HTTPHeadScan.request
            self.input.discardReadBytesIfLarge()
            let request = try HTTPRequest(head.readableBytesView, at: self.configuration.origin)
            guard self.configuration.requiresLogin else { return self.open(request, now) }
            guard let claim = request.claim else {
                self.end(.loginRequired, to: request.method, .denied)
                return self.next(now: now, writable: false)
            }
            self.phase = .judging(request)
            return .authenticate(claim)
        } catch {
            self.end(error, to: "", error.violation)
            return self.next(now: now, writable: false)
        }
    }

    private mutating func open(_ request: HTTPRequest, _ now: NIODeadline) -> SessionAction? {
        self.deadline = nil
        let persistence = request.body.isComplete ? request.persistence : .close
        if let answer = request.ownAnswer(persistence) {
            self.goOn(persistence, now)
            return .write(answer)
        }
        self.phase = .dialing(request)
        return .open(self.stream, StreamRequest(request.target.destination))
    }

    private mutating func connect(_ request: HTTPRequest, _ now: NIODeadline, _ writable: Bool) -> SessionAction? {
        guard let path = request.target.path else {
            self.phase = .handingOver
            return .write(HTTPAnswer.connected)
        }
        self.forward = HTTPForward(request, path: path, on: self.stream, limits: self.configuration.limits)
        self.phase = .forwarding
        return self.nextOfForward(now, writable)
    }

    private mutating func nextOfForward(_ now: NIODeadline, _ writable: Bool) -> SessionAction? {
        let step = self.forward?.next(&self.input, inputHasEnded: self.inputHasEnded, writable: writable)
        switch step {
        case nil: return nil
        case .action(.handOver(_, let leftover)): return self.handOver(leftover: leftover)
        case .action(let action): return action
        case .answered(let persistence): return self.endStream(nil, now, writable) { $0.goOn(persistence, now) }
        case .failed(let fault, let answer):
            return self.endStream(fault, now, writable) { front in
                if let answer, let forward = front.forward {
                    front.answer(answer, to: forward.request, if: forward.mayGoOn)
                } else {
                    front.end(nil, to: "", .cutOff(fault ?? .aborted))
                }
            }
        case .broken(let answer, let error):
            let method = self.forward?.request.method ?? ""
            return self.endStream(.aborted, now, writable) { $0.end(answer, to: method, .violation(error)) }
        }
    }

    /// Says that the stream is over, if the runtime does not know, and then goes on.
    private mutating func endStream(
        _ fault: StreamFault?, _ now: NIODeadline, _ writable: Bool, _ goOn: (inout HTTPProxyServer) -> Void
    ) -> SessionAction? {
        let isKnown = self.forward?.isGone ?? true
        let stream = self.stream
        goOn(&self)
        self.forward = nil
        return isKnown ? self.next(now: now, writable: writable) : .end(stream, fault)
    }
}

// MARK: - The end of a request, and of the connection

extension HTTPProxyServer {
    /// Answers in the place of the origin. CONNECT is not followed by another request, lest early bytes of a tunnel that
    /// was refused be taken for one.
    private mutating func answer(_ answer: HTTPAnswer, to request: HTTPRequest, if mayGoOn: Bool? = nil) {
        let isKept = mayGoOn ?? (request.body.isComplete && request.upgrades.isEmpty)
        let persistence = isKept && request.target.path != nil ? request.persistence : .close
        self.phase = .answering(answer.bytes(withBody: request.method != "HEAD", persistence), persistence)
    }

    /// Waits for the next request, or for nothing more.
    private mutating func goOn(_ persistence: HTTPPersistence, _ now: NIODeadline) {
        guard persistence != .close else { return self.end(nil, to: "", .finished) }
        self.phase = .head
        self.isResting = true
        self.delays = 0
        self.timeout = persistence.timeout
        self.deadline = now + self.timeout
        self.stream = StreamID(self.stream.rawValue &+ 1)
        // An idle connection keeps no storage.
        if self.input.readableBytes == 0 { self.input = ByteBuffer() }
    }

    /// A user who is still busy with the last answer has time for the next request, though not without end.
    private mutating func isDelayed(_ now: NIODeadline, _ writable: Bool) -> Bool {
        guard case .head = self.phase, self.isResting, !writable, self.delays < Self.mostDelays else { return false }
        self.delays += 1
        self.deadline = now + self.timeout
        return true
    }

    private mutating func handOver(leftover: ByteBuffer) -> SessionAction {
        let stream = self.stream
        self.leave()
        return .handOver(stream, leftover: leftover)
    }

    /// The request took too long. Browsers open connections ahead of need and keep them: one without a word ends without
    /// a word, or the answer would be taken for that of the next request.
    private mutating func late() -> SessionAction? {
        let reason = CloseReason.timedOut(phase: "HTTP request")
        guard case .head = self.phase, self.input.readableBytes == 0 else {
            self.end(.tooSlow, to: "", reason)
            return self.next(now: .distantPast, writable: false)
        }
        return self.close(self.isResting ? .finished : reason)
    }

    private mutating func end(_ answer: HTTPAnswer?, to method: String, _ reason: CloseReason) {
        self.deadline = nil
        self.input = ByteBuffer()
        self.forward = nil
        self.phase = .ending(answer?.bytes(withBody: method != "HEAD"), reason)
    }

    private mutating func close(_ reason: CloseReason) -> SessionAction {
        self.leave()
        return .close(reason)
    }

    private mutating func leave() {
        self.deadline = nil
        self.input = ByteBuffer()
        self.forward = nil
        self.phase = .closed
    }
}

extension ByteBuffer {
    /// Keeps no more behind the reader than pipelined requests need.
    fileprivate mutating func discardReadBytesIfLarge() {
        if self.readableBytes == 0 {
            self = ByteBuffer()
        } else if self.readerIndex > 32 << 10 {
            self.discardReadBytes()
        }
    }
}

extension HTTPProxyServer: TunnelProtocol {
    package static let name = "http"

    /// A method, which is any token, and the space behind it; empty lines may come first.
    package static func detect(_ head: ByteBufferView) -> Detection {
        var rest = head
        while rest.count >= 2, rest.starts(with: "\r\n".utf8) { rest = rest.dropFirst(2) }
        if rest.elementsEqual("\r".utf8) { return Self.needsMore(head) }
        let method = rest.prefix { $0.isToken }
        guard method.endIndex < rest.endIndex else { return Self.needsMore(head) }
        return !method.isEmpty && rest[method.endIndex] == UInt8(ascii: " ") ? .yes : .no
    }

    /// Nothing else begins with so many letters: whatever it is, it gets an answer.
    private static let longestDetected = 64

    private static func needsMore(_ head: ByteBufferView) -> Detection {
        head.count < Self.longestDetected ? .needs(bytes: head.count + 1) : .yes
    }
}
