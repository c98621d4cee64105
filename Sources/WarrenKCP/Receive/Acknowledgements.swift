// SPDX-License-Identifier: Apache-2.0

/// What is to be acknowledged, until the next datagram goes out.
///
/// Segments in order are covered by the number we await: of a run of them only the last one is acknowledged by itself, for
/// the sake of the peer's round trip. One that came out of order is always, as the peer may have repeated it in vain; and
/// once more beside the next ones, where there is room, as nothing else would tell of it if that datagram is lost.
struct Acknowledgements {
    struct Entry: Hashable {
        var number: UInt32
        var stamp: UInt32
        var isInOrder: Bool
    }

    private var entries = ContiguousArray<Entry>()
    private var first = 0
    /// Entries out of order that have left: with the datagrams that are being written, with those before, and those of them
    /// that may leave once more now.
    private var leaving = ContiguousArray<Entry>()
    private var left = ContiguousArray<Entry>()
    private var again = ContiguousArray<Entry>()
    private let limit: Int

    /// - Parameter limit: how many may wait; further ones are left out, and the peer asks again by repeating itself.
    init(limit: Int) { self.limit = limit }

    var isEmpty: Bool { self.first == self.entries.count }

    mutating func append(_ number: UInt32, stamp: UInt32, isInOrder: Bool) {
        let entry = Entry(number: number, stamp: stamp, isInOrder: isInOrder)
        if isInOrder, !self.isEmpty, self.entries.last?.isInOrder == true {
            self.entries[self.entries.count - 1] = entry
            return
        }
        guard self.entries.count < self.limit else { return }
        self.entries.append(entry)
    }

    /// The next one for the datagram that is being written.
    mutating func next() -> Entry? {
        guard self.first < self.entries.count else { return nil }
        let entry = self.entries[self.first]
        self.first += 1
        if !entry.isInOrder { self.leaving.append(entry) }
        if self.first == self.entries.count {
            self.entries.removeAll(keepingCapacity: true)
            self.first = 0
            swap(&self.again, &self.left)
            swap(&self.left, &self.leaving)
            self.leaving.removeAll(keepingCapacity: true)
        }
        return entry
    }

    /// One that has left before and leaves once more, if the rest of a datagram has room.
    mutating func nextAgain(awaited: UInt32) -> Entry? {
        while self.isEmpty, let entry = self.again.popLast() {
            if !entry.number.precedes(awaited) { return entry }
        }
        return nil
    }

    /// A datagram is whole: what has not found room in it does not leave again.
    mutating func closed() {
        self.again.removeAll(keepingCapacity: true)
    }
}
