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
///   holds under way, rounds in which more than a fifth is lost lower a ceiling, and see ``FairShare``.
struct PacedModel {
    enum Phase { case startup, drain, probing, emptying }

    private static let startupGain = 2.885
    private static let windowGain = 2.0
    private static let memory: Int64 = 5_000_000_000
    private static let emptyTime: Int64 = 100_000_000
    private static let firstDatagrams = 32.0
    /// Datagrams delivered and lost that are enough to judge by.
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
    /// Rounds that have told what the path can carry.
    private var toldRounds: UInt64 = 0
    private var losses = LossRounds()
    private var queueing = Queueing()
    private var fullRate = 0.0
    private var fullRounds = 0
    private var isFilled = false
    private var cycle: ProbeCycle
    private var ceiling: Double?
    private var share: FairShare

    init(datagram: Int, now: Int64) {
        self.datagram = Double(datagram)
        self.window = Int(Self.firstDatagrams) * datagram
        self.leastAt = now
        self.cycle = ProbeCycle(now: now)
        self.share = FairShare(datagram: datagram)
        let first = Self.startupGain * Self.firstDatagrams * Double(datagram) / 1e-3
        self.pacer = Pacer(datagram: datagram, rate: first, now: now)
    }

    mutating func sent(_ size: Int, underWay: Int, now: Int64) -> DeliveryMark {
        self.pacer.spend(size, now: now)
        return self.rate.sent(isFirst: underWay == 0, now: now)
    }

    mutating func concluded(_ report: AckReport, underWay: Int, now: Int64) {
        self.losses.saw(lost: report.lost, spared: report.spared)
        if let sample = report.roundTrip { self.queueing.saw(sample) }
        self.share.saw(report, underWay: underWay)
        let sample = self.rate.sample(now: now, least: (self.leastRoundTrip ?? 0) / 2)
        let isNewRound = self.countRound(sample)
        if let sample, !sample.isLimited || sample.rate >= self.bandwidth.value {
            self.bandwidth.update(sample.rate, round: self.toldRounds)
        }
        self.excess.acknowledged(report.acknowledged, rate: self.bandwidth.value, round: self.round, now: now)
        if isNewRound {
            self.judgeLoss(underWay: underWay)
            self.judgeShare(now: now)
            if sample?.isLimited == false { self.judgeGrowth() }
            if self.phase == .probing {
                self.cycle.judge(rate: self.bandwidth.value, hasQueue: self.hasQueue, now: now)
            }
        }
        self.drain(underWay: underWay)
        self.turn(underWay: underWay, hasLost: report.lost > 0, now: now)
        self.watchRoundTrip(report.roundTrip, underWay: underWay, now: now)
        self.setWindow(report.acknowledged)
        self.setPace(now: now)
    }

    /// There is less to send than might be, or the peer has no room for it. With a queue on the path the peer is not what
    /// bounds the sender.
    mutating func idled(underWay: Int, isForPeer: Bool) {
        guard underWay < self.window, !isForPeer || !self.hasQueue else { return }
        self.rate.limited(underWay: underWay)
    }

    private var hasQueue: Bool { self.queueing.isSeen(over: self.leastRoundTrip) }

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
        if !sample.isLimited { self.toldRounds += 1 }
        self.queueing.nextRound()
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
        let isHeavy = self.losses.isHeavy(delivered: self.rate.delivered)
        if !isHeavy, let ceiling = self.ceiling {
            self.ceiling = 1.25 * ceiling > self.amount(Self.windowGain) ? nil : 1.25 * ceiling
        }
        guard self.losses.ends(delivered: self.rate.delivered, enough: self.enoughToJudge), isHeavy else { return }
        let least = max(self.amount(0.5), Self.firstDatagrams * self.datagram)
        self.ceiling = 0.85 * min(self.ceiling ?? .infinity, max(Double(underWay), least))
        self.isFilled = true
    }

    /// Once in a round, too: losses that come with a queue.
    private mutating func judgeShare(now: Int64) {
        guard self.isFilled, let least = self.leastRoundTrip else { return }
        let held = self.amount(1) + self.excess.value + self.pacer.burst
        let queue: FairShare.Queue = self.queueing.stands(over: least) ? .standing : self.hasQueue ? .unclear : .none
        self.share.endRound(queue, held: held, most: self.mostWindow, now: now)
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
        let isOver = self.cycle.isOver(now: now, roundTrip: least)
        let gain = self.gain
        let moves =
            if gain > 1 {
                isOver && (hasLost || Double(underWay) >= self.amount(gain))
            } else if gain < 1 {
                isOver || Double(underWay) <= self.amount(1)
            } else {
                isOver
            }
        if moves { self.cycle.moveOn(rate: self.bandwidth.value, now: now) }
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
            self.cycle.restart(at: self.rate.delivered / 7, now: now)
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
        case .probing: self.cycle.gain
        case .emptying: 1
        }
    }

    private var emptyWindow: Double { max(self.amount(0.5), 4 * self.datagram) }

    private var mostWindow: Double { self.amount(Self.windowGain) + self.excess.value + 3 * self.pacer.burst }

    private mutating func setWindow(_ acknowledged: Int) {
        let target = self.mostWindow
        var window = Double(self.window + acknowledged)
        window = min(window, self.isFilled ? target : max(target, Double(self.window)))
        if let ceiling = self.ceiling { window = min(window, ceiling) }
        if let bound = self.share.bound { window = min(window, bound) }
        if self.phase == .emptying { window = min(window, self.emptyWindow) }
        self.window = Int(min(max(window, 4 * self.datagram), 1e12))
    }

    private mutating func setPace(now: Int64) {
        let rate = self.gain * self.bandwidth.value
        guard self.bandwidth.value > 0 else { return }
        if self.isFilled || rate > self.pacer.rate { self.pacer.pace(rate, now: now) }
    }
}
