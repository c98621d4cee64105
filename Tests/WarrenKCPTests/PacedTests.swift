// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenTesting

@testable import WarrenKCP

/// The model of the path, on paths whose truth is known.
@Suite("KCP paced")
struct PacedTests {
    private static var configuration: KCP.Configuration {
        var configuration = KCP.Configuration.vproxy()
        configuration.acknowledgementDelay = .milliseconds(5)
        configuration.congestion = .paced
        configuration.sendWindow = 2048
        configuration.receiveWindow = 2048
        return configuration
    }

    @Test("fills a path that loses", arguments: [0, 0.01, 0.05, 0.1])
    func fillsAPathThatLoses(loss: Double) {
        let rate = 3e6
        var network = Network()
        let (there, back) = (Link(delay: 20_000_000, seed: 1), Link(delay: 20_000_000, seed: 2))
        (there.rate, there.queue) = (rate, 120_000)
        (there.loss, back.loss) = (loss, loss)
        let (a, b) = network.join(Self.configuration, Self.configuration, forth: [there], back: [back])
        network.run(seconds: 3, full: [a])
        let reached = Double(network.received[b]) / 3
        #expect(reached > 0.8 * (1 - loss) * rate)
        let counters = network.ends[a].counters
        #expect(Double(counters.repeatedBytes) < (1.3 * loss + 0.03) * Double(counters.bytesOut))
        #expect(counters.needlessRepeats == 0)
        #expect(counters.timeouts == 0)
    }

    @Test func keepsTheQueueShort() {
        var network = Network()
        let (there, back) = (Link(delay: 20_000_000, seed: 1), Link(delay: 20_000_000, seed: 2))
        (there.rate, there.queue) = (2e6, 4_000_000)
        let (a, _) = network.join(Self.configuration, Self.configuration, forth: [there], back: [back])
        network.run(seconds: 3, full: [a])
        #expect(there.dropped == 0)
        #expect((network.ends[a].roundTrip ?? .seconds(1)) < .milliseconds(60))
        #expect(((1.4e6)...(2.6e6)).contains(network.ends[a].pace ?? 0))
    }

    /// Three round trips hold up the window: the one of the first send, of the repeat, and of that with copies.
    @Test func aFewLostTwiceDoNotHoldUpTheWindow() {
        var configuration = Self.configuration
        (configuration.sendWindow, configuration.receiveWindow) = (1024, 1024)
        var network = Network()
        let (there, back) = (Link(delay: 20_000_000, seed: 5), Link(delay: 20_000_000, seed: 6))
        (there.loss, back.loss) = (0.1, 0.1)
        let (a, b) = network.join(configuration, configuration, forth: [there], back: [back])
        network.run(seconds: 1, full: [a])
        let before = network.received[b]
        network.run(seconds: 4, full: [a])
        let windows = Double(network.received[b] - before) / Double(1024 * 1226)
        #expect(windows > 0.8 * 4 / 0.12)
        let counters = network.ends[a].counters
        let repeated = Double(counters.repeatedBytes) / Double(counters.bytesOut)
        #expect(repeated < 0.13)
    }

    @Test("does not take lost acknowledgements for losses", arguments: [false, true])
    func doesNotTakeLostAcknowledgementsForLosses(isSpared: Bool) {
        var model = PacedModel(datagram: 1000, now: 0)
        for round in 0..<20 as Range<Int64> {
            var flights: [Flight] = []
            for _ in 0..<400 {
                var flight = Flight(data: nil, length: 976)
                flight.sentAt = 40_000_000 * round
                flight.delivery = model.sent(1000, underWay: flights.count * 1000, now: flight.sentAt)
                flights.append(flight)
            }
            let now = 40_000_000 * (round + 1)
            for flight in flights { model.rate.acknowledged(flight, now: now) }
            let report = AckReport(
                acknowledged: 400_000, lost: 150_000, spared: isSpared ? 150_000 : 0, roundTrip: 40_000_000)
            model.concluded(report, underWay: 0, now: now)
        }
        #expect((model.window > 500_000) == isSpared)
    }

