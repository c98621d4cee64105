// SPDX-License-Identifier: Apache-2.0

/// Whether too much is lost, over the last two stretches of rounds: what a burst lost is known of later than what it
/// delivered, and either alone tells nothing.
struct LossRounds {
    private static let heavy = 0.2

    /// Bytes.
    private struct Stretch {
        var lost = 0.0
        var delivered = 0.0
    }

    private var previous = Stretch()
    private var lost = 0.0
    /// What had been delivered when this stretch began.
    private var start: UInt64 = 0

    /// - Parameter spared: what had been taken for lost, and arrived.
    mutating func saw(lost: Int, spared: Int) {
        self.lost = max(self.lost + Double(lost - spared), -self.previous.lost)
    }

    func isHeavy(delivered: UInt64) -> Bool {
        let lost = self.previous.lost + self.lost
        return lost > Self.heavy * (lost + self.previous.delivered + Double(delivered - self.start))
    }

    /// Begins another stretch if this one is long enough.
    mutating func ends(delivered: UInt64, enough: Double) -> Bool {
        let stretch = Stretch(lost: self.lost, delivered: Double(delivered - self.start))
        guard stretch.lost + stretch.delivered >= enough else { return false }
        self.previous = stretch
        self.lost = 0
        self.start = delivered
        return true
    }
}
