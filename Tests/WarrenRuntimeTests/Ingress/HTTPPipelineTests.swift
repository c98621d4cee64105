// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenRuntime

/// Random pipelines × random answers × random cuts × losses at every point.
@Suite("HTTP inbound: any pipeline, any answers, any losses") struct HTTPPipelineTests {
    @Test func userAndOriginsSeeWhatTheyMust() {
        for run in 0..<ModelRuns.count {
            var conversation = PlannedConversation(seed: UInt64(run))
            conversation.run()
            #expect(conversation.complaints.isEmpty, "seed \(run): \(conversation.complaints)")
            if !conversation.complaints.isEmpty { return }
        }
    }
}

/// A user who says everything that is planned, the origins of it, and the runtime between them.
private struct PlannedConversation {
    private enum Stream: Hashable { case dialing, open, over }

    private let plan: [PlannedExchange]
    private var machine = HTTPProxyServer(ProxyServerConfiguration())
    private var random: SeededRandom
    private let now = NIODeadline.uptimeNanoseconds(1_000_000_000)
    private var unsent: ByteBuffer
    /// So many bytes of the requests are ever sent.
    private let userSays: Int
    /// Empty lines between the requests, in bytes.
    private let separator: Int
    private var userHasEnded = false
    private var writable = true
    private var seen = ByteBuffer()
    private var close: CloseReason?
    private(set) var complaints: [String] = []

    /// The exchange in hand, and its stream.
    private var current = -1
    private var id = StreamID(0)
    private var stream = Stream.over
    private var delivered = ByteBuffer()
    private var unconsumed = 0
    private var answered = 0
    private var originHasEnded = false
    private var isPaused = false

    init(seed: UInt64) {
        var random = SeededRandom(seed)
        self.plan = (0..<Int.random(in: 1...5, using: &random)).map { PlannedExchange($0, &random) }
        self.separator = Bool.random(using: &random) ? 2 : 0
        let all = plan.map(\.request).joined(separator: self.separator == 2 ? "\r\n" : "")
        self.unsent = ByteBuffer(string: all)
        let isCut = Int.random(in: 0..<3, using: &random) == 0
        self.userSays = isCut ? Int.random(in: 0...all.utf8.count, using: &random) : all.utf8.count
        if isCut { self.unsent = self.unsent.getSlice(at: 0, length: self.userSays) ?? self.unsent }
        self.random = random
        self.machine.start(now: self.now)
    }

    private mutating func complain(_ what: String) { self.complaints.append("exchange \(self.current): \(what)") }

    private mutating func chance(_ outOf: Int) -> Bool { Int.random(in: 0..<outOf, using: &self.random) == 0 }

    mutating func run() {
        _ = self.pull()
        for _ in 0..<4000 where self.close == nil && self.complaints.isEmpty {
            var isQuiet = !self.step()
            if self.chance(3) || isQuiet { isQuiet = !self.pull() && isQuiet }
            guard isQuiet, self.close == nil else { continue }
            guard self.writable else {
                self.writable = true
                continue
            }
            guard !self.userHasEnded else { break }
            self.userHasEnded = true
            self.machine.receiveEnd()
        }
        if self.complaints.isEmpty { self.check() }
    }

    /// Lets one of those who have something to say say it.
    private mutating func step() -> Bool {
        if self.chance(6) { self.writable.toggle() }
        switch Int.random(in: 0..<3, using: &self.random) {
        case 0: return self.userSpeaks() || self.originSpeaks() || self.consume()
        case 1: return self.originSpeaks() || self.consume() || self.userSpeaks()
        default: return self.consume() || self.userSpeaks() || self.originSpeaks()
        }
    }

    private mutating func userSpeaks() -> Bool {
        guard self.machine.wantsBytes, self.unsent.readableBytes > 0 else { return false }
        let most = self.chance(4) ? 1000 : 30
        let count = min(Int.random(in: 1...most, using: &self.random), self.unsent.readableBytes)
        if let piece = self.unsent.readSlice(length: count) { self.machine.receive(piece) }
        return true
    }

