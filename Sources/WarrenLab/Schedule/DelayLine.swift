// SPDX-License-Identifier: Apache-2.0

import HeapModule
package import NIOCore

/// What is on its way, by the time of its arrival; of the same time, in the order in which it was sent.
package struct DelayLine<Item> {
    /// What a thing costs besides its bytes.
    private static var overhead: Int { 256 }

    private struct Entry: Comparable {
        let time: NIODeadline
        let number: UInt64
        let size: Int
        let item: Item

        static func < (left: Entry, right: Entry) -> Bool { (left.time, left.number) < (right.time, right.number) }
        static func == (left: Entry, right: Entry) -> Bool { left.number == right.number }
    }

    private var entries = Heap<Entry>()
    private var number: UInt64 = 0
    /// Bytes that are on their way, and what keeping them costs.
    package private(set) var weight = 0
    private let mostWeight: Int

    /// - Parameter most: bytes, with some more for each thing.
    package init(most: Int) { self.mostWeight = most }

    package var isEmpty: Bool { self.entries.isEmpty }
    package var next: NIODeadline? { self.entries.min?.time }

    /// - Parameter size: in bytes.
    /// - Returns: false, and it is not taken, if too much is on its way.
    package mutating func insert(_ item: Item, size: Int, at time: NIODeadline) -> Bool {
        guard self.weight + size + Self.overhead <= self.mostWeight else { return false }
        self.weight += size + Self.overhead
        self.entries.insert(Entry(time: time, number: self.number, size: size, item: item))
        self.number &+= 1
        return true
    }

    /// The next one that has arrived.
    package mutating func pop(at now: NIODeadline) -> Item? {
        guard let next, next <= now, let entry = self.entries.popMin() else { return nil }
        self.weight -= entry.size + Self.overhead
        return entry.item
    }
}
