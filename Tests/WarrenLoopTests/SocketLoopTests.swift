// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenLoopTesting
import WarrenTesting

@testable import WarrenLoop

/// What happened, in order.
private final class Diary: @unchecked Sendable {
    // Sendable: used on the loop of its test only.
    var lines: [String] = []
}

/// Writes down that its socket was served, and asks for a word later.
private final class Witness: SocketWatcher {
    private let diary: Diary
    init(_ diary: Diary) { self.diary = diary }
    func socketIsReady(_ socket: Socket) {
        self.diary.lines.append("socket")
        socket.loop.defer { self.diary.lines.append("deferred") }
        socket.close()
    }
}

/// Tells when nobody holds it any more.
private final class Sentinel: Sendable {
    private let onEnd: @Sendable () -> Void
    init(_ onEnd: @escaping @Sendable () -> Void) { self.onEnd = onEnd }
    deinit { self.onEnd() }
}

@Suite(.timeLimit(.minutes(1))) struct SocketLoopTests {
    @Test("tasks of other threads run on the loop, each thread's in its order")
    func runsWhatOtherThreadsAsk() async throws {
        let loop = try #require(SocketLoop.start(name: "test"))
        let seen = NIOLoopBoundBox.makeBoxSendingValue([[Int]](repeating: [], count: 4), eventLoop: loop)
        await withTaskGroup(of: Void.self) { tasks in
            for thread in 0..<4 {
                tasks.addTask {
                    for number in 0..<1000 {
                        loop.execute {
                            loop.preconditionInEventLoop()
                            seen.value[thread].append(number)
                        }
                    }
                }
            }
        }
        let all = try await loop.submit { seen.value }.get()
        for numbers in all { #expect(numbers == Array(0..<1000)) }
        #expect(!loop.inEventLoop)
        loop.stop()
    }

    @Test("sockets first, then timers, then what was put off, then what others ask")
    func servesInItsOrder() async throws {
        let loop = try #require(SocketLoop.start(name: "test"))
        let done = loop.makePromise(of: [String].self)
        loop.execute {
            let diary = Diary()
            // All of this is due in one and the same round, the next one.
            loop.execute {
                diary.lines.append("task")
                loop.execute { done.succeed(diary.lines) }
            }
            _ = loop.timer(at: loop.now) { diary.lines.append("timer") }
            for _ in 0..<2 {
                guard let pair = try? LocalPair(on: loop) else { return done.fail(ChannelError.eof) }
                pair.socket.watcher = Witness(diary)
                pair.send("x")
            }
        }
        #expect(
            try await done.futureResult.get() == ["socket", "socket", "timer", "deferred", "deferred", "task"])
        loop.stop()
    }

    @Test("what is put off while others are put off is not forgotten")
    func deferredWorkMayPutOffMore() {
        let loop = SocketLoop.manual()
        var lines: [Int] = []
        loop.defer {
            lines.append(1)
            loop.defer { lines.append(3) }
        }
        loop.defer { lines.append(2) }
        #expect(lines == [])
        loop.runOnce()
        #expect(lines == [1, 2, 3])
    }

    @Test("a timer that sets itself again and again keeps nobody from the loop")
    func isNotKeptByItsTimers() async throws {
        let loop = try #require(SocketLoop.start(name: "test"))
        loop.execute {
            func again() { _ = loop.timer(at: .distantPast) { again() } }
            again()
        }
        #expect(try await loop.submit { 7 }.get() == 7)
        loop.stop()
    }

    @Test("timers run when they are due, the earliest first", arguments: 0..<5)
    func timersRunInOrder(seed: UInt64) {
        var random = SeededRandom(seed)
        let loop = SocketLoop.manual()
        var fired: [Int] = []
        for number in (1...100).shuffled(using: &random) {
            _ = loop.timer(in: .milliseconds(Int64(number))) { fired.append(number) }
        }
        loop.runOnce()
        #expect(fired == [])
        loop.advance(by: .milliseconds(40))
        #expect(fired == Array(1...40))
        loop.advance(by: .milliseconds(60))
        #expect(fired == Array(1...100))
        #expect(loop.timers.count == 0)
    }

    @Test func aCancelledTimerLeavesTheHeap() {
        let loop = SocketLoop.manual()
        var fired: [Int] = []
        let timers = (0..<10).map { number in loop.timer(in: .seconds(Int64(number))) { fired.append(number) } }
        for timer in timers.dropFirst(3) { timer.cancel() }
        #expect(loop.timers.count == 3)
        timers[5].cancel()
        timers[1].cancel()
        #expect(loop.timers.count == 2)
        loop.advance(by: .hours(1))
        #expect(fired == [0, 2])
        timers[0].cancel()
        #expect(loop.timers.count == 0)
    }

    @Test func whatACancelledTimerHeldIsLetGo() {
        let loop = SocketLoop.manual()
        weak var held: Diary?
        let timer: LoopTimer
        do {
            let diary = Diary()
            held = diary
            timer = loop.timer(in: .hours(1)) { diary.lines.append("fired") }
        }
        #expect(held != nil)
        timer.cancel()
        #expect(held == nil)
    }

    @Test func aTimerMayCancelAnotherOneThatIsDue() {
        let loop = SocketLoop.manual()
        var fired: [Int] = []
        let second = loop.timer(in: .milliseconds(2)) { fired.append(2) }
        _ = loop.timer(in: .milliseconds(1)) {
            fired.append(1)
            second.cancel()
        }
        loop.advance(by: .seconds(1))
        #expect(fired == [1])
    }

    @Test("a task for later runs at its time, and its value is there") func runsScheduledTasks() {
        let loop = SocketLoop.manual()
        let scheduled = loop.scheduleTask(in: .seconds(5)) { 42 }
        let failing = loop.scheduleTask(in: .seconds(5)) { throw ChannelError.eof }
        var value: Int?
        var fault: (any Error)?
        scheduled.futureResult.assumeIsolated().whenSuccess { value = $0 }
        failing.futureResult.assumeIsolated().whenFailure { fault = $0 }
        loop.advance(by: .seconds(4))
        #expect(value == nil)
        loop.advance(by: .seconds(1))
        #expect(value == 42)
        #expect(fault as? ChannelError == .eof)
    }

    @Test func aCancelledTaskFailsAndLeavesTheHeap() async throws {
        let loop = try #require(SocketLoop.start(name: "test"))
        let scheduled = loop.scheduleTask(in: .hours(1)) { Issue.record("it ran") }
        #expect(try await loop.submit { loop.timers.count }.get() == 1)
        scheduled.cancel()
        await #expect(throws: EventLoopError.cancelled) { try await scheduled.futureResult.get() }
        #expect(try await loop.submit { loop.timers.count }.get() == 0)
        loop.stop()
    }

    @Test func aTaskForNowDoesNotWait() async throws {
        let loop = try #require(SocketLoop.start(name: "test"))
        #expect(try await loop.scheduleTask(in: .zero) { 7 }.futureResult.get() == 7)
        #expect(try await loop.scheduleTask(in: .milliseconds(1)) { 8 }.futureResult.get() == 8)
        loop.stop()
    }

    @Test("a stopped loop does what was asked for before, ends its thread and lets go of all it held")
    func stops() async throws {
        let (ended, tell) = AsyncStream<String>.makeStream()
        func runAndStop() throws {
            let loop = try #require(SocketLoop.start(name: "test"))
            let sentinel = Sentinel { tell.yield("let go") }
            loop.execute { _ = loop.timer(in: .hours(1)) { withExtendedLifetime(sentinel) {} } }
            loop.execute { tell.yield("asked before") }
            loop.stop()
        }
        try runAndStop()
        var lines: [String] = []
        for await line in ended {
            lines.append(line)
            if lines.count == 2 { break }
        }
        #expect(lines == ["asked before", "let go"])
    }
}
