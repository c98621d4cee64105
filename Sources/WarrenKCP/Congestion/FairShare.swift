// SPDX-License-Identifier: Apache-2.0

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// How much may be under way where others fill a queue as well: about what CUBIC would have there. Times are nanoseconds,
/// amounts bytes on the wire.
///
/// Losses that come together with a queue bound it, if they are more than the path's own. Losses without a queue never do,
/// nor does a queue without losses.
///
/// - Source: RFC 9438. Differs: grows by a segment at least in each round, so that two of these are soon alike,
///   and is never less than what the path holds.
struct FairShare {
    private static let decrease = 0.7
    /// Segments per cubic second, and in each round at least.
    private static let growth = 0.4
    private static let leastGrowth = 1.0
    private static let segment = 1500.0
    /// Rounds in which losses of one round become known.
    private static let settling = 3
    /// Rounds without a queue after which nobody else is there.
    private static let alone = 16

    /// Nil while there is none.
    private(set) var bound: Double?
    private let datagram: Double
    private var ownLoss = OwnLoss()

    // Of this round: datagrams, and the most bytes that were under way.
    private var lost = 0.0
    private var arrived = 0.0
    private var most = 0.0

    private var hadQueue = false
    private var emptyRounds = 0
    private var roundsSince = Self.settling

    private var reducedAt: Int64 = 0
    /// What it was before, and what it has become since by the least growth.
    private var peak = 0.0
    private var least = 0.0

    init(datagram: Int) { self.datagram = Double(datagram) }

    mutating func saw(_ report: AckReport, underWay: Int) {
        self.lost += Double(report.lost - report.spared) / self.datagram
        self.arrived += Double(report.acknowledged) / self.datagram
        self.most = max(self.most, Double(underWay + report.acknowledged))
    }

    enum Queue { case none, unclear, standing }

    /// Once in a round.
    ///
    /// - Parameters:
    ///   - held: what the path holds.
    ///   - most: from where on there is no bound.
    mutating func endRound(_ queue: Queue, held: Double, most: Double, now: Int64) {
        let count = self.lost + self.arrived
        let isCongested = self.ownLoss.isExceeded(by: self.lost, of: count) && (queue == .standing || self.hadQueue)
        self.ownLoss.doubt(lost: self.lost, of: count)
        if self.emptyRounds >= Self.settling - 1, queue == .none { self.ownLoss.learn(lost: self.lost, of: count) }
        self.emptyRounds = queue == .none ? self.emptyRounds + 1 : 0
        self.hadQueue = queue == .standing
        self.roundsSince += 1
        if isCongested, self.roundsSince >= Self.settling { self.reduce(now: now) } else { self.grow(now: now) }
        if let bound = self.bound { self.bound = bound > most ? nil : max(bound, held) }
        (self.lost, self.arrived, self.most) = (0, 0, 0)
    }

    private mutating func reduce(now: Int64) {
        let before = min(self.bound ?? .infinity, self.most)
        // Who has less than the last time makes room for those that have more.
        self.peak = before < self.peak ? before * (1 + Self.decrease) / 2 : before
        self.least = before * Self.decrease
        self.bound = self.least
        self.reducedAt = now
        self.roundsSince = 0
    }

    private mutating func grow(now: Int64) {
        guard let bound = self.bound else { return }
        if self.emptyRounds >= Self.alone {
            self.bound = 1.1 * bound
            return
        }
        self.least += Self.leastGrowth * Self.segment
        let turn = cbrt(self.peak * (1 - Self.decrease) / Self.segment / Self.growth)
        let time = Double(now - self.reducedAt) / 1e9 - turn
        self.bound = max(bound, self.peak + Self.growth * Self.segment * time * time * time, self.least)
    }
}
