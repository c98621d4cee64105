// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenLab

/// What a link does to datagrams, without sockets and without a clock.
@Suite struct ImpairedLinkTests {
    private static let begin = NIODeadline.uptimeNanoseconds(1_000_000_000)

    /// The fates of so many datagrams of 1000 bytes, one each millisecond.
    private func fates(
        _ impairment: Impairment, _ count: Int = 100_000, seed: UInt64 = 7, direction: LabDirection = .up
    ) -> (fates: [Fate], counters: LinkCounters) {
        var link = ImpairedLink(impairment, seed: seed, direction: direction)
        let fates = (0..<count).map { number in
            link.arrives(length: 1000, now: Self.begin + .milliseconds(Int64(number)))
        }
        return (fates, link.counters)
    }

    private var all: Impairment {
        var impairment = Impairment()
        impairment.loss = Chance(0.05)
        impairment.duplicate = Chance(0.01)
        impairment.corrupt = Chance(0.001)
        impairment.reorder = Chance(0.02)
        impairment.delay = .milliseconds(20)
        impairment.jitter = .milliseconds(5)
        return impairment
    }

    @Test func sameSeedGivesSameFates() {
        #expect(self.fates(self.all, 10_000).fates == self.fates(self.all, 10_000).fates)
        #expect(self.fates(self.all, 10_000).fates != self.fates(self.all, 10_000, seed: 8).fates)
        #expect(self.fates(self.all, 10_000).fates != self.fates(self.all, 10_000, direction: .down).fates)
    }

    @Test("what else is asked for does not change which datagrams are lost") func lossIsForItself() {
        var only = Impairment()
        only.loss = Chance(0.05)
        let (few, many) = (self.fates(only, 10_000).fates, self.fates(self.all, 10_000).fates)
        #expect(few.map { $0 == .lost(.chance) } == many.map { $0 == .lost(.chance) })
    }

    @Test("rates over 100,000 datagrams", arguments: [UInt64(1), 2, 3]) func rates(seed: UInt64) {
        let counters = self.fates(self.all, seed: seed).counters
        #expect(counters.seen == 100_000 && counters.passed + counters.lost == 100_000)
        // Within five standard deviations.
        #expect((4655...5345).contains(counters.lost))
        #expect((795...1105).contains(counters.duplicated))
        #expect((48...142).contains(counters.corrupted))
        #expect((1685...2115).contains(counters.reordered))
    }

    @Test("never is never and always is always") func extremes() {
        #expect(self.fates(Impairment(), 1000).fates.allSatisfy { $0 != .lost(.chance) })
        var impairment = Impairment()
        impairment.loss = .always
        #expect(self.fates(impairment, 1000).fates.allSatisfy { $0 == .lost(.chance) })
    }

    @Test("bursts are as long as asked for, and lose as much") func bursts() {
        var impairment = Impairment()
        impairment.loss = Chance(0.1)
        impairment.lossBurst = 5
        let (fates, counters) = self.fates(impairment)
        let lost = fates.map { $0 == .lost(.chance) }
        let bursts = zip([false] + lost, lost).count { !$0 && $1 }
        #expect((8500...11_500).contains(counters.lost))
        #expect((4.5...5.5).contains(Double(counters.lost) / Double(bursts)))
    }

    @Test("delays lie between delay less jitter and delay and jitter, and all of that happens") func delays() {
        var impairment = Impairment()
        impairment.delay = .milliseconds(20)
        impairment.jitter = .milliseconds(5)
        var (least, most) = (TimeAmount.hours(1), TimeAmount.zero)
        for (number, fate) in self.fates(impairment).fates.enumerated() {
            guard case .leaves(let departure, nil) = fate else { return #expect(Bool(false), "\(fate)") }
            let delay = departure.time - (Self.begin + .milliseconds(Int64(number)))
            (least, most) = (min(least, delay), max(most, delay))
        }
        #expect(least >= .milliseconds(15) && least < .microseconds(15_010))
        #expect(most <= .milliseconds(25) && most > .microseconds(24_990))
    }

    @Test("an early one leaves at once, and nothing is held for longer than a minute") func bounds() {
        var impairment = Impairment()
        impairment.delay = .hours(1)
        impairment.reorder = Chance(0.5)
        let delays = self.fates(impairment, 1000).fates.enumerated().map { number, fate in
            guard case .leaves(let departure, _) = fate else { return TimeAmount.hours(9) }
            return departure.time - (Self.begin + .milliseconds(Int64(number)))
        }
        #expect(Set(delays) == [.zero, Impairment.longestDelay])
    }

    @Test("longer than the MTU is dropped, and as long is not") func mtu() {
        var impairment = Impairment()
        impairment.mtu = 1200
        var link = ImpairedLink(impairment, seed: 1, direction: .up)
        #expect(link.arrives(length: 1201, now: Self.begin) == .lost(.tooLong))
        #expect(link.arrives(length: 1200, now: Self.begin) != .lost(.tooLong))
        #expect(link.counters.tooLong == 1 && link.counters.passed == 1)
    }

    @Test("a damaged bit lies within the datagram, and an empty one has none") func damage() {
        var impairment = Impairment()
        impairment.corrupt = .always
        var link = ImpairedLink(impairment, seed: 1, direction: .up)
        var seen = Set<Int>()
        for _ in 0..<1000 {
            guard case .leaves(let departure, _) = link.arrives(length: 2, now: Self.begin) else { continue }
            if let bit = departure.damagedBit { seen.insert(bit) }
        }
        #expect(seen == Set(0..<16))
        guard case .leaves(let departure, _) = link.arrives(length: 0, now: Self.begin) else { return }
        #expect(departure.damagedBit == nil)
    }

    @Test("in a blackout everything is lost, counted from the first datagram") func blackout() {
        var impairment = Impairment()
        impairment.blackout = Blackout(length: .seconds(3), start: .seconds(2), period: .seconds(10))
        let lost = self.fates(impairment, 30_000).fates.enumerated().filter { $1 == .lost(.blackout) }.map(\.offset)
        #expect(lost == Array(2000..<5000) + Array(12_000..<15_000) + Array(22_000..<25_000))
    }
}