    private mutating func consume() -> Bool {
        guard self.unconsumed > 0 else { return false }
        let count = Int.random(in: 1...self.unconsumed, using: &self.random)
        self.unconsumed -= count
        self.machine.consumed(count, on: self.id)
        return true
    }
}

// MARK: - The origin

extension PlannedConversation {
    private mutating func originSpeaks() -> Bool {
        guard self.plan.indices.contains(self.current) else { return false }
        let exchange = self.plan[self.current]
        switch (self.stream, exchange.origin) {
        case (.over, _), (_, .none): return false
        case (.dialing, .refuses(let fault)):
            self.stream = .over
            self.machine.reset(self.id, fault)
            return true
        case (.dialing, .answers):
            self.stream = .open
            self.machine.accept(self.id)
            return true
        case (.open, .refuses): return false
        case (.open, .answers(let bytes, let ending)):
            // It answers when it has heard all; what comes of an early answer has tests of its own.
            guard self.delivered.readableBytes == exchange.wanted.utf8.count, !self.originHasEnded else { return false }
            return self.answer(exchange, bytes, ending)
        }
    }

    private mutating func answer(
        _ exchange: PlannedExchange, _ bytes: Int, _ ending: PlannedExchange.Ending?
    ) -> Bool {
        if self.answered < bytes {
            // A source that is told to stop may have had one more piece in hand.
            if self.isPaused && !self.chance(3) { return false }
            let count = min(Int.random(in: 1...(self.chance(3) ? 500 : 25), using: &self.random), bytes - self.answered)
            let all = ByteBuffer(string: exchange.answer)
            if let piece = all.getSlice(at: self.answered, length: count) { self.machine.send(piece, on: self.id) }
            self.answered += count
            return true
        }
        guard let ending else { return false }
        self.originHasEnded = true
        switch ending {
        case .finishes: self.machine.finish(self.id)
        case .resets:
            // What the server has not looked at is lost with it: here it has.
            self.writable = true
            _ = self.pull()
            guard self.stream == .open else { return true }
            self.stream = .over
            self.machine.reset(self.id, .aborted)
        case .ends:
            self.stream = .over
            self.machine.reset(self.id, nil)
        }
        return true
    }
}

// MARK: - The server

extension PlannedConversation {
    /// - Returns: whether anything was said.
    private mutating func pull() -> Bool {
        for count in 0..<10_000 {
            guard let action = self.machine.next(now: self.now, writable: self.writable) else { return count > 0 }
            if self.close != nil { self.complain("speaks after its end: \(action)") }
            self.perform(action)
        }
        self.complain("does not stop speaking")
        return true
    }

    private mutating func perform(_ action: SessionAction) {
        switch action {
        case .write(let bytes): self.seen.writeImmutableBuffer(bytes)
        case .open(let id, let request): self.opened(id, request)
        case .deliver(let id, let bytes):
            guard id == self.id, self.stream == .open else { return self.complain("delivers to nobody") }
            self.delivered.writeImmutableBuffer(bytes)
            self.unconsumed += bytes.readableBytes
            let wanted = self.plan[self.current].wanted
            if !wanted.utf8.starts(with: self.delivered.readableBytesView) {
                self.complain("the origin got \(String(buffer: self.delivered))")
            }
        case .finish(let id):
            if id != self.id || self.stream != .open || !self.userHasEnded { self.complain("finishes too early") }
        case .end(let id, let fault):
            guard id == self.id, self.stream == .open else { return self.complain("ends nothing") }
            self.stream = .over
            let isWhole = self.delivered.readableBytes == self.plan[self.current].wanted.utf8.count
            if !isWhole && fault == nil { self.complain("half a request ended in order") }
        case .pause: self.isPaused = true
        case .resume: self.isPaused = false
        case .close(let reason): self.close = reason
        case .isolateWrites, .authenticate, .ready, .granted, .serve, .withdraw, .opened, .handOver:
            self.complain("says \(action)")
        }
    }

