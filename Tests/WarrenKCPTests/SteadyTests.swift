// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing

@testable import WarrenKCP

/// What many seeds have in common: the unluckiest of them are near the others.
@Suite("KCP steady")
struct SteadyTests {
    private static func configuration(window: Int) -> KCP.Configuration {
        var configuration = KCP.Configuration.vproxy()
        configuration.acknowledgementDelay = .milliseconds(5)
        configuration.congestion = .paced
        (configuration.sendWindow, configuration.receiveWindow) = (window, window)
        return configuration
    }

    /// Streams that waited for the same loss go on as one: all they say leaves in one segment, which nothing follows.
    @Test("round trips of streams in step", arguments: [0.01, 0.05, 0.1])
    func roundTripsOfStreamsInStep(loss: Double) {
        let configuration = Self.configuration(window: 1024)
        var worst: [Int64] = []
        for seed in 0..<80 as Range<UInt64> {
            var network = Network()
            let (there, back) = (Link(delay: 20_000_000, seed: 2 * seed), Link(delay: 20_000_000, seed: 2 * seed + 1))
            (there.loss, back.loss) = (loss, loss)
            let (a, b) = network.join(configuration, configuration, forth: [there], back: [back])
            let trips = network.roundTrips(of: ByteBuffer(repeating: 1, count: 8 * 73), between: a, b, count: 50)
            worst.append(trips.max() ?? .max)
        }
        worst.sort()
        #expect(worst[worst.count / 2] <= 70_000_000)
        #expect(worst[worst.count * 9 / 10] <= 95_000_000)
        #expect(worst[worst.count * 99 / 100] <= 200_000_000)
    }

    @Test("a path that becomes faster is used", arguments: [0, 0.05, 0.1])
    func aPathThatBecomesFasterIsUsed(loss: Double) {
        for seed in 0..<2 as Range<UInt64> {
            var network = Network()
            let (there, back) = (Link(delay: 20_000_000, seed: 2 * seed), Link(delay: 20_000_000, seed: 2 * seed + 1))
            (there.loss, back.loss) = (loss, loss)
            (there.rate, there.queue) = (2.5e5, 20_000)
            let configuration = Self.configuration(window: 1024)
            let (a, b) = network.join(configuration, configuration, forth: [there], back: [back])
            network.run(seconds: 2, full: [a])
            (there.rate, there.queue) = (2e6, 80_000)
            network.run(nanoseconds: 1_200_000_000, full: [a])
            let before = network.received[b]
            network.run(nanoseconds: 800_000_000, full: [a])
            #expect(Double(network.received[b] - before) > 0.8 * 0.7 * (1 - loss) * 2e6)
        }
    }

    /// What a burst lost is known of one stretch later than what it delivered.
    @Test("a burst is not judged by halves", arguments: [(100, false), (300, true)])
    func aBurstIsNotJudgedByHalves(lost: Int, isHeavy: Bool) {
        var losses = LossRounds()
        let arrived = UInt64(1000 - lost)
        let isLong = losses.ends(delivered: arrived, enough: 500)
        losses.saw(lost: lost, spared: 0)
        #expect(isLong && losses.isHeavy(delivered: arrived) == isHeavy)
        losses.saw(lost: 0, spared: lost)
        #expect(!losses.isHeavy(delivered: arrived))
    }
}

extension Network {
    /// Sends there and back one after the other.
    ///
    /// - Returns: how long each took, in nanoseconds.
    fileprivate mutating func roundTrips(of message: ByteBuffer, between a: Int, _ b: Int, count: Int) -> [Int64] {
        var trips: [Int64] = []
        let length = message.readableBytes
        for round in 1...count {
            let start = self.now
            self.send(message, from: a)
            var isAnswered = false
            _ = self.run(until: start + 60_000_000_000) { network, _ in
                if !isAnswered, network.received[b] == round * length {
                    isAnswered = true
                    network.send(message, from: b)
                }
                return network.received[a] == round * length
            }
            trips.append(self.now - start)
        }
        return trips
    }
}
