// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenTesting

@testable import WarrenCore

/// Who may be slow in a session without windows, and who pays when its budget is used up.
@Suite("slow and stalled readers")
struct SlowReaderGuardTests {
    private static let budget = 1 << 20

    /// What stands behind a stream.
    struct Reader {
        /// Bytes per millisecond; 0 is dead, nil takes everything.
        var rate: Int?
        /// Bytes that its far end sends for it in a millisecond.
        var source = Int.max
        var taken = 0
    }

    /// A carrier that brings the streams' bytes in turns, and a clock.
    struct World {
        static let start = NIODeadline.uptimeNanoseconds(1_000_000_000)
        var now = Self.start
        var intake: SlowReaderGuard
        var readers: [Reader]
        var ended: [Int: TimeAmount] = [:]
        var most = 0
        /// Time in which nothing was read, in sum.
        var held = TimeAmount.zero
        private var unread: Int { self.readers.indices.reduce(0) { $0 + self.intake.unread($1) } }

        init(_ readers: [Reader], budget: Int = SlowReaderGuardTests.budget) {
            var limits = SessionLimits()
            limits.budget = budget
            self.intake = SlowReaderGuard(limits, stall: .seconds(3), opensStreams: true)
            self.readers = readers
            self.intake.streams = readers.count
        }

        /// One millisecond, in which the carrier brings at most so much.
        mutating func tick(_ most: Int) {
            self.now = self.now + .milliseconds(1)
            self.end()
            let live = self.readers.indices.filter { self.ended[$0] == nil }
            for row in live where !self.intake.isHeld {
                let count = min(most / live.count, self.readers[row].source)
                self.intake.delivered(count, to: row, now: self.now)
                if self.readers[row].rate == nil { self.take(count, row) }
            }
            if self.intake.isHeld { self.held = self.held + .milliseconds(1) }
            self.most = max(self.most, self.unread)
            for row in live { self.take(self.readers[row].rate ?? 0, row) }
            self.end()
        }

        private mutating func take(_ count: Int, _ row: Int) {
            let taken = min(count, self.intake.unread(row))
            self.readers[row].taken += taken
            self.intake.consumed(taken, of: row)
        }

        private mutating func end() {
            while let row = self.intake.stalled(now: self.now) {
                self.ended[row] = self.now - Self.start
                self.intake.forget(row)
                self.intake.streams -= 1
            }
        }
    }

    @Test("a slow reader within the budget holds up nobody, and stays, as long as it likes")
    func slowWithinTheBudget() {
        var world = World([Reader(rate: 1, source: 1), Reader(rate: nil), Reader(rate: 200, source: 300)])
        for _ in 0..<5000 { world.tick(100_000) }
        #expect(world.ended.isEmpty && world.held == .zero)
        #expect(world.readers[1].taken > 150_000_000)
    }

    @Test("a slow reader whose last bytes filled the budget for a moment stays: nobody waits for it")
    func slowAtTheEnd() {
        var limits = SessionLimits()
        limits.budget = Self.budget
        var (intake, now) = (SlowReaderGuard(limits, stall: .seconds(3), opensStreams: true), World.start)
        intake.streams = 2
        intake.delivered(Self.budget, to: 0, now: now)
        #expect(intake.isHeld)
        for _ in 0..<6 {
            now = now + .seconds(1)
            intake.consumed(45_000, of: 0)
            #expect(intake.stalled(now: now) == nil)
        }
        #expect(!intake.isHeld && intake.due == nil)
    }

