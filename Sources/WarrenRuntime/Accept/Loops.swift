// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import NIOPosix

/// The event loops of the process, and what lives on each.
package final class Loops: Sendable {
    package let group: MultiThreadedEventLoopGroup
    private let byLoop: [ObjectIdentifier: NIOLoopBoundBox<Residents>]
    private let loops: [any EventLoop]

    package init(threads: Int = System.coreCount) {
        self.group = MultiThreadedEventLoopGroup(numberOfThreads: threads)
        var residents: [ObjectIdentifier: NIOLoopBoundBox<Residents>] = [:]
        var loops: [any EventLoop] = []
        for loop in self.group.makeIterator() {
            loops.append(loop)
            residents[ObjectIdentifier(loop)] = NIOLoopBoundBox.makeBoxSendingValue(Residents(), eventLoop: loop)
        }
        self.byLoop = residents
        self.loops = loops
    }

    /// The residents of a loop of this group, on that loop.
    package func residents(on loop: any EventLoop) -> Residents {
        guard let bound = self.byLoop[ObjectIdentifier(loop)] else {
            preconditionFailure("a loop of another group")
        }
        return bound.value
    }

    /// Runs `body` once on every loop.
    package func onEach(_ body: @escaping @Sendable (Residents) -> Void) -> EventLoopFuture<Void> {
        let done = self.loops.map { loop in loop.submit { body(self.residents(on: loop)) } }
        return EventLoopFuture.andAllComplete(done, on: self.group.any())
    }

    package var all: [any EventLoop] { self.loops }
}
