// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// Plays the runtime to a session machine and watches what it says.
struct FuzzDriver<Machine: SessionMachine> {
    /// What the runtime answers.
    struct Manner {
        var verdict = Verdict.accepted(name: "alice")
        var accepts = true
        /// Sends back what is delivered.
        var echoes = false
        /// Asks for a stream as soon as there may be one.
        var opens = false
    }

    private static var mostSteps: Int { 200_000 }

    var machine: Machine
    let manner: Manner
    var now = NIODeadline.uptimeNanoseconds(1_000_000_000)
    /// Everything but writes; pieces of one stream that follow each other count as one.
    private(set) var said: [SessionAction] = []
    private(set) var written = ByteBuffer()
    private(set) var complaint: String?
    private var isOver = false
    private var steps = 0
    private var fed = 0

    init(_ machine: Machine, _ manner: Manner = Manner()) {
        self.machine = machine
        self.manner = manner
        self.machine.start(now: self.now)
        self.pull()
    }

    /// For a machine that has started elsewhere.
    init(running machine: Machine, _ manner: Manner = Manner()) {
        self.machine = machine
        self.manner = manner
    }

    /// Gives bytes in pieces of one size while they are wanted. What is left goes where a leftover goes.
    mutating func feed(_ bytes: [UInt8], by size: Int) {
        var rest = ByteBuffer(bytes: bytes)
        while rest.readableBytes > 0, !self.isOver, self.machine.wantsBytes,
            let piece = rest.readSlice(length: min(size, rest.readableBytes))
        {
            self.fed += piece.readableBytes
            self.machine.receive(piece)
            self.pull()
        }
        if case .handOver(let stream, var leftover)? = self.said.last {
            leftover.writeImmutableBuffer(rest)
            self.said[self.said.count - 1] = .handOver(stream, leftover: leftover)
        }
    }

    /// Lets alarms ring, then ends the carrier.
    mutating func end() {
        for _ in 0..<20 {
            guard let deadline = self.machine.deadline, !self.isOver else { break }
            self.now = max(self.now, deadline)
            self.pull()
            if self.machine.wantsTurn || self.machine.deadline.map({ $0 <= self.now }) == true, !self.isOver {
                self.complain("an alarm rings for ever")
                break
            }
        }
        self.machine.receiveEnd()
        self.pull()
    }

    mutating func pull() {
        while let action = self.machine.next(now: self.now, writable: true) {
            self.steps += 1
            guard self.steps < Self.mostSteps else { return self.complain("it does not stop speaking") }
            if self.isOver { return self.complain("it spoke after its end: \(action)") }
            self.perform(action)
        }
        if self.written.readableBytes > 1 << 20, self.written.readableBytes > 64 * self.fed {
            self.complain("\(self.written.readableBytes) bytes written for \(self.fed)")
        }
    }

    private mutating func perform(_ action: SessionAction) {
        switch action {
        case .write(let bytes):
            self.written.writeImmutableBuffer(bytes)
            return
        case .authenticate: self.machine.judged(self.manner.verdict)
        case .open(let stream, _):
            if self.manner.accepts { self.machine.accept(stream) } else { self.machine.reset(stream, .refused) }
        case .deliver(let stream, let bytes):
            self.machine.consumed(bytes.readableBytes, on: stream)
            if self.manner.echoes { self.machine.send(bytes, on: stream) }
            if case .deliver(stream, var before)? = self.said.last {
                before.writeImmutableBuffer(bytes)
                self.said[self.said.count - 1] = .deliver(stream, before)
                return
            }
        case .finish(let stream): if self.manner.echoes { self.machine.finish(stream) }
        case .handOver, .close: self.isOver = true
        case .ready where self.manner.opens:
            let request = StreamRequest(.tcp(Host("example.net"), port: 443))
            if (try? self.machine.open(request, now: self.now)) == nil { self.complain("it opens nothing") }
        case .isolateWrites, .ready, .granted, .serve, .withdraw, .opened, .end, .pause, .resume: break
        }
        self.said.append(action)
    }

    private mutating func complain(_ sentence: String) { self.complaint = self.complaint ?? sentence }
}

extension FuzzDriver {
    /// Gives a new machine the bytes in one piece and another one byte by byte, and compares what they say.
    static func judge(_ bytes: [UInt8], _ manner: Manner = Manner(), _ make: () -> Machine) -> String? {
        Self.judge(bytes) { FuzzDriver(make(), manner) }
    }

    static func judge(_ bytes: [UInt8], _ make: () -> FuzzDriver) -> String? {
        var (whole, cut) = (make(), make())
        whole.feed(bytes, by: max(bytes.count, 1))
        cut.feed(bytes, by: 1)
        var complaint: String?
        // Before a violation more may have been passed on where the good bytes came alone.
        if whole.said != cut.said, !whole.isViolated { complaint = "whole: \(whole.said)\ncut: \(cut.said)" }
        // An echo comes at another moment: it may be a bad answer before the rest is a bad request.
        if whole.manner.echoes {
            complaint = nil
        } else if whole.written != cut.written {
            complaint = "written, whole: \(whole.written) cut: \(cut.written)"
        }
        whole.end()
        cut.end()
        return whole.complaint ?? cut.complaint ?? complaint
    }

    /// The same for machines whose order of words depends on the pieces: several streams at once.
    static func judgeLoosely(_ bytes: [UInt8], _ make: () -> FuzzDriver) -> String? {
        var (whole, cut) = (make(), make())
        whole.feed(bytes, by: max(bytes.count, 1))
        cut.feed(bytes, by: 7)
        // Where the pieces are small, windows have grown before the next one: what was too much is not any more.
        let isSame = whole.isViolated || whole.delivered == cut.delivered
        let complaint = isSame ? nil : "whole: \(whole.said)\ncut: \(cut.said)"
        whole.end()
        cut.end()
        return whole.complaint ?? cut.complaint ?? complaint
    }

    private var isViolated: Bool {
        if case .close(.violation)? = self.said.last { true } else { false }
    }

    private var delivered: [StreamID: ByteBuffer] {
        self.said.reduce(into: [:]) { all, action in
            if case .deliver(let stream, let bytes) = action {
                all[stream, default: ByteBuffer()].writeImmutableBuffer(bytes)
            }
        }
    }
}
