// SPDX-License-Identifier: Apache-2.0

/// A model of the path: how fast it delivers, and how long an empty round trip is. Datagrams leave at that rate, and
/// not much more is under way than fits on the path, whatever is lost. Times are nanoseconds, amounts bytes on the
/// wire.
///
/// ```
/// startup --rate grows no more--> drain --queue empty--> probing <--+
///                                                          |        | 100 ms and a round trip
///                                     no least round trip  +--> emptying
///                                     for five seconds
/// ```
///
/// - Source: BBR, draft-cardwell-iccrg-bbr-congestion-control-00. Differs: `emptying` leaves half of what the path
///   holds under way, and rounds in which more than a fifth is lost lower a ceiling.
struct PacedModel {
    enum Phase { case startup, drain, probing, emptying }

    private static let startupGain = 2.885
    private static let windowGain = 2.0
    private static let cycle: [Double] = [1.25, 0.75, 1, 1, 1, 1, 1, 1]
    private static let memory: Int64 = 5_000_000_000
    private static let emptyTime: Int64 = 100_000_000
    private static let firstDatagrams = 32.0
    /// Of what a round delivers and loses, if that is enough to judge by.
    private static let heavyLoss = 0.2
    private static let judged = 512.0...2048.0

    var rate = DeliveryRate()
    var pacer: Pacer
    private(set) var phase = Phase.startup
    private var bandwidth = MaxFilter(window: 10)
    private var excess = AckExcess()
    /// Bytes that may be under way.
    private(set) var window: Int
    private let datagram: Double

    private var leastRoundTrip: Int64?
    private var leastAt: Int64
    private var emptyUntil: Int64?
    private var emptyRound: UInt64 = 0

    private var round: UInt64 = 0
    private var roundEnd: UInt64 = 0
    private var roundStart: UInt64 = 0
    private var roundLost = 0
    private var fullRate = 0.0
    private var fullRounds = 0
    private var isFilled = false
    private var cyclePlace = 2
    private var cycleAt: Int64
    private var ceiling: Double?

    init(datagram: Int, now: Int64) {
        self.datagram = Double(datagram)
        self.window = Int(Self.firstDatagrams) * datagram
        self.leastAt = now
        self.cycleAt = now
        let first = Self.startupGain * Self.firstDatagrams * Double(datagram) / 1e-3
        self.pacer = Pacer(datagram: datagram, rate: first, now: now)
    }

    mutating func sent(_ size: Int, underWay: Int, now: Int64) -> DeliveryMark {
        self.pacer.spend(size, now: now)
        return self.rate.sent(isFirst: underWay == 0, now: now)
    }

    mutating func concluded(_ report: AckReport, underWay: Int, now: Int64) {
        self.roundLost = max(self.roundLost + report.lost - report.spared, 0)
        let sample = self.rate.sample(now: now, least: (self.leastRoundTrip ?? 0) / 2)
        let isNewRound = self.countRound(sample)
        if let sample, !sample.isLimited || sample.rate >= self.bandwidth.value {
            self.bandwidth.update(sample.rate, round: self.round)
        }
        self.excess.acknowledged(report.acknowledged, rate: self.bandwidth.value, round: self.round, now: now)
        if isNewRound {
            self.judgeLoss(underWay: underWay)
            if sample?.isLimited == false { self.judgeGrowth() }
        }
        self.drain(underWay: underWay)
        self.turn(underWay: underWay, hasLost: report.lost > 0, now: now)
        self.watchRoundTrip(report.roundTrip, underWay: underWay, now: now)
        self.setWindow(report.acknowledged)
        self.setPace(now: now)
    }

    // MARK: What the path holds

    private func amount(_ gain: Double) -> Double {
        guard let least = self.leastRoundTrip, self.bandwidth.value > 0 else {
            return Self.firstDatagrams * self.datagram
        }
        return gain * self.bandwidth.value * Double(least) / 1e9
    }

    private mutating func countRound(_ sample: DeliveryRate.Sample?) -> Bool {
        guard let sample, sample.prior >= self.roundEnd else { return false }
        self.roundEnd = self.rate.delivered
        self.round += 1
        return true
    }

    /// The pipe is full once three rounds in a row have not brought a quarter more.
    private mutating func judgeGrowth() {
        guard !self.isFilled else { return }
        if self.bandwidth.value >= 1.25 * self.fullRate {
            self.fullRate = self.bandwidth.value
            self.fullRounds = 0
            return
        }
        self.fullRounds += 1
        if self.fullRounds >= 3 { self.isFilled = true }
    }

