// SPDX-License-Identifier: Apache-2.0

/// How many of the segments that leave are lost, as far as acknowledgements tell, and how many copies that is worth.
/// Times are nanoseconds.
struct PathLoss {
    /// How long a loss is remembered.
    private static let memory: Int64 = 60_000_000_000
    /// About so many segments are averaged, and so many once more: what a burst loses is learnt of all at once.
    private static let averaged = 64.0
    private static let long = 1024.0
    /// Where a loss costs less than this, nothing is suspected.
    private static let shortest: Int64 = 5_000_000
    /// From which part on there is a copy, are two, and three.
    private static let slight = 0.008
    private static let considerable = 0.02
    private static let heavy = 0.06

    private(set) var part = 0.0
    private var longPart = 0.0
    private var seen = 0.0
    private var lostAt: Int64?
    private let most: Double

    /// - Parameter isSteady: whether one burst does not make all forgotten that was before.
    init(isSteady: Bool = true) { self.most = isSteady ? Self.long : Self.averaged }

    mutating func saw(lost: Int, arrived: Int, now: Int64) {
        guard lost + arrived > 0 else { return }
        let new = Double(lost + arrived)
        self.part = self.average(self.part, over: Self.averaged, lost: lost, of: new)
        self.longPart = self.average(self.longPart, over: self.most, lost: lost, of: new)
        self.seen += new
        if lost > 0 { self.lostAt = now }
    }

    private func average(_ part: Double, over most: Double, lost: Int, of new: Double) -> Double {
        let kept = min(self.seen, most)
        return (kept * part + Double(lost)) / (kept + new)
    }

    /// Copies of a segment whose loss nothing that follows would show. A path that nothing is known of is suspected of
    /// losing, the less the more has been seen to arrive.
    func copies(roundTrip: Int64?, now: Int64) -> Int {
        let suspected = roundTrip ?? .max >= Self.shortest ? 2 / (self.seen + 1) : 0
        let part = max(self.part, self.longPart, suspected)
        if part >= Self.heavy { return 3 }
        if part >= Self.considerable { return 2 }
        let hasLost = self.lostAt.map { now - $0 < Self.memory } ?? false
        return hasLost || suspected >= Self.slight ? 1 : 0
    }

    /// Copies of a segment that was lost twice: all behind it waits.
    var copiesOfRepeats: Int { self.longPart >= Self.heavy ? 2 : 1 }
}
