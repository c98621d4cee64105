// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// A visitor's connection by plain HTTP at the device of one name: each further request is judged before anything of
/// it is passed on. What goes on is as it came.
///
/// ```
/// request:  head ──allowed──> body ──complete──> head       (not before the answer, where that may end HTTP here)
///             ├──of another name──> left: when all answers that are due have come, the end of the stream, and ``left``
///             └──broken──> refused: when all answers that are due have come, ours, and the end
/// answer:   device ──send──> HTTPAnswerWatch ──writable──> visitor        switched ──> handOver
///             └──a fault before the first byte──> ours, and the end
/// ```
struct HTTPWatch {
    /// What becomes of a request.
    enum Judgement {
        case passed
        /// It is for another name.
        case left
        case refused(HTTPAnswer)
    }

    /// Why nothing more of the visitor is passed on.
    private struct Refusal {
        let answer: ByteBuffer
        let reason: CloseReason
    }

    private enum Device: Equatable {
        case live
        case finished
        /// Ended by the runtime: nobody takes what we would deliver.
        case gone(StreamFault?)
    }

    private let stream: StreamID
    private let limits: SessionLimits
    private let judge: @Sendable (HTTPHost) -> Judgement
    private var input: ByteBuffer
    private var inputHasEnded: Bool
    private var scan = HTTPHeadScan.request
    private var beginning = HTTPBeginning(skippingEmptyLines: true)
    private var body = HTTPBody.none
    private var hasFinished = false
    private var unread = 0
    private var refusal: Refusal?
    /// What waits is for another name.
    private var isLeaving = false
    /// The stream has ended, and the connection goes on with this, which begins with a whole head; nil before.
    private(set) var left: ByteBuffer?
    private var answers = HTTPAnswerWatch()
    private var queue = CircularBuffer<ByteBuffer>()
    private var queued = 0
    private var isPaused = false
    private var device = Device.live
    /// What the visitor gets of us in the place of an answer of the device's, which will not come.
    private var apology: ByteBuffer?
    /// The last steps; nil before them.
    private var last: CircularBuffer<SessionAction>?

    /// - Parameters:
    ///   - input: what has come, from the first request on.
    init(
        _ input: ByteBuffer, hasEnded: Bool, on stream: StreamID, limits: SessionLimits,
        judge: @escaping @Sendable (HTTPHost) -> Judgement
    ) {
        self.input = input
        self.inputHasEnded = hasEnded
        self.stream = stream
        self.limits = limits
        self.judge = judge
    }

    var wantsBytes: Bool {
        self.last == nil && self.refusal == nil && !self.isLeaving && self.unread < self.limits.unreadPerStream
            && self.input.readableBytes < Detection.mostBytes
    }

    var mayEndInOrder: Bool { !self.answers.isUnderWay }

    /// A part of a head has come, and the rest is nobody's matter but the visitor's.
    var awaitsHead: Bool {
        self.wantsBytes && !self.inputHasEnded && !self.isGone && self.input.readableBytes > 0 && self.body.isComplete
            && !self.answers.hasSwitched && !self.answers.mayLeaveHTTP && !self.answers.isFull
    }

    /// The rest has not come in time.
    mutating func headIsLate() { self.refuse(.tooSlow, to: "", .timedOut(phase: "request")) }

    mutating func receive(_ bytes: ByteBuffer) {
        if self.last == nil, self.refusal == nil { self.input.take(bytes) }
    }

    mutating func receiveEnd() { self.inputHasEnded = true }

    mutating func send(_ bytes: ByteBuffer) {
        if self.device == .live { self.enqueue(self.answers.follow(bytes)) }
    }

    mutating func finish() {
        guard self.device == .live else { return }
        self.device = .finished
        self.enqueue(self.answers.end())
    }

    /// An orderly end leaves the visitor what was queued, and so does the device's reset; another fault does not. A visitor who
    /// has no byte of any answer is told; half of one must not look whole.
    mutating func reset(_ fault: StreamFault?) {
        if let fault, let method = self.answers.firstUnanswered, self.device == .live {
            self.apology = HTTPAnswer(device: fault).bytes(withBody: method != "HEAD")
        }
        if self.device == .live { self.enqueue(self.answers.end()) }
        self.device = .gone(fault)
        guard let fault, !fault.comesBehindBytes else { return }
        self.queue.removeAll()
        self.queued = 0
    }

    mutating func consumed(_ count: Int) { self.unread = max(0, self.unread - count) }

    private mutating func enqueue(_ bytes: ByteBuffer) {
        guard bytes.readableBytes > 0 else { return }
        self.queue.append(bytes)
        self.queued += bytes.readableBytes
    }
}

// MARK: - Steps

extension HTTPWatch {
    mutating func next(writable: Bool) -> SessionAction? {
        if self.last != nil { return self.last?.popFirst() }
        if let action = self.nextOfRequest() { return action }
        if writable || self.isGone, let piece = self.queue.popFirst() {
            self.queued -= piece.readableBytes
            return .write(piece)
        }
        if let action = self.nextOfPressure() { return action }
        return self.queue.isEmpty ? self.nextOfEnd() : nil
    }

    private var isGone: Bool { if case .gone = self.device { true } else { false } }

