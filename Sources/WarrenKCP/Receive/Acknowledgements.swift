// SPDX-License-Identifier: Apache-2.0

/// What is to be acknowledged, until the next datagram goes out.
///
/// Segments in order are covered by the number we await: of a run of them only the last one is acknowledged by itself, for
/// the sake of the peer's round trip. One that came out of order is always, as the peer may have repeated it in vain; and
/// once more before the next ones, as nothing else would tell of it if that datagram is lost: the peer would take all that
/// it acknowledged for lost.
struct Acknowledgements {
    struct Entry: Hashable {
        var number: UInt32
        var stamp: UInt32
        var isInOrder: Bool
        var isCopy = false
    }

    private var entries = ContiguousArray<Entry>()
    private var first = 0
    /// How many of them, at the front, have left before.
    private var copies = 0
    /// Entries out of order that have left, and go before the next ones once more.
    private var left = ContiguousArray<Entry>()
    var limit: Int

    /// - Parameter limit: how many may wait; further ones are left out, and the peer asks again by repeating itself.
    init(limit: Int) { self.limit = limit }

    var isEmpty: Bool { self.first == self.entries.count }

    mutating func append(_ number: UInt32, stamp: UInt32, isInOrder: Bool) {
        let entry = Entry(number: number, stamp: stamp, isInOrder: isInOrder)
        if self.isEmpty { self.begin() }
        if isInOrder, !self.isEmpty, self.entries.last?.isInOrder == true {
            self.entries[self.entries.count - 1] = entry
            return
        }
        guard self.entries.count - self.copies < self.limit else { return }
        self.entries.append(entry)
    }

    private mutating func begin() {
        self.entries.removeAll(keepingCapacity: true)
        self.first = 0
        swap(&self.entries, &self.left)
        self.copies = self.entries.count
    }

    /// The next one for the datagram that is being written.
    ///
    /// - Parameter awaited: what comes before needs no copy.
    mutating func next(awaited: UInt32) -> Entry? {
        while self.first < self.entries.count {
            var entry = self.entries[self.first]
            self.first += 1
            if entry.isCopy, entry.number.precedes(awaited) { continue }
            if !entry.isInOrder, !entry.isCopy, self.left.count < self.limit {
                entry.isCopy = true
                self.left.append(entry)
            }
            return entry
        }
        return nil
    }
}