    private mutating func opened(_ id: StreamID, _ request: StreamRequest) {
        guard self.stream == .over else { return self.complain("opens two at once") }
        if self.current >= 0, id == self.id { return self.complain("uses an id again") }
        repeat {
            self.current += 1
        } while self.plan.indices.contains(self.current) && self.plan[self.current].origin == .none
        guard self.plan.indices.contains(self.current) else { return self.complain("opens without a request") }
        if request.destination != .tcp(Host(self.plan[self.current].host), port: 80) {
            self.complain("\(request.destination)")
        }
        self.id = id
        self.stream = .dialing
        self.delivered = ByteBuffer()
        self.unconsumed = 0
        self.answered = 0
        self.originHasEnded = false
        self.isPaused = false
    }
}

// MARK: - The user

extension PlannedConversation {
    /// Reads what the user has seen, answer by answer.
    private mutating func check() {
        var rest = String(buffer: self.seen)[...]
        var said = 0
        for (index, exchange) in self.plan.enumerated() {
            self.current = index
            let isWhole = said + exchange.request.utf8.count <= self.userSays
            guard isWhole else { return self.checkHalf(exchange, said: self.userSays - said, rest) }
            said += exchange.request.utf8.count
            switch exchange.seen {
            case .whole(let text):
                guard self.take(text, from: &rest) else { return }
            case .cutOff(let text):
                if !text.utf8.starts(with: rest.utf8) { self.complain("seen: \(rest)") }
                if self.close != .cutOff(.aborted) { self.complain("not reset but \(String(describing: self.close))") }
                return
            case .ownAnswer(let before, let status):
                guard self.take(before, from: &rest), self.takeOwn(status, exchange, &rest) else { return }
            }
            if exchange.closes { break }
            said += self.separator
        }
        if !rest.isEmpty { self.complain("more than was to be seen: \(rest)") }
        if self.close != .finished { self.complain("closed by \(String(describing: self.close))") }
    }

    /// A request that broke off: nothing of it, or its body's end, is missing.
    private mutating func checkHalf(_ exchange: PlannedExchange, said: Int, _ rest: Substring) {
        if said < exchange.headLength {
            if !rest.isEmpty { self.complain("an answer to half a head: \(rest)") }
            if self.close != .finished { self.complain("closed by \(String(describing: self.close))") }
            return
        }
        var rest = rest
        switch exchange.origin {
        case .none: _ = self.takeOwn("2", exchange, &rest)
        case .refuses: _ = self.takeOwn("5", exchange, &rest)
        case .answers:
            _ = self.takeOwn("4", exchange, &rest)
            guard case .violation(let error)? = self.close, error.code == .truncated else {
                return self.complain("half a body: \(String(describing: self.close))")
            }
        }
        if !rest.isEmpty { self.complain("more than was to be seen: \(rest)") }
    }

    private mutating func take(_ text: String, from rest: inout Substring) -> Bool {
        guard rest.utf8.starts(with: text.utf8) else {
            self.complain("wanted \(text.debugDescription), seen \(rest.debugDescription)")
            return false
        }
        rest = rest[rest.utf8.index(rest.startIndex, offsetBy: text.utf8.count)...]
        return true
    }

    /// An answer of the server's own: its status, and as much body as it says.
    private mutating func takeOwn(_ status: Character, _ exchange: PlannedExchange, _ rest: inout Substring) -> Bool {
        guard rest.hasPrefix("HTTP/1.1 \(status)"), let end = rest.firstRange(of: "\r\n\r\n"),
            let field = rest[..<end.lowerBound].firstRange(of: "Content-Length: "),
            let count = Int(rest[field.upperBound...].prefix { $0.isNumber })
        else {
            self.complain("no answer of the front's own: \(rest)")
            return false
        }
        let isClosing = rest[..<end.lowerBound].contains("Connection: close")
        if exchange.closes != isClosing, status != "4" { self.complain("closing is \(isClosing)") }
        let body = rest[end.upperBound...].utf8
        let length = exchange.method == "HEAD" ? 0 : count
        guard body.count >= length else {
            self.complain("half an answer of the front's own")
            return false
        }
        rest = rest[body.index(body.startIndex, offsetBy: length)...]
        return true
    }
}
