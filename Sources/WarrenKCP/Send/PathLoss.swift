// SPDX-License-Identifier: Apache-2.0

/// How many of the segments that leave are lost, as far as acknowledgements tell, and how many copies that is worth.
/// Times are nanoseconds.
struct PathLoss {
    /// How long a loss is remembered.
    private static let memory: Int64 = 60_000_000_000
    /// About so many segments are averaged.
    private static let averaged = 64.0
    /// Where a loss costs less than this, nothing is suspected.
    private static let shortest: Int64 = 5_000_000
    /// From which part on there is a copy, are two, and three.
    private static let slight = 0.008
    private static let considerable = 0.02
    private static let heavy = 0.06

    private(set) var part = 0.0
    private var seen = 0.0
    private var lostAt: Int64?

    mutating func saw(lost: Int, arrived: Int, now: Int64) {
        guard lost + arrived > 0 else { return }
        let kept = min(self.seen, Self.averaged)
        let new = Double(lost + arrived)
        self.part = (kept * self.part + Double(lost)) / (kept + new)
        self.seen += new
        if lost > 0 { self.lostAt = now }
    }

    /// Copies of a segment whose loss nothing that follows would show. A path that nothing is known of is suspected of
    /// losing, the less the more has been seen to arrive.
    func copies(roundTrip: Int64?, now: Int64) -> Int {
        let suspected = roundTrip ?? .max >= Self.shortest ? 2 / (self.seen + 1) : 0
        let part = max(self.part, suspected)
        if part >= Self.heavy { return 3 }
        if part >= Self.considerable { return 2 }
        let hasLost = self.lostAt.map { now - $0 < Self.memory } ?? false
        return hasLost || suspected >= Self.slight ? 1 : 0
    }

    /// Copies of a segment that was lost twice: all behind it waits.
    var copiesOfRepeats: Int { self.part >= Self.heavy ? 2 : 1 }
}
