// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenTesting

@testable import WarrenCore

/// Which readers are ended for holding up a session without windows: all that are dead, soon; no other.
@Suite("stalled readers")
struct IntakeTests {
    /// What stands behind a stream: a system that takes bytes ahead of its reader, in steps, and a reader.
    struct Reader {
        /// Bytes per millisecond; 0 is dead, nil takes everything.
        var rate: Int?
        /// What the system takes ahead of the reader, and the least that it takes at once.
        var ahead = 0
        var step = 1
        /// Taken by the system, and of that not yet by the reader.
        var taken = 0
        var kept = 0
        var lastTaken = 0
    }

    /// A carrier that brings the streams' bytes in a fixed order, and a clock.
    struct World {
        static let start = NIODeadline.uptimeNanoseconds(1_000_000_000)
        var now = Self.start
        var intake = Intake(SessionLimits(), stall: .seconds(5))
        var readers: [Reader] = []
        /// What is on the carrier, in order.
        var carrier = CircularBuffer<(row: Int, count: Int)>()
        var onCarrier = 0
        var ended: [Int: TimeAmount] = [:]
        var longestHold = TimeAmount.zero
        private var heldSince: NIODeadline?
        private var turn = 0

        init(_ readers: [Reader]) {
            self.readers = readers
            self.intake.streams = readers.count
        }

        mutating func put(_ count: Int, for row: Int) {
            self.carrier.append((row, count))
            self.onCarrier += count
        }

        /// One millisecond, in which the carrier brings at most so much; all streams have more to send, in turns.
        mutating func tick(_ most: Int) {
            self.now = self.now + .milliseconds(1)
            while self.onCarrier < 4 << 20, self.ended.count < self.readers.count {
                if self.ended[self.turn] == nil { self.put(32 << 10, for: self.turn) }
                self.turn = (self.turn + 1) % self.readers.count
            }
            self.end()
            var left = most
            while left > 0, !self.intake.isHeld { left -= self.read(min(left, 256 << 10)) }
            for row in self.readers.indices { self.take(row) }
            if self.intake.isHeld {
                self.heldSince = self.heldSince ?? self.now
                self.longestHold = max(self.longestHold, self.now - (self.heldSince ?? self.now))
            } else {
                self.heldSince = nil
            }
        }

        /// One read of the carrier.
        private mutating func read(_ most: Int) -> Int {
            var (left, touched) = (most, Set<Int>())
            while left > 0, let (row, count) = self.carrier.popFirst() {
                let piece = min(count, left)
                if piece < count { self.carrier.prepend((row, count - piece)) }
                left -= piece
                self.onCarrier -= piece
                guard self.ended[row] == nil else { continue }
                self.intake.delivered(piece, to: row, now: self.now)
                touched.insert(row)
            }
            for row in touched { self.pass(row) }
            self.end()
            return most
        }

        /// The system takes what it has room for.
        private mutating func pass(_ row: Int) {
            let room = self.readers[row].rate == nil ? Int.max : self.readers[row].ahead - self.readers[row].kept
            let unread = self.intake.unread(row)
            guard unread > 0, room >= min(self.readers[row].step, unread) else { return }
            let count = min(room, unread)
            if self.readers[row].rate != nil { self.readers[row].kept += count }
            self.readers[row].taken += count
            self.intake.consumed(count, of: row)
        }

        private mutating func take(_ row: Int) {
            guard self.ended[row] == nil, let rate = self.readers[row].rate, rate > 0 else { return }
            self.readers[row].kept -= min(rate, self.readers[row].kept)
            self.pass(row)
        }

        private mutating func end() {
            while let row = self.intake.stalled(now: self.now) {
                self.ended[row] = self.now - Self.start
                self.intake.forget(row)
                self.intake.streams -= 1
            }
        }
    }

    static func dead(_ count: Int, _ random: inout SeededRandom) -> [Reader] {
        (0..<count).map { _ in Reader(rate: 0, ahead: .random(in: 0...2_000_000, using: &random)) }
    }

    @Test("a hundred dead ones beside ten busy ones are found within 12 s", arguments: 0..<6 as Range<UInt64>)
    func hundred(seed: UInt64) {
        var random = SeededRandom(seed)
        // The busy ones take everything, or 10 MB/s.
        let busy = Array(repeating: Reader(rate: seed % 2 == 0 ? nil : 10_000, ahead: 400_000), count: 10)
        var world = World(Self.dead(100, &random) + busy)
        switch seed % 3 {
        case 1:  // one after the other
            for row in 0..<100 { world.put(world.readers[row].ahead + 300_000, for: row) }
        case 2:  // the first one floods everybody
            world.put(16 << 20, for: 0)
        default: break
        }
        while world.now < World.start + .seconds(13), world.ended.count < 100 { world.tick(1 << 20) }
        #expect(Set(world.ended.keys) == Set(0..<100))
        #expect((world.ended.values.max() ?? .zero) <= .seconds(12), "\(world.ended.values.max() ?? .zero)")
        #expect(world.longestHold < .seconds(6))
    }

    @Test(
        "slow ones beside a fast one, and dead ones, are never ended",
        arguments: [(50, 65_536), (50, 131_072), (200, 65_536), (1000, 65_536), (1000, 393_216), (4000, 393_216)])
    func slow(rate: Int, step: Int) {
        for dead in [0, 20] {
            var random = SeededRandom(UInt64(rate))
            let slow = Reader(rate: rate, ahead: max(step, 100_000), step: step)
            var world = World([slow, Reader(rate: nil), slow] + Self.dead(dead, &random))
            for _ in 0..<40_000 { world.tick(200_000) }
            #expect(Set(world.ended.keys) == Set(3..<(3 + dead)))
            // Both get what they can take, and the fast one no less.
            let least = rate * 40_000 * 8 / 10
            #expect(world.readers[0].taken > least && world.readers[2].taken > least)
            #expect(world.readers[1].taken > least)
        }
    }

    @Test func theOnlyOneStays() {
        var world = World([Reader(rate: 0, ahead: 100_000)])
        for _ in 0..<20_000 { world.tick(100_000) }
        #expect(world.ended.isEmpty && world.intake.isHeld)
        #expect(world.intake.unread(0) < 600 << 10)
    }

    @Test func oneThatHadNothingToReadIsNotStalled() {
        var intake = Intake(SessionLimits(), stall: .seconds(5))
        intake.streams = 2
        var now = World.start
        intake.delivered(1000, to: 0, now: now)
        intake.consumed(1000, of: 0)
        now = now + .minutes(10)
        intake.delivered(300_000, to: 0, now: now)
        #expect(intake.isHeld && intake.stalled(now: now) == nil)
        #expect(intake.stalled(now: now + .milliseconds(4999)) == nil)
        #expect(intake.stalled(now: now + .seconds(5)) == 0)
    }

    @Test func oneThatTookNothingForLongGoesAtOnceWhenItHolds() {
        var intake = Intake(SessionLimits(), stall: .seconds(5))
        intake.streams = 2
        intake.delivered(1000, to: 0, now: World.start)
        let later = World.start + .seconds(60)
        #expect(intake.stalled(now: later) == nil && !intake.isHeld)
        intake.delivered(300_000, to: 0, now: later)
        #expect(intake.stalled(now: later) == 0)
    }
}
