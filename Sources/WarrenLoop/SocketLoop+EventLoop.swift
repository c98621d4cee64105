// SPDX-License-Identifier: Apache-2.0

package import Dispatch
package import NIOCore

// What NIO's futures, promises and handlers expect of a loop.
extension SocketLoop: EventLoop {
    package func scheduleTask<T>(
        deadline: NIODeadline, _ task: @escaping @Sendable () throws -> T
    ) -> Scheduled<T> {
        let promise = self.makePromise(of: T.self)
        let timer = ScheduledTimer(self)
        self.onLoop { timer.start(at: deadline, promise, task) }
        return Scheduled(promise: promise) { self.onLoop { timer.cancel() } }
    }

    package func scheduleTask<T>(in time: TimeAmount, _ task: @escaping @Sendable () throws -> T) -> Scheduled<T> {
        self.scheduleTask(deadline: (self.inEventLoop ? self.now : .now()) + time, task)
    }

    private func onLoop(_ body: @escaping @Sendable () -> Void) {
        if self.inEventLoop { body() } else { self.execute(body) }
    }

    package func next() -> any EventLoop { self }

    package func any() -> any EventLoop { self }

    package func makeIterator() -> EventLoopIterator { EventLoopIterator([self]) }

    package func shutdownGracefully(queue: DispatchQueue, _ callback: @escaping @Sendable ((any Error)?) -> Void) {
        self.stop()
        queue.async { callback(nil) }
    }
}

/// A timer that other threads may ask for and cancel.
private final class ScheduledTimer: @unchecked Sendable {
    // Sendable: `loop` is a constant, and both methods are called on it only (`onLoop`).
    private let loop: SocketLoop
    private var timer: LoopTimer?
    private var isCancelled = false

    package init(_ loop: SocketLoop) { self.loop = loop }

    package func start<T>(at deadline: NIODeadline, _ promise: EventLoopPromise<T>, _ task: @escaping () throws -> T) {
        guard !self.isCancelled else { return }
        self.timer = self.loop.timer(at: deadline) {
            do {
                // Unchecked: this runs on the loop.
                let value = try task()
                promise.assumeIsolatedUnsafeUnchecked().succeed(value)
            } catch {
                promise.fail(error)
            }
        }
    }

    package func cancel() {
        self.isCancelled = true
        self.timer?.cancel()
        self.timer = nil
    }
}
