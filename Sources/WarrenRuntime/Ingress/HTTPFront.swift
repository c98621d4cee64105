// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import WarrenCore

/// An HTTP proxy for one user's connection: CONNECT, or one request in absolute form.
///
/// ```
/// head ──login──> judging ──accepted──> opening ──open──> dialing ──accept──> connected
///   │                └──denied──┐                            │          CONNECT │ │ absolute form
///   │                           │                          reset                │ └──> forwarding (HTTPForward)
///   └──bad head, no login, late─┴──> ending ──answer──> closing <───────────────┼──────────┘
///                                                          └──> closed <── handingOver
/// ```
package struct HTTPFront: SessionMachine {
    private enum Phase {
        case head
        case judging(HTTPRequest)
        case opening(HTTPRequest)
        case dialing(HTTPRequest)
        case connected(HTTPRequest)
        case forwarding
        case handingOver
        /// To be told: first the stream's end where it has one, then the answer, then the session's end.
        case ending(ByteBuffer?, CloseReason)
        case closed
    }

    package private(set) var deadline: NIODeadline?
    private let configuration: FrontConfiguration
    private var phase = Phase.head
    private var scan = HTTPHeadScan()
    private var input = ByteBuffer()
    private var inputHasEnded = false
    private var forward: HTTPForward?

    package init(_ configuration: FrontConfiguration) { self.configuration = configuration }

    package var wantsBytes: Bool {
        self.forward?.wantsBytes ?? (self.input.readableBytes < FrontConfiguration.mostEarlyBytes)
    }

    package mutating func start(now: NIODeadline) { self.deadline = now + self.configuration.limits.handshake }

    package mutating func next(now: NIODeadline, writable: Bool) -> SessionAction? {
        if let deadline, deadline <= now { return self.late() }
        switch self.phase {
        case .head: return self.readHead()
        case .judging, .dialing, .closed: return nil
        case .opening(let request):
            self.deadline = nil
            self.phase = .dialing(request)
            return .open(.front, StreamRequest(request.target.destination))
        case .connected(let request): return self.connect(request, writable: writable)
        case .forwarding: return self.nextOfForward(writable: writable)
        case .handingOver: return self.handOver(leftover: self.input)
        case .ending(let answer, let reason):
            guard let answer else { return self.close(reason) }
            self.phase = .ending(nil, reason)
            return .write(answer)
        }
    }
}

// MARK: - Commands

extension HTTPFront {
    package mutating func receive(_ bytes: ByteBuffer) {
        switch self.phase {
        case .head, .judging, .opening, .dialing, .connected, .handingOver: self.input.take(bytes)
        case .forwarding: self.forward?.receive(bytes)
        case .ending, .closed: return
        }
    }

    package mutating func receiveEnd() {
        self.inputHasEnded = true
        self.forward?.receiveEnd()
    }

    package mutating func judged(_ verdict: Verdict) {
        guard case .judging(let request) = self.phase else { return }
        switch verdict {
        case .accepted: self.phase = .opening(request)
        case .denied: self.end(.loginRequired, to: request.method, .denied)
        }
    }

    package mutating func accept(_ stream: StreamID) {
        guard case .dialing(let request) = self.phase else { return }
        self.phase = .connected(request)
    }

    package mutating func reset(_ stream: StreamID, _ fault: StreamFault?) {
        guard case .dialing(let request) = self.phase else {
            self.forward?.reset(fault)
            return
        }
        let answer = HTTPAnswer(fault ?? .failed, reaching: request.target.destination)
        self.end(answer, to: request.method, .finished)
    }

    package mutating func send(_ bytes: ByteBuffer, on stream: StreamID) { self.forward?.send(bytes) }

    package mutating func finish(_ stream: StreamID) { self.forward?.finish() }

    package mutating func consumed(_ count: Int, on stream: StreamID) { self.forward?.consumed(count) }
}

// MARK: - Steps

extension HTTPFront {
    private mutating func readHead() -> SessionAction? {
        do throws(HTTPAnswer) {
            guard let length = try self.scan.length(in: self.input), let head = self.input.readSlice(length: length)
            else { return self.inputHasEnded ? self.close(.finished) : nil }
            let request = try HTTPRequest(head.readableBytesView)
            guard self.configuration.requiresLogin else {
                self.phase = .opening(request)
                return self.next(now: .distantPast, writable: false)
            }
            guard let claim = request.claim else {
                self.end(.loginRequired, to: request.method, .denied)
                return self.next(now: .distantPast, writable: false)
            }
            self.phase = .judging(request)
            return .authenticate(claim)
        } catch {
            self.end(error, to: "", error.violation)
            return self.next(now: .distantPast, writable: false)
        }
    }

    private mutating func connect(_ request: HTTPRequest, writable: Bool) -> SessionAction? {
        guard let path = request.target.path else {
            self.phase = .handingOver
            return .write(HTTPAnswer.connected)
        }
        self.forward = HTTPForward(
            request, path: path, input: self.input, inputHasEnded: self.inputHasEnded, limits: self.configuration.limits
        )
        self.input = ByteBuffer()
        self.phase = .forwarding
        return self.nextOfForward(writable: writable)
    }

    private mutating func nextOfForward(writable: Bool) -> SessionAction? {
        switch self.forward?.next(writable: writable) {
        case nil: return nil
        case .action(.handOver(_, let leftover)): return self.handOver(leftover: leftover)
        case .action(let action): return action
        case .end(let action, let answer, let reason):
            self.end(answer, to: self.forward?.request.method ?? "", reason)
            return action ?? self.next(now: .distantPast, writable: writable)
        }
    }

    private mutating func handOver(leftover: ByteBuffer) -> SessionAction {
        self.leave()
        return .handOver(.front, leftover: leftover)
    }

    /// The request took too long. Browsers open connections ahead of need: one without a word ends without a word, or
    /// the answer would be taken for that of the next request.
    private mutating func late() -> SessionAction {
        let reason = CloseReason.timedOut(phase: "HTTP request")
        guard case .head = self.phase, self.input.readableBytes == 0 else {
            self.end(.tooSlow, to: "", reason)
            return self.next(now: .distantPast, writable: false) ?? self.close(reason)
        }
        return self.close(reason)
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

extension HTTPFront: TunnelProtocol {
    package static let name = "http"

    /// A method in capitals and the space behind it.
    package static func detect(_ head: ByteBufferView) -> Detection {
        let method = head.prefix { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) || $0 == UInt8(ascii: "-") }
        guard method.count < Self.longestMethod, method.first != UInt8(ascii: "-") else { return .no }
        guard method.endIndex < head.endIndex else { return .needs(bytes: head.count + 1) }
        return !method.isEmpty && head[method.endIndex] == UInt8(ascii: " ") ? .yes : .no
    }

    /// The longest registered one has 17 bytes.
    private static let longestMethod = 24
}
