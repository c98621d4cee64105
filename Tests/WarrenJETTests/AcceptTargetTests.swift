// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenJET

/// A target that goes, or cannot be had, while the accepter waits.
@Suite("JET accepter's target")
struct AcceptTargetTests {
    private static let start = AcceptTests.start
    private static let ids = (0...9).map { StreamID($0) }

    private static func open(_ number: Int) -> SessionAction {
        .open(Self.ids[number], StreamRequest(.meeting(AcceptTests.meeting)))
    }

    private static func handOver(_ number: Int, _ text: String = "") -> SessionAction {
        .handOver(Self.ids[number], leftover: ByteBuffer(string: text))
    }

    private static func gone(_ number: Int) -> SessionAction { .end(Self.ids[number], .timedOut) }

    @Test func aTargetThatRefusesIsTriedAgainAfterPausesThatGrow() throws {
        var machine = try AcceptTests.granted()
        var now = Self.start
        for (number, pause) in [250, 500, 1000, 2000, 4000, 8000, 16000, 30000].enumerated() {
            machine.reset(Self.ids[number], .refused)
            #expect(machine.drain(now) == [])
            now = now + .milliseconds(Int64(pause))
            #expect(machine.deadline == now && machine.wantsBytes)
            #expect(machine.drain(now) == [Self.open(number + 1)])
        }
        machine.accept(Self.ids[8])
        machine.receive(ByteBuffer(string: "at last"))
        #expect(machine.drain(now) == [.ready, Self.handOver(8, "at last")])
    }

    @Test("a target that ends without a word is reached anew, and the wait goes on", arguments: [true, false])
    func silentTarget(isReset: Bool) throws {
        var machine = try AcceptTests.waiting()
        let later = Self.start + .seconds(120)
        if isReset { machine.reset(Self.ids[0], .aborted) } else { machine.finish(Self.ids[0]) }
        #expect(machine.drain(later) == (isReset ? [] : [Self.gone(0)]))
        #expect(machine.drain(later + .milliseconds(249)) == [])
        #expect(machine.drain(later + .milliseconds(250)) == [Self.open(1)])
        // What was still under way from the first one.
        machine.send(ByteBuffer(string: "old"), on: Self.ids[0])
        machine.finish(Self.ids[0])
        machine.reset(Self.ids[0], .aborted)
        machine.accept(Self.ids[0])
        machine.accept(Self.ids[1])
        machine.receive(ByteBuffer(string: "hello"))
        #expect(machine.drain(later + .milliseconds(251)) == [.ready, Self.handOver(1, "hello")])
    }

    @Test func aTargetThatStayedForAWhileIsTriedSoonAgain() throws {
        var machine = try AcceptTests.waiting()
        var now = Self.start
        for number in 0..<5 {
            now = now + .seconds(10)
            machine.finish(Self.ids[number])
            #expect(machine.drain(now) == [Self.gone(number)])
            now = now + .milliseconds(250)
            #expect(machine.drain(now) == [Self.open(number + 1)])
            machine.accept(Self.ids[number + 1])
            #expect(machine.drain(now) == [])
        }
    }

    @Test("a partner ends the pause, and is told if there is no target", arguments: [true, false])
    func partnerInAPause(isReached: Bool) throws {
        var machine = try AcceptTests.granted()
        machine.reset(Self.ids[0], .refused)
        #expect(machine.drain(Self.start) == [])
        machine.receive(ByteBuffer(string: "hello"))
        #expect(machine.drain(Self.start) == [Self.open(1)])
        if isReached {
            machine.accept(Self.ids[1])
            #expect(machine.drain(Self.start) == [.ready, Self.handOver(1, "hello")])
        } else {
            machine.reset(Self.ids[1], .refused)
            #expect(machine.drain(Self.start) == [.close(.carrierLost("the target: refused"))])
            machine.reset(Self.ids[1], .refused)
            machine.accept(Self.ids[1])
            machine.receive(ByteBuffer(string: "x"))
            #expect(machine.drain(Self.start + .hours(1)) == [] && machine.deadline == nil)
        }
    }

    @Test func aPartnerThatOnlyEndsIsToldToo() throws {
        var machine = try AcceptTests.granted()
        machine.reset(Self.ids[0], .unreachable)
        #expect(machine.drain(Self.start) == [])
        machine.receiveEnd()
        #expect(machine.drain(Self.start) == [Self.open(1)])
        machine.reset(Self.ids[1], .unreachable)
        #expect(machine.drain(Self.start) == [.close(.carrierLost("the target: unreachable"))])
    }

