// SPDX-License-Identifier: Apache-2.0

package import NIOCore

/// Something that a loop does later, once. On the loop's thread only.
package final class LoopTimer {
    package fileprivate(set) var deadline: NIODeadline
    fileprivate var action: (() -> Void)?
    /// Its place in the heap; -1 when it is in none.
    fileprivate var index = -1
    private weak var loop: SocketLoop?

    package init(_ deadline: NIODeadline, on loop: SocketLoop, _ action: @escaping () -> Void) {
        self.deadline = deadline
        self.loop = loop
        self.action = action
    }

    /// After this the action does not run, and nothing of it is kept.
    package func cancel() {
        self.action = nil
        guard self.index >= 0 else { return }
        self.loop?.timers.remove(self)
    }

    /// Fires then instead. One that has fired or was cancelled stays so.
    package func move(to deadline: NIODeadline) {
        guard self.index >= 0 else { return }
        self.loop?.timers.move(self, to: deadline)
    }

    package func fire() {
        let action = self.action
        self.action = nil
        action?()
    }
}

/// Timers by deadline: a binary heap in which each timer knows its place, so that a cancelled one leaves at once.
///
/// Most timers here guard against what hardly ever happens; kept until their time they would pile up.
package struct TimerHeap {
    private var timers: [LoopTimer] = []

    package var first: LoopTimer? { self.timers.first }
    package var count: Int { self.timers.count }

    package mutating func insert(_ timer: LoopTimer) {
        timer.index = self.timers.count
        self.timers.append(timer)
        self.siftUp(from: timer.index)
    }

    package mutating func remove(_ timer: LoopTimer) {
        let index = timer.index
        guard index >= 0 else { return }
        timer.index = -1
        guard let last = self.timers.popLast(), last !== timer else { return }
        last.index = index
        self.timers[index] = last
        self.siftUp(from: index)
        self.siftDown(from: last.index)
    }

    package mutating func move(_ timer: LoopTimer, to deadline: NIODeadline) {
        guard timer.index >= 0 else { return }
        timer.deadline = deadline
        self.siftUp(from: timer.index)
        self.siftDown(from: timer.index)
    }

    private mutating func siftUp(from start: Int) {
        var index = start
        while index > 0 {
            let parent = (index - 1) / 2
            guard self.timers[index].deadline < self.timers[parent].deadline else { return }
            self.swap(index, parent)
            index = parent
        }
    }

    private mutating func siftDown(from start: Int) {
        var index = start
        while true {
            var least = index
            for child in (2 * index + 1)...(2 * index + 2) where child < self.timers.count {
                if self.timers[child].deadline < self.timers[least].deadline { least = child }
            }
            guard least != index else { return }
            self.swap(index, least)
            index = least
        }
    }

    private mutating func swap(_ one: Int, _ other: Int) {
        self.timers.swapAt(one, other)
        self.timers[one].index = one
        self.timers[other].index = other
    }
}
