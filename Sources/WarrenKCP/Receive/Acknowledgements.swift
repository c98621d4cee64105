// SPDX-License-Identifier: Apache-2.0

/// What is to be acknowledged, until the next datagram goes out.
///
/// Segments in order are covered by the number we await: of a run of them only the last one is acknowledged by itself,
/// for the sake of the peer's round trip. One that came out of order is always, as the peer may have repeated it in
/// vain.
struct Acknowledgements {
    struct Entry: Hashable {
        var number: UInt32
        var stamp: UInt32
    }

    private var entries = ContiguousArray<Entry>()
    private var first = 0
    /// Whether the last entry may be replaced.
    private var isLastInOrder = false
    private let limit: Int

    /// - Parameter limit: how many may wait; further ones are left out, and the peer asks again by repeating itself.
    init(limit: Int) { self.limit = limit }

    var isEmpty: Bool { self.first == self.entries.count }

    mutating func append(_ number: UInt32, stamp: UInt32, isInOrder: Bool) {
        let entry = Entry(number: number, stamp: stamp)
        if isInOrder, self.isLastInOrder, !self.isEmpty {
            self.entries[self.entries.count - 1] = entry
            return
        }
        guard self.entries.count < self.limit else { return }
        self.entries.append(entry)
        self.isLastInOrder = isInOrder
    }

    mutating func next() -> Entry? {
        guard self.first < self.entries.count else { return nil }
        let entry = self.entries[self.first]
        self.first += 1
        if self.first == self.entries.count {
            self.entries.removeAll(keepingCapacity: true)
            self.first = 0
        }
        return entry
    }
}
