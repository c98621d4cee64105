// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Values that come later, from any thread: those that have come, and a way to wait for the next one.
final class Mailbox<Value: Sendable>: Sendable {
    private let kept = Mutex<[Value]>([])
    private let stream: AsyncStream<Value>
    private let continuation: AsyncStream<Value>.Continuation

    init() { (self.stream, self.continuation) = AsyncStream.makeStream() }

    var all: [Value] { self.kept.withLock { $0 } }

    func put(_ value: Value) {
        self.kept.withLock { $0.append(value) }
        self.continuation.yield(value)
    }

    /// The next value that was not waited for yet, and that is meant.
    func next(where isMeant: (Value) -> Bool = { _ in true }) async -> Value? {
        for await value in self.stream where isMeant(value) { return value }
        return nil
    }
}