    @Test func nobodyCameWhileThereWasNoTarget() throws {
        var machine = try AcceptTests.granted()
        machine.reset(Self.ids[0], .refused)
        machine.receiveEnd()
        let late = Self.start + .seconds(299)
        #expect(machine.drain(late) == [.close(.timedOut(phase: "waiting for a partner"))])
    }

    @Test("what has left cannot be taken back, so the wait ends with the target that said it")
    func wordsEndTheWait() throws {
        var machine = try AcceptTests.waiting()
        machine.send(ByteBuffer(string: "SSH-2.0-x"), on: Self.ids[0])
        #expect(machine.drain(Self.start) == [.write(ByteBuffer(string: "SSH-2.0-x"))])
        machine.finish(Self.ids[0])
        #expect(machine.drain(Self.start + .seconds(120)) == [Self.gone(0), .close(.finished)])
    }

    @Test func aResetBehindWordsIsOne() throws {
        var machine = try AcceptTests.waiting()
        machine.send(ByteBuffer(string: "SSH-2.0-x"), on: Self.ids[0])
        _ = machine.drain(Self.start)
        machine.reset(Self.ids[0], .aborted)
        #expect(machine.drain(Self.start + .seconds(120)) == [.close(.carrierLost("the target: reset"))])
    }

    @Test func wordsThatHaveNotLeftAreDropped() throws {
        var machine = try AcceptTests.waiting()
        machine.send(ByteBuffer(string: "old"), on: Self.ids[0])
        #expect(machine.drain(Self.start, writable: false) == [])
        machine.finish(Self.ids[0])
        let later = Self.start + .seconds(3)
        #expect(machine.drain(later, writable: false) == [Self.gone(0)])
        #expect(machine.drain(later + .seconds(1)) == [Self.open(1)])
        machine.accept(Self.ids[1])
        machine.send(ByteBuffer(string: "new"), on: Self.ids[1])
        machine.receive(ByteBuffer(string: "hello"))
        let expected = [.write(ByteBuffer(string: "new")), .ready, Self.handOver(1, "hello")]
        #expect(machine.drain(later + .seconds(1)) == expected)
    }

    @Test("a target that greets and goes is kept for those who come for its greeting", arguments: [true, false])
    func briefTarget(isWanted: Bool) throws {
        var machine = try AcceptTests.waiting()
        machine.send(ByteBuffer(string: "Sat Nov 28"), on: Self.ids[0])
        machine.finish(Self.ids[0])
        #expect(machine.drain(Self.start) == [.write(ByteBuffer(string: "Sat Nov 28"))])
        #expect(machine.deadline == Self.start + .seconds(10))
        if isWanted {
            machine.receive(ByteBuffer(string: "thanks"))
            #expect(machine.drain(Self.start + .seconds(9)) == [.ready, Self.handOver(0, "thanks")])
        } else {
            let expected = [Self.gone(0), .close(.carrierLost("the target: gone"))]
            #expect(machine.drain(Self.start + .seconds(10)) == expected)
        }
    }

    @Test func greetingsThatTheRelayDoesNotTakeAreCutNotEnded() throws {
        var machine = try AcceptTests.waiting()
        machine.send(ByteBuffer(string: "one"), on: Self.ids[0])
        machine.send(ByteBuffer(string: "two"), on: Self.ids[0])
        _ = machine.next(now: Self.start, writable: true)
        machine.finish(Self.ids[0])
        #expect(machine.drain(Self.start, writable: false) == [])
        let expected = [Self.gone(0), .close(.carrierLost("the target: gone"))]
        #expect(machine.drain(Self.start + .seconds(10), writable: false) == expected)
    }

    @Test("standard input ends, and the wait for a partner goes on") func inputThatEnds() throws {
        var machine = AcceptTests.machine { $0.isTargetOnce = true }
        _ = machine.drain(Self.start)
        machine.receive(try ConnectTests.reply(AcceptTests.yes))
        _ = machine.drain(Self.start)
        machine.accept(Self.ids[0])
        machine.send(ByteBuffer(string: "a file"), on: Self.ids[0])
        machine.finish(Self.ids[0])
        #expect(machine.drain(Self.start + .seconds(5)) == [.write(ByteBuffer(string: "a file"))])
        #expect(machine.drain(Self.start + .seconds(100)) == [])
        machine.receive(ByteBuffer(string: "hello"))
        #expect(machine.drain(Self.start + .seconds(100)) == [.ready, Self.handOver(0, "hello")])
    }

