// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenTesting

@testable import WarrenKCP

/// Two machines over a bad link: whatever is lost, doubled, late or spoilt, both get each other's bytes.
@Suite("KCP pairs")
struct PairModelTests {
    @Test func bothGetEachOthersBytes() {
        for seed in ModelRuns.seeds {
            var random = SeededRandom(seed)
            var pair = LossyPair(seed: seed, &random)
            pair.run()
            guard pair.isRight else {
                Issue.record("seed \(seed): \(pair.story)")
                return
            }
        }
    }
}

private struct LossyPair {
    private final class Received { var bytes = [ByteBuffer(), ByteBuffer()] }

    private var network = Network()
    private let sent: [ByteBuffer]
    private let received = Received()
    private var unsent: [[ByteBuffer]]
    private let links: [Link]

    init(seed: UInt64, _ random: inout SeededRandom) {
        let links = (0..<2).map { _ in Link(delay: .random(in: 0...30_000_000, using: &random), seed: random.next()) }
        for link in links {
            link.jitter = Bool.random(using: &random) ? 0 : .random(in: 0...20_000_000, using: &random)
            link.loss = .random(in: 0...0.2, using: &random)
            link.duplication = Bool.random(using: &random) ? 0 : 0.1
            link.corruption = Bool.random(using: &random) ? 0 : 0.05
            if Int.random(in: 0..<4, using: &random) == 0 {
                link.rate = .random(in: 1e5...1e7, using: &random)
                link.queue = .random(in: 3000...100_000, using: &random)
            }
        }
        let framing: KCP.Framing = Bool.random(using: &random) ? .stream : .messages
        let a = Self.configuration(framing, &random)
        let b = Self.configuration(framing, &random)
        let first = Bool.random(using: &random) ? 0 : UInt32.max - .random(in: 0...40, using: &random)
        _ = self.network.join(a, b, forth: [links[0]], back: [links[1]], first: first)
        self.links = links
        self.sent = (0..<2).map { _ in Self.bytes(.random(in: 0...60_000, using: &random), &random) }
        self.unsent = self.sent.map { Chunks.random($0, most: 8000, using: &random).reversed() }
        let received = self.received
        self.network.onReceive = { end, bytes in received.bytes[end].writeImmutableBuffer(bytes) }
    }

    private static func configuration(_ framing: KCP.Framing, _ random: inout SeededRandom) -> KCP.Configuration {
        var configuration = KCP.Configuration.vproxy(
            KCP.Configuration.Profile.allCases.randomElement(using: &random) ?? .fast4)
        configuration.framing = framing
        configuration.congestion = [.window, .classic, .paced].randomElement(using: &random) ?? .window
        configuration.sendWindow = .random(in: 16...256, using: &random)
        configuration.receiveWindow = .random(in: 32...256, using: &random)
        configuration.mtu = .random(in: 600...1400, using: &random)
        configuration.acknowledgementDelay = .milliseconds([0, 0, 1, 20].randomElement(using: &random) ?? 0)
        configuration.clockOffset = Bool.random(using: &random) ? 0 : UInt32.max - .random(in: 0...3000, using: &random)
        return configuration
    }

    private static func bytes(_ count: Int, _ random: inout SeededRandom) -> ByteBuffer { random.bytes(count) }

    mutating func run() {
        for end in 0..<2 { self.feed(end) }
        let limit = self.network.now + 300_000_000_000
        while self.network.run(until: limit, { _, _ in true }), self.network.now < limit {
            for end in 0..<2 { self.feed(end) }
        }
    }

    private mutating func feed(_ end: Int) {
        while self.network.ends[end].backlog < 20_000, let bytes = self.unsent[end].popLast() {
            self.network.send(bytes, from: end)
        }
    }

    /// All has arrived, both know, nothing ticks any more, and no deadline was for nothing.
    var isRight: Bool {
        self.network.spins == 0 && self.network.idleWakes == 0 && self.received.bytes[1] == self.sent[0]
            && self.received.bytes[0] == self.sent[1]
            && self.network.ends.allSatisfy { $0.isFinished && $0.failure == nil && $0.deadline == nil }
            && (0..<2).allSatisfy { self.network.ends[$0].acknowledged == UInt64(self.sent[$0].readableBytes) }
    }

    var story: String {
        "\(self.network.spins) spins, \(self.network.idleWakes) idle wakes\n"
            + (0..<2).map { end in
                let machine = self.network.ends[end]
                return """
                    end \(end): received \(self.received.bytes[end].readableBytes) of \(self.sent[1 - end].readableBytes), \
                    acknowledged \(machine.acknowledged), failure \(String(describing: machine.failure)), \
                    deadline \(String(describing: machine.deadline)), now \(self.network.now), \(machine.counters)
                    """
            }.joined(separator: "\n")
    }
}