    /// Once in a round: too much loss lowers the ceiling, as soon as there is enough to judge by; else it rises.
    private mutating func judgeLoss(underWay: Int) {
        let delivered = Double(self.rate.delivered - self.roundStart)
        let lost = Double(self.roundLost)
        let isHeavy = lost > Self.heavyLoss * (lost + delivered)
        if !isHeavy, let ceiling = self.ceiling {
            self.ceiling = 1.25 * ceiling > self.amount(Self.windowGain) ? nil : 1.25 * ceiling
        }
        guard lost + delivered >= self.enoughToJudge else { return }
        self.roundStart = self.rate.delivered
        self.roundLost = 0
        guard isHeavy else { return }
        let least = max(self.amount(0.5), Self.firstDatagrams * self.datagram)
        self.ceiling = 0.85 * min(self.ceiling ?? .infinity, max(Double(underWay), least))
        self.isFilled = true
    }

    /// Acknowledgements are lost as well, many at a time, and what they told of looks lost: more than what is under way.
    private var enoughToJudge: Double {
        let least = Self.judged.lowerBound * self.datagram
        let most = Self.judged.upperBound * self.datagram
        return min(max(self.amount(2), least), most)
    }

    // MARK: Phases

    private mutating func drain(underWay: Int) {
        if self.phase == .startup, self.isFilled { self.phase = .drain }
        if self.phase == .drain, Double(underWay) <= self.amount(1) { self.phase = .probing }
    }

    /// Moves on in the cycle of gains, about once in a round trip.
    private mutating func turn(underWay: Int, hasLost: Bool, now: Int64) {
        guard self.phase == .probing, let least = self.leastRoundTrip else { return }
        let isOver = now - self.cycleAt > least
        let gain = self.gain
        let moves =
            if gain > 1 {
                isOver && (hasLost || Double(underWay) >= self.amount(gain))
            } else if gain < 1 {
                isOver || Double(underWay) <= self.amount(1)
            } else {
                isOver
            }
        guard moves else { return }
        self.cyclePlace = (self.cyclePlace + 1) % Self.cycle.count
        self.cycleAt = now
    }

    private mutating func watchRoundTrip(_ sample: Int64?, underWay: Int, now: Int64) {
        let isOld = now - self.leastAt > Self.memory
        if let sample, self.leastRoundTrip == nil {
            self.pacer.pace(Self.startupGain * Double(self.window) * 1e9 / Double(max(sample, 1)), now: now)
        }
        if let sample, isOld || sample <= self.leastRoundTrip ?? .max {
            self.leastRoundTrip = sample
            self.leastAt = now
        }
        if isOld, self.phase != .emptying, self.isFilled {
            self.phase = .emptying
            self.emptyUntil = nil
        }
        guard self.phase == .emptying else { return }
        self.rate.limited(underWay: underWay)
        if let end = self.emptyUntil {
            guard now >= end, self.round > self.emptyRound else { return }
            self.leastAt = now
            self.phase = .probing
            self.cycleAt = now
            self.cyclePlace = 2 + Int(self.rate.delivered / 7 % 6)
        } else if Double(underWay) <= self.emptyWindow {
            self.emptyUntil = now + Self.emptyTime
            self.emptyRound = self.round
        }
    }

    // MARK: What follows for the sender

    private var gain: Double {
        switch self.phase {
        case .startup: Self.startupGain
        case .drain: 1 / Self.startupGain
        case .probing: self.cyclePlace < Self.cycle.count ? Self.cycle[self.cyclePlace] : 1
        case .emptying: 1
        }
    }

    private var emptyWindow: Double { max(self.amount(0.5), 4 * self.datagram) }

    private mutating func setWindow(_ acknowledged: Int) {
        let target = self.amount(Self.windowGain) + self.excess.value + 3 * self.pacer.burst
        var window = Double(self.window + acknowledged)
        window = min(window, self.isFilled ? target : max(target, Double(self.window)))
        if let ceiling = self.ceiling { window = min(window, ceiling) }
        if self.phase == .emptying { window = min(window, self.emptyWindow) }
        self.window = Int(min(max(window, 4 * self.datagram), 1e12))
    }

    private mutating func setPace(now: Int64) {
        let rate = self.gain * self.bandwidth.value
        guard self.bandwidth.value > 0 else { return }
        if self.isFilled || rate > self.pacer.rate { self.pacer.pace(rate, now: now) }
    }
}