    @Test func standardOutputIsNotHadTwice() throws {
        var machine = AcceptTests.machine { $0.isTargetOnce = true }
        _ = machine.drain(Self.start)
        machine.receive(try ConnectTests.reply(AcceptTests.yes))
        _ = machine.drain(Self.start)
        machine.reset(Self.ids[0], .limit)
        #expect(machine.drain(Self.start) == [.close(.carrierLost("the target: limit reached"))])
    }

    @Test func ourOwnEndIsNoReasonToTryAgain() throws {
        var machine = try AcceptTests.granted()
        machine.reset(Self.ids[0], .shutdown)
        #expect(machine.drain(Self.start) == [.close(.carrierLost("the target: shutting down"))])
    }

    @Test("whatever happens, a partner hears one target only, and everything ends once")
    func model() throws {
        for seed in 0..<ModelRuns.count { try AcceptModel.run(seed: UInt64(seed)) }
    }
}

/// Random events, and what must hold whatever they are.
private struct AcceptModel {
    private var random: SeededRandom
    private var machine: JET.AcceptMachine
    private var now = AcceptTests.start
    /// The target that is dialled or there.
    private var current: StreamID?
    private var isReached = false
    private var said: [StreamID: String] = [:]
    private var speakers: Set<StreamID> = []
    private var written = ""
    private var isOver = false

    static func run(seed: UInt64) throws {
        var model = AcceptModel(random: SeededRandom(seed), machine: try AcceptTests.granted(), current: StreamID(0))
        for _ in 0..<60 where !model.isOver { try model.step() }
        model.now = model.now + .hours(2)
        if !model.isOver, let current = model.current, !model.isReached { model.machine.reset(current, .refused) }
        for _ in 0..<20 where !model.isOver {
            try model.pull()
            if let current = model.current, !model.isReached { model.machine.reset(current, .refused) }
        }
        #expect(model.isOver, "seed \(seed)")
        #expect(model.machine.deadline == nil)
    }

    private mutating func step() throws {
        let any = StreamID(.random(in: 0...5, using: &self.random))
        let stream = Bool.random(using: &self.random) ? self.current ?? any : any
        switch Int.random(in: 0..<20, using: &self.random) {
        case 0...3:
            guard stream == self.current else { break }
            self.isReached = true
            self.machine.accept(stream)
        case 4...7:
            guard stream == self.current, self.isReached else { break }
            let text = "\(stream.rawValue)"
            self.said[stream, default: ""] += text
            self.machine.send(ByteBuffer(string: text), on: stream)
        case 8...10: if stream == self.current, self.isReached { self.machine.finish(stream) }
        case 11...13:
            guard stream == self.current else { break }
            self.machine.reset(stream, .aborted)
            self.current = nil
        case 14: if Int.random(in: 0..<4, using: &self.random) == 0 { self.machine.receive(ByteBuffer(string: "x")) }
        case 15: if Int.random(in: 0..<8, using: &self.random) == 0 { self.machine.receiveEnd() }
        case 16: self.now = self.now + .seconds(.random(in: 0...40, using: &self.random))
        default: self.now = self.now + .milliseconds(.random(in: 0...700, using: &self.random))
        }
        try self.pull()
    }

    private mutating func pull() throws {
        let writable = Int.random(in: 0..<3, using: &self.random) > 0
        var steps = 0
        while !self.isOver, let action = self.machine.next(now: self.now, writable: writable) {
            steps += 1
            try #require(steps < 1000)
            try self.obey(action)
        }
        if self.isOver { #expect(self.machine.next(now: self.now, writable: true) == nil) }
    }

    private mutating func obey(_ action: SessionAction) throws {
        switch action {
        case .open(let stream, _):
            #expect(self.current == nil && self.said[stream] == nil)
            (self.current, self.isReached) = (stream, false)
        case .end(let stream, _):
            #expect(stream == self.current)
            self.current = nil
        case .write(let bytes):
            let stream = try #require(self.current)
            self.speakers.insert(stream)
            self.written += String(buffer: bytes)
            #expect(self.said[stream]?.hasPrefix(self.written) == true)
        case .handOver(let stream, _):
            #expect(stream == self.current && self.isReached)
            #expect(self.speakers.isSubset(of: [stream]))
            self.isOver = true
        case .close: self.isOver = true
        case .ready, .pause, .resume: break
        case .granted, .serve, .withdraw, .authenticate, .opened, .deliver, .finish, .isolateWrites:
            Issue.record("\(action)")
        }
    }

    private init(random: SeededRandom, machine: JET.AcceptMachine, current: StreamID) {
        (self.random, self.machine, self.current) = (random, machine, current)
    }
}
