// SPDX-License-Identifier: Apache-2.0

/// The gains by which a sender that knows the path looks for more, one about each round trip. Times are nanoseconds.
///
/// A probe that finds more while no queue builds is followed by a bolder one at once: who has lost sight of a path that
/// carries ten times as much is back within half a second.
struct ProbeCycle {
    private static let gains: [Double] = [1.25, 0.75, 1, 1, 1, 1, 1, 1]
    private static let bolder: [Double] = [1.25, 1.5, 2]
    /// In which places what a probe has found arrives.
    private static let answers = 1...3

    private var place = 2
    private var since: Int64
    /// Probes in a row that have found more.
    private var found = 0
    /// Bytes per second that were known of when the probe began.
    private var base = Double.infinity

    init(now: Int64) { self.since = now }

    var gain: Double {
        self.place == 0 ? Self.bolder[min(self.found, Self.bolder.count - 1)] : Self.gains[self.place]
    }

    func isOver(now: Int64, roundTrip: Int64) -> Bool { now - self.since > roundTrip }

    mutating func moveOn(rate: Double, now: Int64) {
        self.place = (self.place + 1) % Self.gains.count
        self.since = now
        guard self.place == 0 else { return }
        self.found = 0
        self.base = rate
    }

    /// Once in a round.
    mutating func judge(rate: Double, hasQueue: Bool, now: Int64) {
        guard Self.answers.contains(self.place), !hasQueue else { return }
        let gain = Self.bolder[min(self.found, Self.bolder.count - 1)]
        guard rate >= self.base * (1 + (gain - 1) / 4) else { return }
        self.found += 1
        self.place = 0
        self.since = now
        self.base = rate
    }

    /// Begins at some place that is no probe.
    mutating func restart(at place: UInt64, now: Int64) {
        self.place = 2 + Int(place % 6)
        self.since = now
        self.base = .infinity
    }
}
