// SPDX-License-Identifier: Apache-2.0

import HeapModule
package import NIOCore

/// Things that are due at a time each, the first one first.
package struct Schedule<Element> {
    private struct Entry: Comparable {
        var time: NIODeadline
        var number: UInt64
        var element: Element

        static func < (a: Self, b: Self) -> Bool { (a.time, a.number) < (b.time, b.number) }
        static func == (a: Self, b: Self) -> Bool { a.number == b.number }
    }

    private var entries = Heap<Entry>()
    private var lastNumber: UInt64 = 0

    package init() {}

    package var count: Int { self.entries.count }
    /// When the first one is due.
    package var first: NIODeadline? { self.entries.min?.time }

    /// Behind those of the same time.
    package mutating func insert(_ element: Element, at time: NIODeadline) {
        self.lastNumber &+= 1
        self.entries.insert(Entry(time: time, number: self.lastNumber, element: element))
    }

    /// Takes out the first one that is due; nil if none is.
    package mutating func popDue(now: NIODeadline) -> Element? {
        guard let first = self.entries.min, first.time <= now else { return nil }
        return self.entries.popMin()?.element
    }
}