    @Test("one that is dead, and takes something before it is ended, is spared") func whoComesToLife() {
        var limits = SessionLimits()
        limits.budget = Self.budget
        var intake = SlowReaderGuard(limits, stall: .seconds(3), opensStreams: true)
        intake.streams = 3
        for row in 0..<2 { intake.delivered(Self.budget / 2, to: row, now: World.start) }
        let later = World.start + .seconds(3)
        guard let first = intake.stalled(now: later) else { return #expect(Bool(false), "nobody is dead") }
        intake.consumed(1, of: 1 - first)
        intake.forget(first)
        intake.streams = 2
        #expect(intake.stalled(now: later) == nil)
    }

    @Test("a dead reader within the budget stays too") func deadWithinTheBudget() {
        var world = World([Reader(rate: 0, source: 1), Reader(rate: nil)])
        for _ in 0..<20_000 { world.tick(10_000) }
        #expect(world.ended.isEmpty && world.held == .zero)
    }

    @Test("when the budget is used up, the slowest one pays, and nobody else") func theSlowestPays() {
        var world = World([Reader(rate: 3), Reader(rate: nil), Reader(rate: 10, source: 10), Reader(rate: 1)])
        for _ in 0..<20_000 { world.tick(1_000_000) }
        #expect(Set(world.ended.keys) == [0, 3])
        #expect((world.ended[3] ?? .zero) < (world.ended[0] ?? .zero))
        // It costs the others two waits.
        #expect(world.held < .seconds(7))
        #expect(world.most <= Self.budget + (1_000_000))
    }

    @Test("readers that are slow together, and take a sixteenth of the budget in a wait, wait for each other")
    func slowTogether() {
        var world = World([Reader(rate: 40), Reader(rate: 40), Reader(rate: 10)])
        for _ in 0..<20_000 { world.tick(1_000_000) }
        #expect(world.ended.isEmpty)
        #expect(world.readers.map(\.taken).min() ?? 0 > 100_000)
    }

    @Test("a hundred dead ones beside ten busy ones are found together", arguments: [nil, 10_000] as [Int?])
    func hundred(rate: Int?) {
        let dead = Array(repeating: Reader(rate: 0), count: 100)
        var world = World(dead + Array(repeating: Reader(rate: rate), count: 10), budget: 64 << 20)
        while world.now < World.start + .seconds(5) { world.tick(4 << 20) }
        #expect(Set(world.ended.keys) == Set(0..<100))
        #expect((world.ended.values.max() ?? .zero) <= .seconds(4))
    }

    @Test("the only stream of a session has a bound of its own, and is not ended") func theOnlyOneStays() {
        var world = World([Reader(rate: 0)])
        for _ in 0..<20_000 { world.tick(100_000) }
        #expect(world.ended.isEmpty && world.intake.isHeld)
        #expect(world.intake.unread(0) < 600 << 10)
        // Another one does not wait for it.
        world.intake.streams = 2
        #expect(!world.intake.isHeld)
    }

    /// A session of a peer that opens streams, with one whose reader holds three quarters of the budget.
    private func alone(_ budget: Int = Self.budget) -> SlowReaderGuard {
        var limits = SessionLimits()
        limits.budget = budget
        var intake = SlowReaderGuard(limits, stall: .seconds(3), opensStreams: false)
        intake.streams = 1
        intake.delivered(budget / 4 * 3 - 1, to: 0, now: World.start)
        #expect(!intake.isHeld)
        intake.delivered(1, to: 0, now: World.start)
        #expect(intake.isHeld)
        return intake
    }

    @Test(
        "where the peer opens streams, more is read behind the only one whose reader is dead, and at last it is ended")
    func theOnlyOneOfAPeer() {
        var (intake, now) = (self.alone(), World.start)
        for _ in 0..<4 {
            #expect(intake.due == now + .seconds(3))
            #expect(intake.stalled(now: now + .milliseconds(2999)) == nil && intake.isHeld)
            now = now + .seconds(3)
            #expect(intake.stalled(now: now) == nil && !intake.isHeld)
            intake.delivered(Self.budget / 16, to: 0, now: now)
            #expect(intake.isHeld)
        }
        #expect(intake.unread(0) == Self.budget)
        for _ in 4..<19 {
            now = now + .seconds(3)
            #expect(intake.stalled(now: now) == nil && intake.isHeld)
        }
        #expect(intake.stalled(now: now + .milliseconds(2999)) == nil)
        #expect(intake.stalled(now: now + .seconds(3)) == 0)
    }

    @Test("a stream that opens behind the dead one is not held up by it") func whoComesBehind() {
        var (intake, now) = (self.alone(), World.start + .seconds(3))
        #expect(intake.stalled(now: now) == nil && !intake.isHeld)
        intake.streams = 2
        intake.delivered(Self.budget / 4, to: 0, now: now)
        #expect(intake.isHeld)
        now = now + .seconds(3)
        #expect(intake.stalled(now: now) == 0)
    }

    @Test("a dead one is ended in the same time if short ones come and go behind it") func shortOnesBehind() {
        var (intake, now) = (self.alone(), World.start)
        for _ in 0..<4 {
            now = now + .seconds(3)
            #expect(intake.stalled(now: now) == nil && !intake.isHeld)
            intake.streams = 2
            intake.delivered(100, to: 1, now: now)
            intake.consumed(100, of: 1)
            intake.forget(1)
            intake.streams = 1
            intake.delivered(Self.budget / 16, to: 0, now: now)
            #expect(intake.isHeld)
        }
        for _ in 4..<19 {
            now = now + .seconds(3)
            #expect(intake.stalled(now: now) == nil)
        }
        #expect(intake.stalled(now: now + .seconds(3)) == 0)
    }

    @Test("where the peer opens streams, the only one stays if its reader takes little") func theOnlySlowOne() {
        var (intake, now) = (self.alone(), World.start)
        for _ in 0..<1000 {
            now = now + .seconds(1)
            intake.consumed(1, of: 0)
            #expect(intake.stalled(now: now) == nil)
            if !intake.isHeld { intake.delivered(Self.budget / 16, to: 0, now: now) }
            #expect(intake.unread(0) <= Self.budget)
        }
    }

    @Test("where all streams are known, but the carrier is needed, the only one may have the budget, and stays")
    func theOnlyOneOfARelay() {
        var intake = SlowReaderGuard(SessionLimits(), stall: .seconds(3), opensStreams: false, knowsStreams: true)
        intake.streams = 1
        intake.delivered(63 << 20, to: 0, now: World.start)
        #expect(!intake.isHeld)
        intake.delivered(1 << 20, to: 0, now: World.start)
        #expect(intake.isHeld && intake.stalled(now: World.start + .minutes(10)) == nil && intake.due == nil)
    }

    @Test("where the peer opens streams, and sends no more than the only one may have, it stays")
    func theOnlyOneAtItsEnd() {
        var (intake, now) = (self.alone(), World.start)
        for _ in 0..<1000 {
            now = now + .seconds(3)
            #expect(intake.stalled(now: now) == nil)
        }
        #expect(!intake.isHeld && intake.due == nil)
    }

    @Test("the last one of many dead ones is spared") func theLastIsSpared() {
        var world = World(Array(repeating: Reader(rate: 0), count: 5))
        for _ in 0..<20_000 { world.tick(100_000) }
        #expect(world.ended.count == 4)
    }

    @Test("a dead reader beside a fast one is found, however small the budget", arguments: [1, 10, 64, 1024, 16 << 10])
    func smallBudgets(kibibytes: Int) {
        var world = World([Reader(rate: 0), Reader(rate: 100_000), Reader(rate: nil)], budget: kibibytes << 10)
        for _ in 0..<30_000 where world.ended[0] == nil { world.tick(300_000) }
        #expect(world.ended.keys.contains(0) && world.ended.count == 1)
    }

    @Test(
        "whoever leaves the carrier alone has somebody to wait for, in any order", arguments: 0..<200 as Range<UInt64>)
    func nobodyIsForgotten(seed: UInt64) {
        var random = SeededRandom(seed)
        var limits = SessionLimits()
        limits.budget = Int.random(in: 1...2 << 20, using: &random)
        var (intake, now) = (SlowReaderGuard(limits, stall: .seconds(3), opensStreams: seed % 2 == 0), World.start)
        intake.streams = 6
        for _ in 0..<400 {
            let row = Int.random(in: 0..<6, using: &random)
            now = now + .milliseconds(.random(in: 0...200, using: &random))
            switch Int.random(in: 0..<8, using: &random) {
            case 0...2:
                if !intake.isHeld { intake.delivered(.random(in: 0...256 << 10, using: &random), to: row, now: now) }
            case 3...4: intake.consumed(.random(in: 0...256 << 10, using: &random), of: row)
            case 5: intake.forget(row)
            case 6: intake.streams = Int.random(in: 1...6, using: &random)
            default: while let row = intake.stalled(now: now) { intake.forget(row) }
            }
            if intake.isHeld && (intake.streams > 1 || seed % 2 == 1) {
                #expect(intake.due != nil || intake.wantsTurn, "held for nobody: \(seed)")
            }
        }
    }

    @Test("whatever comes, what is counted is what there is", arguments: 0..<20 as Range<UInt64>)
    func counts(seed: UInt64) {
        var random = SeededRandom(seed)
        var (intake, unread, now) = (
            SlowReaderGuard(SessionLimits(), stall: .seconds(3), opensStreams: true), [Int: Int](), World.start
        )
        for _ in 0..<5000 {
            let row = Int.random(in: 0..<8, using: &random)
            now = now + .milliseconds(.random(in: 0...400, using: &random))
            switch Int.random(in: 0..<6, using: &random) {
            case 0...2:
                let count = Int.random(in: 0...8 << 20, using: &random)
                intake.delivered(count, to: row, now: now)
                unread[row, default: 0] += count
            case 3:
                let count = Int.random(in: -5...16 << 20, using: &random)
                intake.consumed(count, of: row)
                unread[row] = max(0, (unread[row] ?? 0) - max(0, count))
            case 4: intake.streams = Int.random(in: 0...8, using: &random)
            default:
                guard let row = intake.stalled(now: now) else { continue }
                #expect(intake.streams > 1)
                intake.forget(row)
                unread[row] = 0
            }
            for row in 0..<8 { #expect(intake.unread(row) == unread[row] ?? 0) }
            let all = unread.values.reduce(0, +)
            if intake.streams > 1 {
                if all >= 64 << 20 { #expect(intake.isHeld) }
                if all <= 63 << 20 { #expect(!intake.isHeld) }
            }
        }
    }
}
