// SPDX-License-Identifier: Apache-2.0

/// How long to wait for segments that later ones have overtaken: not at all, until repeats turn out to have been
/// needless, and then longer each time, up to a round trip. Times are nanoseconds.
///
/// - Source: RFC 8985, the reordering window.
struct ReorderPatience {
    private static let most: Int64 = 8
    private static let memory: Int64 = 16
    private var steps: Int64 = 0
    private var since: Int64 = 0

    func wait(roundTrip: Int64) -> Int64 { self.steps * roundTrip / Self.most }

    /// A segment had arrived that was taken for lost. Counts once in a round trip.
    mutating func wasNeedless(roundTrip: Int64, now: Int64) {
        if self.steps > 0, now - self.since < roundTrip { return }
        self.steps = min(self.steps + 1, Self.most)
        self.since = now
    }

    /// Forgets a step after sixteen round trips without.
    mutating func relax(roundTrip: Int64, now: Int64) {
        guard self.steps > 0, now - self.since > Self.memory * roundTrip else { return }
        self.steps -= 1
        self.since = now
    }
}

/// While nothing is heard, only a few segments are repeated for each time-out, and not all that is in flight: the first
/// answer tells which of the others are missing. Times are nanoseconds.
struct Silence {
    private static let most = 16
    private var left = Self.most
    private var turns: Int64 = 0
    /// No further repeats before.
    private(set) var until: Int64 = 0

    mutating func broken() { self = Self() }

    mutating func repeats(timeout: Int64, now: Int64) {
        self.left -= 1
        guard self.left == 0 else { return }
        self.left = Self.most
        self.turns = min(self.turns + 1, 40)
        self.until = now + timeout + self.turns * timeout / 2
    }
}
