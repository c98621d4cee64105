// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenTesting

@testable import WarrenLoop

@Suite struct TimerHeapTests {
    private static func moment(_ number: Int) -> NIODeadline { .uptimeNanoseconds(UInt64(number)) }

    @Test("inserted, moved and removed at random, the first one is always the earliest", arguments: 0..<20)
    func agreesWithASortedModel(seed: UInt64) {
        var random = SeededRandom(seed)
        let loop = SocketLoop.manual()
        var heap = TimerHeap()
        var model: [LoopTimer] = []
        for step in 0..<2000 {
            // Grows first, then shrinks; few different deadlines, so that many are equal.
            if model.isEmpty || Int.random(in: 0..<2000, using: &random) > step {
                let deadline = Self.moment(.random(in: 0..<300, using: &random))
                let timer = LoopTimer(deadline, on: loop) {}
                heap.insert(timer)
                model.append(timer)
            } else {
                let timer = model.remove(at: .random(in: 0..<model.count, using: &random))
                heap.remove(timer)
                heap.remove(timer)
                heap.move(timer, to: Self.moment(0))
            }
            if let timer = model.randomElement(using: &random) {
                heap.move(timer, to: Self.moment(.random(in: 0..<300, using: &random)))
            }
            #expect(heap.count == model.count)
            #expect(heap.first?.deadline == model.map(\.deadline).min())
        }
        var deadlines: [NIODeadline] = []
        while let first = heap.first {
            deadlines.append(first.deadline)
            heap.remove(first)
        }
        #expect(deadlines == model.map(\.deadline).sorted())
    }

    @Test func aTimerThatIsInNoHeapIsRemovedFromNone() {
        let loop = SocketLoop.manual()
        var heap = TimerHeap()
        let (one, other) = (LoopTimer(Self.moment(1), on: loop) {}, LoopTimer(Self.moment(2), on: loop) {})
        heap.insert(one)
        heap.remove(other)
        other.move(to: Self.moment(0))
        #expect(heap.first === one)
        #expect(heap.count == 1)
    }
}
