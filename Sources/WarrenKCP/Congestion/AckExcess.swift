// SPDX-License-Identifier: Apache-2.0

/// How much more a peer acknowledges at once than the path delivers meanwhile: peers that acknowledge by the tick of a
/// clock need so much more under way.
struct AckExcess {
    private var filter = MaxFilter(window: 10)
    private var start: Int64 = 0
    private var bytes = 0.0

    var value: Double { self.filter.value }

    mutating func acknowledged(_ count: Int, rate: Double, round: UInt64, now: Int64) {
        guard count > 0, rate > 0 else { return }
        var expected = rate * Double(now - self.start) / 1e9
        if self.bytes <= expected {
            self.bytes = 0
            self.start = now
            expected = 0
        }
        self.bytes += Double(count)
        // More than a tenth of a second's worth is no clock, but a gap that has closed.
        self.filter.update(min(self.bytes - expected, rate / 10), round: round)
    }
}
