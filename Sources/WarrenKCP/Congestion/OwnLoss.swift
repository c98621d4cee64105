// SPDX-License-Identifier: Apache-2.0

/// What a path loses by itself, whoever uses it. In datagrams.
///
/// It is learnt where no queue has stood for some rounds: what a queue lost is known of later. Queues that one takes for
/// none teach too much; rounds that lose far less than they should, and a path's own loss spares none, halve it.
struct OwnLoss {
    /// About so many datagrams are averaged.
    private static let memory = 8192.0
    /// Losses that are enough to judge by.
    private static let judged = 8.0

    private var lost = 0.0
    private var seen = 0.0
    private var isLost = 0.0
    private var wouldBeLost = 0.0

    /// How many of so many it loses; where nothing is known, few.
    func expected(of count: Double) -> Double { count * (self.lost + 0.25) / (self.seen + 64) }

    /// Whether so many lost ones are more than it loses, and more than chance explains.
    func isExceeded(by lost: Double, of count: Double) -> Bool {
        let expected = self.expected(of: count)
        return lost > 1.25 * expected + 3 * expected.squareRoot() + 0.5
    }

    mutating func learn(lost: Double, of count: Double) {
        self.lost = max(self.lost + lost, 0)
        self.seen += max(count, 0)
        guard self.seen > Self.memory else { return }
        self.lost *= Self.memory / self.seen
        self.seen = Self.memory
    }

    /// - Parameter lost: of any round, with a queue or without.
    mutating func doubt(lost: Double, of count: Double) {
        self.isLost += lost
        self.wouldBeLost += self.expected(of: count)
        guard self.wouldBeLost >= Self.judged else { return }
        if self.isLost < self.wouldBeLost / 2 { self.lost /= 2 }
        (self.isLost, self.wouldBeLost) = (0, 0)
    }
}
