// SPDX-License-Identifier: Apache-2.0

/// The largest of the values of the last rounds, by the three best ones (Kathleen Nichols' filter).
struct MaxFilter {
    private struct Entry {
        var value = 0.0
        var round: UInt64 = 0
    }

    private var best = Entry()
    private var second = Entry()
    private var third = Entry()
    private let window: UInt64

    /// - Parameter window: how many rounds a value counts.
    init(window: UInt64) { self.window = window }

    var value: Double { self.best.value }

    mutating func update(_ value: Double, round: UInt64) {
        let entry = Entry(value: value, round: round)
        if value >= self.best.value || round - self.third.round > self.window {
            (self.best, self.second, self.third) = (entry, entry, entry)
            return
        }
        if value >= self.second.value {
            (self.second, self.third) = (entry, entry)
        } else if value >= self.third.value {
            self.third = entry
        }
        self.age(entry)
    }

    private mutating func age(_ entry: Entry) {
        let age = entry.round - self.best.round
        if age > self.window {
            (self.best, self.second, self.third) = (self.second, self.third, entry)
            if entry.round - self.best.round > self.window {
                (self.best, self.second, self.third) = (self.second, self.third, entry)
            }
        } else if self.second.round == self.best.round, age > self.window / 4 {
            (self.second, self.third) = (entry, entry)
        } else if self.third.round == self.second.round, age > self.window / 2 {
            self.third = entry
        }
    }
}
