// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenLab
import WarrenTesting

/// Rate, queue, blackouts and what is on its way.
@Suite struct ScheduleTests {
    private static let begin = NIODeadline.uptimeNanoseconds(5_000_000_000)

    @Test("at a rate each byte takes its time, to the nanosecond") func rate() {
        // 3 bytes a second: a byte takes a third of it, and nothing is lost by rounding.
        var link = Bottleneck(rate: 3, queue: 1000)
        for count in 1...300 {
            let nanoseconds = (Int64(count) * 1_000_000_000 + 2) / 3
            #expect(link.takes(1, at: Self.begin) == Self.begin + .nanoseconds(nanoseconds))
        }
        #expect(link.backlog(at: Self.begin) == 300)
        #expect(link.backlog(at: Self.begin + .seconds(99)) == 3)
        #expect(link.backlog(at: Self.begin + .seconds(100)) == 0)
    }

    @Test("so many bytes in a second as the rate is, whatever their lengths") func throughput() {
        var (link, random) = (Bottleneck(rate: 1 << 20, queue: 64 << 10), SeededRandom(3))
        var (now, passed) = (Self.begin, 0)
        while now < Self.begin + .seconds(10) {
            let length = Int.random(in: 1...1500, using: &random)
            if let sent = link.takes(length, at: now) {
                passed += length
                #expect(sent > now && sent - now <= .milliseconds(63))
            }
            now = now + .microseconds(500)
        }
        #expect(passed - link.backlog(at: now) <= 10 << 20)
        #expect(passed >= 10 << 20)
    }

    @Test("the queue is full at its bytes, and has room for them as they leave") func queue() {
        var link = Bottleneck(rate: 1000, queue: 3000)
        for _ in 0..<3 { #expect(link.takes(1000, at: Self.begin) != nil) }
        #expect(link.takes(1, at: Self.begin) == nil)
        #expect(link.takes(1, at: Self.begin + .microseconds(999)) == nil)
        #expect(link.takes(1, at: Self.begin + .milliseconds(1)) == Self.begin + .milliseconds(3001))
        // One that is longer than the queue passes where nothing waits.
        #expect(link.takes(9000, at: Self.begin + .seconds(2)) == nil)
        #expect(link.takes(9000, at: Self.begin + .seconds(20)) == Self.begin + .seconds(29))
    }

    @Test("no time and no length is too large for it") func extremes() {
        var link = Bottleneck(rate: .max, queue: .max)
        #expect(link.takes(65_535, at: .uptimeNanoseconds(.max / 2)) != nil)
        #expect(link.takes(.max, at: .uptimeNanoseconds(.max / 2)) == nil)
    }

    @Test("a blackout at the end of each period, and its changes") func blackout() throws {
        let blackout = try #require(Blackout(length: .seconds(30), period: .seconds(60)))
        #expect(!blackout.isDark(at: .zero) && !blackout.isDark(at: .milliseconds(29_999)))
        #expect(blackout.isDark(at: .seconds(30)) && blackout.isDark(at: .milliseconds(59_999)))
        #expect(!blackout.isDark(at: .seconds(60)) && blackout.isDark(at: .seconds(90)))
        var (time, changes) = (TimeAmount.nanoseconds(-1), [Int64]())
        while changes.count < 4, let next = blackout.change(after: time) {
            time = next
            changes.append(next.nanoseconds / 1_000_000_000)
        }
        #expect(changes == [30, 60, 90, 120])
        let once = try #require(Blackout(length: .seconds(3)))
        #expect(once.isDark(at: .zero) && !once.isDark(at: .seconds(3)))
        #expect(once.change(after: .nanoseconds(-1)) == .zero && once.change(after: .zero) == .seconds(3))
        #expect(once.change(after: .seconds(3)) == nil)
        #expect(Blackout(length: .zero) == nil && Blackout(length: .seconds(3), period: .seconds(3)) == nil)
    }

    @Test("what is on its way arrives by its time, and as it was sent where that is the same") func line() {
        var line = DelayLine<Int>(most: 1 << 20)
        let times: [Int64] = [30, 10, 20, 10, 30]
        for (number, time) in times.enumerated() {
            let isTaken = line.insert(number, size: 1, at: Self.begin + .milliseconds(time))
            #expect(isTaken)
        }
        #expect(line.pop(at: Self.begin + .milliseconds(9)) == nil)
        var order: [Int] = []
        while let number = line.pop(at: Self.begin + .milliseconds(30)) { order.append(number) }
        #expect(order == [1, 3, 2, 0, 4] && line.isEmpty && line.weight == 0)
    }

    @Test("what is on its way is bounded, also where it is empty") func bounded() {
        var line = DelayLine<Int>(most: 10_000)
        let taken = (0..<100).count { line.insert($0, size: 1000, at: Self.begin) }
        #expect(taken == 7)
        var empty = DelayLine<Int>(most: 10_000)
        let takenEmpty = (0..<100).count { empty.insert($0, size: 0, at: Self.begin) }
        #expect(takenEmpty == 39)
    }
}
