// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenTesting

@testable import WarrenKCP

/// A machine and the rules of ikcp.c over a bad link.
@Suite("KCP with deployed rules")
struct OracleModelTests {
    @Test func bothGetEachOthersBytes() {
        for seed in ModelRuns.seeds {
            var random = SeededRandom(seed)
            var pair = OraclePair(&random)
            pair.run(&random)
            guard pair.isRight else {
                Issue.record("seed \(seed): \(pair.story)")
                return
            }
        }
    }
}

private struct OraclePair {
    private var machine: KCP.Machine
    private var oracle: Oracle
    private let links: [Link]
    private var underWay = ArrivalQueue()
    /// Of the machine, of the oracle.
    private let sent: [ByteBuffer]
    private var unsent: [[ByteBuffer]]
    private var received = [ByteBuffer(), ByteBuffer()]
    /// Milliseconds.
    private var now = 1000
    /// How often a reader takes what is there, in one of so many milliseconds.
    private let sloth: Int

    init(_ random: inout SeededRandom) {
        self.links = (0..<2).map { _ in Link(delay: .random(in: 0...30_000_000, using: &random), seed: random.next()) }
        for link in self.links {
            link.jitter = Bool.random(using: &random) ? 0 : .random(in: 0...15_000_000, using: &random)
            link.loss = .random(in: 0...0.15, using: &random)
            link.duplication = Bool.random(using: &random) ? 0 : 0.1
        }
        var configuration = KCP.Configuration.vproxy([.fast4, .fast3, .normal].randomElement(using: &random) ?? .fast4)
        configuration.congestion = [.window, .classic, .paced].randomElement(using: &random) ?? .paced
        configuration.receiveWindow = 128
        let first = Bool.random(using: &random) ? 0 : UInt32.max - .random(in: 0...20, using: &random)
        self.machine = KCP.Machine(configuration, now: .at(1000), firstNumber: first)
        self.oracle = Oracle(first: first, resend: Int.random(in: 0...2, using: &random))
        self.sent = (0..<2).map { _ in random.bytes(.random(in: 0...40_000, using: &random)) }
        self.unsent = self.sent.map { Chunks.random($0, most: 6000, using: &random).reversed() }
        self.sloth = [1, 1, 5, 40].randomElement(using: &random) ?? 1
    }

    mutating func run(_ random: inout SeededRandom) {
        while self.now < 200_000, !self.isRight {
            self.now += 1
            let time = Int64(self.now) * 1_000_000
            while let arrival = self.underWay.first, arrival.time <= time, let arrival = self.underWay.popFirst() {
                if arrival.end == 0 {
                    self.machine.input(arrival.datagram, now: .at(self.now))
                } else {
                    self.oracle.input(arrival.datagram, now: UInt32(self.now))
                }
            }
            if self.machine.backlog < 9000, let bytes = self.unsent[0].popLast() { self.machine.send(bytes) }
            if self.oracle.waitingSegments < 8, let bytes = self.unsent[1].popLast() { self.oracle.send(bytes) }
            if Int.random(in: 0..<self.sloth, using: &random) == 0 { self.read() }
            while let datagram = self.machine.poll(now: .at(self.now)) { self.pass(datagram, to: 1, at: time) }
            guard self.now % Int(self.oracle.interval) == 0 else { continue }
            for datagram in self.oracle.flush(now: UInt32(self.now)) { self.pass(datagram, to: 0, at: time) }
        }
    }

    private mutating func read() {
        while let bytes = self.machine.receive() { self.received[0].writeImmutableBuffer(bytes) }
        while let bytes = self.oracle.receive() { self.received[1].writeImmutableBuffer(bytes) }
    }

    private mutating func pass(_ datagram: ByteBuffer, to end: Int, at time: Int64) {
        self.links[end].pass(datagram, now: time) { self.underWay.append($0, to: end, at: $1) }
    }

    var isRight: Bool {
        self.machine.isFinished && self.oracle.isFinished && self.unsent.allSatisfy(\.isEmpty)
            && self.received[0] == self.sent[1] && self.received[1] == self.sent[0]
    }

    var story: String {
        """
        the machine has \(self.received[0].readableBytes) of \(self.sent[1].readableBytes), the oracle \
        \(self.received[1].readableBytes) of \(self.sent[0].readableBytes), acknowledged \(self.machine.acknowledged), \
        \(String(describing: self.machine.failure)), \(self.machine.counters)
        """
    }
}
