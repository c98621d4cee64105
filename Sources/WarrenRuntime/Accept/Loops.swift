// SPDX-License-Identifier: Apache-2.0

package import NIOCore
import NIOPosix
import Synchronization
package import WarrenLoop

/// The event loops of the process, and what lives on each.
package final class Loops: Sendable {
    package let all: [SocketLoop]
    private let byLoop: [ObjectIdentifier: NIOLoopBoundBox<LoopRegistry>]
    private let turn = Atomic<Int>(0)

    /// - Returns: nil if the system has no event queues for that.
    package convenience init?(opening threads: Int) {
        var loops: [SocketLoop] = []
        for number in 0..<max(1, threads) {
            guard let loop = SocketLoop.start(name: "warren-\(number)") else {
                for loop in loops { loop.stop() }
                return nil
            }
            loops.append(loop)
        }
        self.init(loops)
    }

    /// One loop without a thread, for tests.
    package static func manual() -> Loops { Loops([.manual()]) }

    private init(_ loops: [SocketLoop]) {
        var registry: [ObjectIdentifier: NIOLoopBoundBox<LoopRegistry>] = [:]
        self.all = loops
        for (number, loop) in self.all.enumerated() {
            registry[ObjectIdentifier(loop)] = NIOLoopBoundBox.makeBoxSendingValue(
                LoopRegistry(remainder: number, of: loops.count), eventLoop: loop)
        }
        self.byLoop = registry
    }

    /// For tests.
    package convenience init(threads: Int) {
        self.init(opening: threads)!
    }

    /// One for each core.
    ///
    /// - Throws: ``StartFailure``.
    package static func start() throws -> Loops {
        guard let loops = Loops(opening: System.coreCount) else { throw StartFailure.noDescriptors }
        return loops
    }

    /// One loop after the other.
    package func next() -> SocketLoop {
        let turn = self.turn.add(1, ordering: .relaxed).oldValue
        return self.all[Int(UInt(bitPattern: turn) % UInt(self.all.count))]
    }

    /// What lives on a loop of this group. On that loop only.
    package func context(on loop: SocketLoop) -> LoopContext {
        LoopContext(loop: loop, registry: self.registry(on: loop), among: self)
    }

    package func registry(on loop: SocketLoop) -> LoopRegistry {
        guard let bound = self.byLoop[ObjectIdentifier(loop)] else {
            preconditionFailure("a loop of another group")
        }
        return bound.value
    }

    /// Runs `body` once on every loop.
    package func onEach(_ body: @escaping @Sendable (LoopRegistry) -> Void) -> EventLoopFuture<Void> {
        let done = self.all.map { loop in loop.submit { body(self.registry(on: loop)) } }
        return EventLoopFuture.andAllComplete(done, on: self.all[0])
    }

    /// What `body` finds on every loop.
    package func gather<Found: Sendable>(_ body: @escaping @Sendable (LoopRegistry) -> Found) async -> [Found] {
        var all: [Found] = []
        for loop in self.all {
            // A task on a loop does not fail.
            if let found = try? await loop.submit({ body(self.registry(on: loop)) }).get() { all.append(found) }
        }
        return all
    }

    /// Ends the threads. What still lives on them does not move any more.
    package func stop() {
        for loop in self.all { loop.stop() }
    }
}
