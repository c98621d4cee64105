// SPDX-License-Identifier: Apache-2.0

import CWarrenSystem
import Foundation
import NIOConcurrencyHelpers
package import NIOCore

/// One thread that waits for sockets, timers and tasks, and serves them in turn.
///
/// It is a NIO event loop (futures, promises and handlers live on it), but its sockets are Warren's own: a relayed
/// connection is two ``Socket``s without pipelines, and costs what its system calls cost.
///
/// ```
/// wait ──> sockets that are ready ──> timers that are due ──> deferred work ──> tasks of other threads ──> wait
/// ```
package final class SocketLoop: @unchecked Sendable {
    // Sendable: everything but `inbox` and `poller`'s bell is touched on the loop's own thread only.
    private let poller: cws_poller
    private let inbox = NIOLockedValueBox<[() -> Void]>([])
    /// Set before anybody else knows the loop; nil for a manual one.
    private var thread: pthread_t?
    private let isManual: Bool

    /// The time at which the present round began.
    private var roundTime = NIODeadline.now()
    private var isFiring = false
    private var isStopping = false
    private var deferred: [() -> Void] = []
    /// Sockets that had more to do than one turn allows.
    private var busy: [Watched] = []
    /// What is watched, by descriptor.
    private var watched = WatchTable()
    package internal(set) var timers = TimerHeap()
    /// How long the reader of a last word may take nothing of it; nil for as long as it likes.
    package var readerTimeout: TimeAmount? = .hours(1)
    /// What is read goes here first, in large steps or small ones. Whoever keeps it makes the next read use new storage.
    package private(set) var readBuffer = ByteBuffer()
    package private(set) var smallReadBuffer = ByteBuffer()
    package private(set) lazy var pipes = PipePool(on: self)
    /// Where datagrams are received.
    package private(set) lazy var datagramIntake = DatagramIntake()

    /// Splicing to a peer that has gone raises SIGPIPE, and unlike sending it cannot be told not to.
    private static let ignoresBrokenPipes: Void = cws_ignore_broken_pipes()

    /// - Returns: nil if the system has no event queue left.
    private init?(isManual: Bool) {
        Self.ignoresBrokenPipes
        var poller = cws_poller()
        guard cws_poller_open(&poller) == 0 else { return nil }
        self.poller = poller
        self.isManual = isManual
    }

    deinit {
        var poller = self.poller
        cws_poller_close(&poller)
    }

    /// A loop on a thread of its own; runs until ``stop()``.
    ///
    /// - Returns: nil if the system has no event queue left.
    package static func start(name: String) -> SocketLoop? {
        guard let loop = SocketLoop(isManual: false) else { return nil }
        let isUp = ConditionLock(value: false)
        let thread = Thread {
            cws_become_thread(name)
            loop.thread = pthread_self()
            isUp.lock()
            isUp.unlock(withValue: true)
            loop.run()
        }
        thread.start()
        isUp.lock(whenValue: true)
        isUp.unlock()
        return loop
    }

    /// A loop without a thread, for tests: it moves when it is told to, and so does its clock.
    package static func manual() -> SocketLoop {
        guard let loop = SocketLoop(isManual: true) else { preconditionFailure("the system has no event queue left") }
        return loop
    }

    package var inEventLoop: Bool {
        guard let thread else { return self.isManual }
        return pthread_equal(thread, pthread_self()) != 0
    }

    /// The time at which the present round of events began: good enough for deadlines, and free.
    package var now: NIODeadline { self.roundTime }

    /// Ends the thread after what is under way. Sockets that are still open stay so until they are let go.
    package func stop() { self.execute { self.isStopping = true } }
}

// MARK: - Work

extension SocketLoop {
    package func execute(_ task: @escaping @Sendable () -> Void) {
        let wasEmpty = self.inbox.withLockedValue { inbox in
            inbox.append(task)
            return inbox.count == 1
        }
        if wasEmpty { cws_poller_ring(self.poller) }
    }

    /// Does something when the events that are in hand have been served. On this loop only.
    package func `defer`(_ work: @escaping () -> Void) { self.deferred.append(work) }

    /// Does something at a time. On this loop only.
    package func timer(at deadline: NIODeadline, _ action: @escaping () -> Void) -> LoopTimer {
        // One that is set by another and is due already has its turn in the next round, behind the sockets.
        let isLate = self.isFiring && deadline <= self.roundTime
        let timer = LoopTimer(isLate ? self.roundTime + .nanoseconds(1) : deadline, on: self, action)
        self.timers.insert(timer)
        return timer
    }

    package func timer(in time: TimeAmount, _ action: @escaping () -> Void) -> LoopTimer {
        self.timer(at: self.now + time, action)
    }
}

// MARK: - Sockets