    @Test("shares a bottleneck", arguments: [(0, 80_000), (2, 80_000), (2, 300_000)] as [(Int64, Int)])
    func sharesABottleneck(later: Int64, queue: Int) {
        var network = Network()
        let bottleneck = Link(delay: 0, seed: 9)
        (bottleneck.rate, bottleneck.queue) = (2e6, queue)
        let pairs = (0..<2).map { index in
            network.join(
                Self.configuration, Self.configuration,
                forth: [bottleneck, Link(delay: 20_000_000, seed: UInt64(10 + index))],
                back: [Link(delay: 20_000_000, seed: UInt64(20 + index))])
        }
        network.run(seconds: later, full: [pairs[0].0])
        network.run(seconds: 8, full: pairs.map(\.0))
        let before = network.received
        network.run(seconds: 12, full: pairs.map(\.0))
        let shares = pairs.map { Double(network.received[$0.1] - before[$0.1]) }
        let sum = shares.reduce(0, +)
        #expect(sum / 12 > 0.85 * 2e6)
        #expect(sum * sum / (2 * shares.map { $0 * $0 }.reduce(0, +)) > 0.9)
    }

    @Test func carriesOnAfterABlackout() {
        var network = Network()
        let (there, back) = (Link(delay: 20_000_000, seed: 1), Link(delay: 20_000_000, seed: 2))
        (there.rate, there.queue) = (2e6, 80_000)
        var configuration = Self.configuration
        configuration.deadTime = .seconds(60)
        let (a, b) = network.join(configuration, configuration, forth: [there], back: [back])
        network.run(seconds: 2, full: [a])
        there.loss = 1
        let sent = network.ends[a].counters.pushes
        network.run(seconds: 30, full: [a])
        #expect(network.ends[a].counters.pushes - sent < 2000)
        there.loss = 0
        let before = network.received[b]
        network.run(seconds: 2, full: [a])
        #expect(network.received[b] > before)
    }

    @Test func letsBurstsOfAMillisecondGo() {
        var pacer = Pacer(datagram: 1250, rate: 1e7, now: 0)
        var now: Int64 = 0
        var sizes: [Int] = []
        while now < 200_000_000 {
            var burst = 0
            while pacer.isOpen(now: now) {
                pacer.spend(1250, now: now)
                burst += 1250
            }
            sizes.append(burst)
            #expect(pacer.release > now)
            now = pacer.release
        }
        #expect(sizes.dropFirst().allSatisfy { $0 <= 12_500 })
        #expect(abs(sizes.dropFirst().reduce(0, +) - 2_000_000) < 100_000)
    }

    @Test func forgetsTheLargestAfterItsWindow() {
        var filter = MaxFilter(window: 10)
        filter.update(5, round: 0)
        for round in 1...10 as ClosedRange<UInt64> { filter.update(3, round: round) }
        #expect(filter.value == 5)
        filter.update(2, round: 11)
        #expect(filter.value == 3)
        filter.update(9, round: 12)
        #expect(filter.value == 9)
        filter.update(1, round: 40)
        #expect(filter.value == 1)
    }

    @Test func measuresWhatIsDelivered() {
        var rate = DeliveryRate()
        var flights: [Flight] = []
        for index in 0..<10 as Range<Int64> {
            var flight = Flight(data: nil, length: 976)
            flight.sentAt = index * 1_000_000
            flight.delivery = rate.sent(isFirst: index == 0, now: flight.sentAt)
            flights.append(flight)
        }
        for (index, flight) in flights.enumerated() {
            rate.acknowledged(flight, now: Int64(40 + 2 * index) * 1_000_000)
        }
        let sample = rate.sample(now: 58_000_000, least: 0)
        #expect(rate.delivered == 10_000)
        #expect(sample?.rate == 10_000 * 1e9 / 58e6)
        #expect(sample?.isLimited == false)
        #expect(rate.sample(now: 59_000_000, least: 0) == nil)
    }
}
