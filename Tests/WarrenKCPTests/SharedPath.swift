// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenTesting

@testable import WarrenKCP

/// A bottleneck that paced tunnels and flows of TCP share.
struct SharedPath: CustomStringConvertible {
    /// Bytes per second, milliseconds, and parts of what the path holds.
    var rate: Double
    var roundTrip: Int64
    var queue: Double
    var loss = 0.0

    var description: String { "\(self.rate / 125_000) Mbit/s, \(self.roundTrip) ms, queue \(self.queue)" }

    func with(queue: Double) -> Self {
        var path = self
        path.queue = queue
        return path
    }

    enum Order: CaseIterable { case cubicFirst, tunnelsFirst }

    /// - Parameters:
    ///   - order: who begins two seconds before the others.
    ///   - warm: seconds before any are measured.
    /// - Returns: parts of the link, of the tunnels first.
    func shares(
        tunnels: Int, cubic: Int, order: Order = .tunnelsFirst, seed: UInt64, warm: Int64, seconds: Int64
    ) -> [Double] {
        var random = SeededRandom(seed)
        var network = Network()
        let link = Link(delay: 0, seed: seed)
        (link.rate, link.queue) = (self.rate, Int(self.queue * self.rate * Double(self.roundTrip) / 1e3))
        link.loss = self.loss
        if order == .cubicFirst {
            self.addCubic(cubic, on: link, to: &network)
            network.run(seconds: 2, full: [])
        }
        var ends: [(Int, Int)] = []
        for index in 0..<UInt64(tunnels) {
            ends.append(self.addTunnel(on: link, seed: 10 * seed + 2 * index, to: &network))
            network.run(nanoseconds: Int64.random(in: 0...300_000_000, using: &random), full: ends.map(\.0))
        }
        if order == .tunnelsFirst {
            network.run(seconds: 2, full: ends.map(\.0))
            self.addCubic(cubic, on: link, to: &network)
        }
        network.run(seconds: warm, full: ends.map(\.0))
        let before = network.arrived(at: ends.map(\.1))
        network.run(seconds: seconds, full: ends.map(\.0))
        let after = network.arrived(at: ends.map(\.1))
        return zip(after, before).map { Double($0 - $1) / Double(seconds) / self.rate }
    }

    private func addCubic(_ count: Int, on link: Link, to network: inout Network) {
        let delay = self.roundTrip * 500_000
        for _ in 0..<count {
            network.neighbours.append(CubicFlow(link: link, forth: delay, back: delay, now: network.now))
        }
    }

    private func addTunnel(on link: Link, seed: UInt64, to network: inout Network) -> (Int, Int) {
        var configuration = KCP.Configuration.vproxy()
        configuration.acknowledgementDelay = .milliseconds(5)
        configuration.congestion = .paced
        (configuration.sendWindow, configuration.receiveWindow) = (8192, 8192)
        let delay = self.roundTrip * 500_000
        return network.join(
            configuration, configuration, forth: [link, Link(delay: delay, seed: seed)],
            back: [Link(delay: delay, seed: seed + 1)])
    }
}

extension Network {
    /// Bytes on the wire that have arrived, at ends and then at neighbours.
    fileprivate func arrived(at ends: [Int]) -> [Int] {
        ends.map { self.received[$0] * (1250 + 28) / (1250 - KCP.overhead) } + self.neighbours.map(\.received)
    }
}

extension [Double] {
    /// Jain's index: 1 if all have the same.
    var fairness: Double {
        let sum = self.reduce(0, +)
        return sum * sum / (Double(self.count) * self.map { $0 * $0 }.reduce(0, +))
    }
}
