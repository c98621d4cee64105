// SPDX-License-Identifier: Apache-2.0

/// Whether a queue stands on the path: then even the quickest round trip of a round is longer than an empty one. Times are
/// nanoseconds.
struct Queueing {
    /// Clocks and wake-ups are no queue.
    private static let slack: Int64 = 1_000_000
    /// Of the least one.
    private static let part: Int64 = 8
    private static let largeSlack: Int64 = 5_000_000
    private static let largePart: Int64 = 4

    private var least = Int64.max
    /// Of the last round that has any.
    private var last: Int64?

    mutating func saw(_ roundTrip: Int64) { self.least = min(self.least, roundTrip) }

    mutating func nextRound() {
        if self.least != .max { self.last = self.least }
        self.least = .max
    }

    func isSeen(over least: Int64?) -> Bool {
        guard let least, let last = self.last else { return false }
        return last > least + least / Self.part + Self.slack
    }

    /// Whether it is one that neither late wake-ups nor a probe explain.
    func stands(over least: Int64) -> Bool {
        guard let last = self.last else { return false }
        return last > least + max(least / Self.largePart, Self.largeSlack)
    }
}
