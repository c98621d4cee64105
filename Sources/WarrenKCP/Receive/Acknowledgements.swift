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
    private var patience: Patience

    /// - Parameters:
    ///   - limit: how many may wait; further ones are left out, and the peer asks again by repeating itself.
    ///   - patience: how long all of them may wait.
    init(limit: Int, patience: Patience) {
        self.limit = limit
        self.patience = patience
    }

    var isEmpty: Bool { self.first == self.entries.count }

    /// When they must leave, in nanoseconds; the past for at once. Nil if there are none.
    var due: Int64? { self.isEmpty ? nil : self.patience.due }

    /// From now on none waits.
    mutating func hurry() { self.patience.end() }

    /// - Parameter bytes: of data that has come with it.
    mutating func append(_ number: UInt32, stamp: UInt32, isInOrder: Bool, bytes: Int, now: Int64) {
        let entry = Entry(number: number, stamp: stamp, isInOrder: isInOrder)
        if self.isEmpty { self.begin() }
        self.patience.came(isInOrder && self.copies == 0 ? bytes : nil, now: now)
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
        self.patience.begin()
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

extension Acknowledgements {
    /// How long acknowledgements may wait for data to leave with: what asks mostly gets an answer, and two datagrams less
    /// are half of what a small round trip costs.
    ///
    /// Much data waits for no answer, and a gap tells the peer what it has to repeat: neither waits.
    struct Patience: Hashable {
        /// In nanoseconds.
        private var delay: Int64
        /// Bytes that may wait.
        private let most: Int
        private var bytes = 0
        private(set) var due = Int64.min

        init(delay: Int64, most: Int) {
            self.delay = max(delay, 0)
            self.most = most
        }

        mutating func begin() {
            self.bytes = 0
            self.due = .max
        }

        /// - Parameter bytes: nil for what the peer should hear of at once.
        mutating func came(_ bytes: Int?, now: Int64) {
            self.bytes += bytes ?? self.most
            self.due = self.bytes < self.most && self.delay > 0 ? min(self.due, now + self.delay) : .min
        }

        mutating func end() {
            self.delay = 0
            self.due = .min
        }
    }
}
