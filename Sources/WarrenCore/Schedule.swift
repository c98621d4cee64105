// SPDX-License-Identifier: Apache-2.0

package import NIOCore

/// Things that are due at a time each, the first one first.
///
/// Meant for times that are put in nearly in their order: then every operation takes constant time.
package struct Schedule<Element> {
    private var entries = CircularBuffer<(time: NIODeadline, element: Element)>()

    package init() {}

    package var count: Int { self.entries.count }
    /// When the first one is due.
    package var first: NIODeadline? { self.entries.first?.time }

    /// Behind those of the same time.
    package mutating func insert(_ element: Element, at time: NIODeadline) {
        var place = self.entries.endIndex
        while place > self.entries.startIndex {
            let before = self.entries.index(before: place)
            if self.entries[before].time <= time { break }
            place = before
        }
        self.entries.insert((time, element), at: place)
    }

    /// Takes out the first one that is due; nil if none is.
    package mutating func popDue(now: NIODeadline) -> Element? {
        guard let first = self.entries.first, first.time <= now else { return nil }
        return self.entries.popFirst()?.element
    }
}