extension SocketLoop {
    /// Watches a socket's descriptor until it is closed.
    package func watch(_ socket: Watched, _ descriptor: CInt, writing: Bool) -> Bool {
        let token = self.watched.insert(socket, descriptor)
        guard cws_poller_add(self.poller, descriptor, token, writing ? 1 : 0) == 0 else {
            self.watched.remove(descriptor)
            return false
        }
        return true
    }

    /// Tells of room on a socket's descriptor from now on.
    package func watchWriting(_ descriptor: CInt) {
        _ = cws_poller_add_writing(self.poller, descriptor, self.watched.token(of: descriptor))
    }

    /// Watches a listening descriptor until ``unwatch(_:)``.
    package func watch(_ listener: Watched, listening descriptor: CInt) -> Bool {
        let token = self.watched.insert(listener, descriptor)
        guard cws_poller_add_listener(self.poller, descriptor, token) == 0 else {
            self.watched.remove(descriptor)
            return false
        }
        return true
    }

    /// For a descriptor that stays open.
    package func unwatch(_ descriptor: CInt) {
        _ = cws_poller_remove(self.poller, descriptor)
        self.forget(descriptor)
    }

    /// To be called once, right before something watched is closed.
    package func forget(_ descriptor: CInt) { self.watched.remove(descriptor) }

    /// Serves the socket again in the next round, as if it had become ready.
    package func again(_ socket: Watched) { self.busy.append(socket) }
}

// MARK: - Reading

extension SocketLoop {
    /// Reads up to `most` bytes into the loop's one buffer for reads of that kind.
    package func read(_ socket: Socket, _ most: Int, small: Bool) -> Socket.Outcome {
        small ? self.smallReadBuffer.read(from: socket, most) : self.readBuffer.read(from: socket, most)
    }
}

extension ByteBuffer {
    /// Takes the place of what was read last, in fresh storage if somebody has kept that.
    fileprivate mutating func read(from socket: Socket, _ most: Int) -> Socket.Outcome {
        self.clear(minimumCapacity: most)
        var outcome = Socket.Outcome.notNow
        self.writeWithUnsafeMutableBytes(minimumWritableBytes: most) { space in
            outcome = socket.read(into: .init(rebasing: space[..<most]))
            if case .moved(let count) = outcome { return count }
            return 0
        }
        return outcome
    }
}

// MARK: - The round

extension SocketLoop {
    private static let eventsPerRound = 256

    private func run() {
        withUnsafeTemporaryAllocation(of: cws_event.self, capacity: Self.eventsPerRound) { events in
            while !self.isStopping { self.round(events) }
        }
    }

    private func round(_ events: UnsafeMutableBufferPointer<cws_event>) {
        let count = cws_poller_wait(self.poller, events.baseAddress, CInt(events.count), self.timeout)
        self.roundTime = .now()
        for index in 0..<max(0, Int(count)) { self.serve(events[index]) }
        self.finishRound()
    }

    private func serve(_ event: cws_event) {
        self.watched[event.token]?.became(event.ready)
    }

    private func finishRound() {
        self.serveBusy()
        self.fireTimers()
        self.runDeferred()
        self.runInbox()
        self.runDeferred()
    }

    /// Milliseconds until something is due; -1 for no end.
    private var timeout: CInt {
        guard self.busy.isEmpty, self.deferred.isEmpty else { return 0 }
        guard let first = self.timers.first else { return -1 }
        let left = first.deadline - .now()
        guard left > .zero else { return 0 }
        return CInt(clamping: (left.nanoseconds + 999_999) / 1_000_000)
    }

    private func serveBusy() {
        guard !self.busy.isEmpty else { return }
        let busy = self.busy
        self.busy = []
        for socket in busy { socket.serve() }
    }

    private func fireTimers() {
        self.isFiring = true
        defer { self.isFiring = false }
        while let timer = self.timers.first, timer.deadline <= self.roundTime {
            self.timers.remove(timer)
            timer.fire()
        }
    }

    private func runDeferred() {
        while !self.deferred.isEmpty {
            let work = self.deferred
            self.deferred = []
            for item in work { item() }
        }
    }

    private func runInbox() {
        let tasks = self.inbox.withLockedValue { inbox in
            guard !inbox.isEmpty else { return [() -> Void]() }
            let tasks = inbox
            inbox.removeAll(keepingCapacity: tasks.count <= 64)
            return tasks
        }
        for task in tasks { task() }
    }
}

// MARK: - For tests

extension SocketLoop {
    /// Does what is due, without waiting for anything.
    package func runOnce() {
        precondition(self.isManual, "this loop has a thread of its own")
        repeat { self.finishRound() } while !self.inbox.withLockedValue { $0.isEmpty }
    }

    /// Moves the clock and does what has become due.
    package func advance(by time: TimeAmount) {
        precondition(self.isManual, "this loop has a thread of its own")
        self.roundTime = self.roundTime + time
        self.runOnce()
    }
}