    private mutating func nextOfRequest() -> SessionAction? {
        guard !self.isGone, self.refusal == nil, !self.isLeaving, !self.answers.hasSwitched else { return nil }
        do throws(WireError) {
            if let piece = try self.body.read(from: &self.input) { return self.deliver(piece) }
        } catch {
            return self.breakOff(error)
        }
        guard self.body.isComplete else { return self.nextOfInputEnd() }
        // What comes behind it is a request, or it is not HTTP: its answer tells.
        if self.answers.mayLeaveHTTP { return self.input.readableBytes == 0 ? self.nextOfInputEnd() : nil }
        guard !self.answers.isFull else { return nil }
        var method = ""
        do throws(HTTPAnswer) {
            guard let head = try self.readHead(&method) else { return self.isLeaving ? nil : self.nextOfInputEnd() }
            return self.deliver(head)
        } catch {
            self.refuse(error, to: method)
            return nil
        }
    }

    /// - Returns: all of the next request's head, if it may go on; nil where more has to come, or it is for another name.
    private mutating func readHead(_ method: inout String) throws(HTTPAnswer) -> ByteBuffer? {
        let found = try HTTPAnswer.reading { () throws(HTTPFlaw) in try self.scan.length(in: self.input) }
        guard let length = found, let head = self.input.getSlice(at: self.input.readerIndex, length: length) else {
            guard self.beginning.mayGoOn(self.input.readableBytesView) else { throw .notARequest }
            return nil
        }
        (self.scan, self.beginning) = (.request, HTTPBeginning(skippingEmptyLines: true))
        let text = head.readableBytesView.afterEmptyLines
        guard let request = HTTPHost(text) else { throw .notARequest }
        method = request.method
        switch self.judge(request) {
        case .refused(let answer): throw answer
        case .left:
            self.isLeaving = true
            self.input.moveReaderIndex(forwardBy: length - text.count)
            return nil
        case .passed: self.input.moveReaderIndex(forwardBy: length)
        }
        self.body = try request.body.get()
        self.answers.expect(request)
        return head
    }

    private mutating func deliver(_ bytes: ByteBuffer) -> SessionAction {
        // The storage is the piece's alone.
        if self.input.readableBytes == 0 { self.input = ByteBuffer() }
        self.unread += bytes.readableBytes
        return .deliver(self.stream, bytes)
    }

    /// The visitor may have gone, or only have nothing more to say: that is for the device to judge.
    private mutating func nextOfInputEnd() -> SessionAction? {
        guard self.inputHasEnded, !self.hasFinished else { return nil }
        self.hasFinished = true
        return .finish(self.stream)
    }

    private mutating func nextOfPressure() -> SessionAction? {
        guard !self.isGone else { return nil }
        let most = self.limits.queuedPerStream
        guard self.isPaused ? self.queued < most / 2 : self.queued >= most else { return nil }
        self.isPaused.toggle()
        return self.isPaused ? .pause(self.stream) : .resume(self.stream)
    }

    /// Everything that has come of the device is written.
    private mutating func nextOfEnd() -> SessionAction? {
        switch self.device {
        case .gone where self.apology != nil: return self.end(self.apology, self.refusal?.reason ?? .finished)
        case .gone(let fault): return self.end(nil, fault.map { .cutOff($0) } ?? self.refusal?.reason ?? .finished)
        case .live where self.answers.hasSwitched, .finished where self.answers.hasSwitched:
            defer { self.end() }
            return .handOver(self.stream, leftover: self.input)
        case .finished:
            // Its answer may have come early: a body goes on to its end.
            guard self.body.isComplete || self.hasFinished || self.refusal != nil else { return nil }
            return self.end(nil, self.refusal?.reason ?? .finished)
        case .live where self.isLeaving:
            return self.leave()
        case .live:
            guard let refusal, self.answers.isAtRest else { return nil }
            return self.end(refusal.answer, refusal.reason)
        }
    }
}

// MARK: - The end

extension HTTPWatch {
    private mutating func refuse(_ answer: HTTPAnswer, to method: String, _ why: CloseReason? = nil) {
        let isStranger = answer.code == 400 || answer.code == 431
        let reason = why ?? (isStranger ? answer.violation : .finished)
        self.input = ByteBuffer()
        self.refusal = Refusal(answer: answer.bytes(withBody: method != "HEAD"), reason: reason)
    }

    /// The device has a part of a body and will not get the rest, so there may be no answer.
    private mutating func breakOff(_ error: WireError) -> SessionAction? {
        let answer = HTTPAnswer.malformed("The body is not chunked as it says.")
        let mayAnswer = self.answers.hasOneToCome && self.queue.isEmpty
        return self.end(mayAnswer ? answer.bytes() : nil, .violation(error), .aborted)
    }

    /// Behind what was the last answer nothing is read any more. Where nobody can say where that ends, its device does.
    private mutating func leave() -> SessionAction? {
        guard self.answers.isAtRest else { return nil }
        guard !self.answers.wasLast else { return self.end(nil, .finished) }
        self.left = self.input
        self.end()
        return .end(self.stream, nil)
    }

    private mutating func end(
        _ answer: ByteBuffer?, _ reason: CloseReason, _ fault: StreamFault? = nil
    ) -> SessionAction? {
        var last = CircularBuffer<SessionAction>()
        if let answer { last.append(.write(answer)) }
        if !self.isGone { last.append(.end(self.stream, fault)) }
        last.append(.close(reason))
        self.end()
        self.last = last
        return self.last?.popFirst()
    }

    private mutating func end() {
        self.last = []
        self.input = ByteBuffer()
        self.queue.removeAll()
        self.queued = 0
    }
}

extension HTTPAnswer {
    fileprivate static var notARequest: HTTPAnswer { .malformed("What follows is no request of HTTP/1.") }
}

extension ByteBufferView {
    /// They are left over from sloppy bodies (RFC 9112, section 2.2).
    fileprivate var afterEmptyLines: ByteBufferView {
        var rest = self
        while rest.starts(with: "\r\n".utf8) { rest = rest.dropFirst(2) }
        return rest
    }
}
