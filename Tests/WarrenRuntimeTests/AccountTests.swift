// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenRuntime

@Suite struct AccountTests {
    private static let start = NIODeadline.uptimeNanoseconds(1_000_000_000)

    private static func account(_ change: (inout AccountLimits) -> Void) -> Account {
        var limits = AccountLimits()
        change(&limits)
        return Account(limits, now: self.start)
    }

    @Test func countsStreamsAtATime() {
        let account = Self.account { $0.streams = 2 }
        #expect(account.enter(now: Self.start) && account.enter(now: Self.start) && !account.enter(now: Self.start))
        account.leave()
        #expect(account.enter(now: Self.start))
    }

    @Test func countsNewStreamsPerSecond() {
        let account = Self.account { $0.streamsPerSecond = 3 }
        for _ in 0..<3 { #expect(account.enter(now: Self.start)) }
        #expect(!account.enter(now: Self.start))
        #expect(account.enter(now: Self.start + .milliseconds(334)))
        #expect(!account.enter(now: Self.start + .milliseconds(340)))
    }

    @Test func refusesNewStreamsWhenEverythingIsUsed() {
        let account = Self.account { $0.total = 100 }
        #expect(account.enter(now: Self.start))
        account.take(100, up: true, now: Self.start)
        #expect(!account.enter(now: Self.start))
    }

    @Test("whoever books, in any order and size, gets the rate together and nobody waits for more than a turn of all")
    func keepsRates() {
        for run in 0..<ModelRuns.count {
            var random = SeededRandom(UInt64(run))
            let rate = Int.random(in: 1024...100_000_000, using: &random)
            let account = Self.account {
                $0.up = rate
                $0.down = rate * 2
            }
            var free = Array(repeating: Self.start, count: Int.random(in: 1...5, using: &random))
            var taken = 0
            let most = max(1, rate / 50)
            for _ in 0..<200 {
                // The one who may go on first reads next.
                let next = free.indices.min { free[$0] < free[$1] } ?? 0
                let now = free[next]
                let count = Int.random(in: 1...most, using: &random)
                let wait = account.book(count, up: true, now: now) ?? .nanoseconds(1)
                if wait > .milliseconds(Int64(20 * (free.count + 1) + 1)) {
                    Issue.record("seed \(run): waits for \(wait)")
                    return
                }
                if Bool.random(using: &random) {
                    taken += count
                    account.take(count, booked: count, up: true, now: now + wait)
                } else {
                    _ = account.book(-count, up: true, now: now)
                }
                free[next] = now + wait
            }
            let time = Double(((free.max() ?? Self.start) - Self.start).nanoseconds) / 1e9
            let bound = Double(rate) * (time + 0.1) + Double(most * free.count)
            if Double(taken) > bound * 1.001 {
                Issue.record("seed \(run): \(taken) where \(bound) is the most")
                return
            }
        }
    }

    @Test func aClockThatStandsStillOrGoesBackGivesNothing() {
        let account = Self.account { $0.up = 1_000_000 }
        #expect(account.book(1_000_000, up: true, now: Self.start) == nil)
        let wait = account.book(1, up: true, now: Self.start - .milliseconds(500))
        #expect((wait ?? .zero) >= .milliseconds(990))
    }

    @Test("what comes without being booked is not held against others for longer than a second")
    func forgetsDebts() {
        let account = Self.account { $0.up = 1_000_000 }
        account.take(100_000_000, up: true, now: Self.start)
        #expect((account.book(1, up: true, now: Self.start) ?? .zero) <= .milliseconds(1001))
    }

    @Test func usersHaveTheirOwn() {
        var plan = Accounts.Plan()
        plan.all.streams = 10
        plan.perUser.streams = 1
        plan.users["alice"] = AccountLimits()
        let accounts = Accounts(plan, now: Self.start)
        #expect(accounts.isActive)
        #expect(accounts.of("alice", now: Self.start).count == 1)
        let bob = accounts.of("bob", now: Self.start)
        #expect(bob.count == 2 && bob[1] === accounts.of("bob", now: Self.start)[1])
        #expect(bob[1] !== accounts.of("carol", now: Self.start)[1])
        accounts.exchange(Accounts.Plan())
        #expect(!accounts.isActive)
    }

    @Test func whatIsNotLetInIsNotCounted() {
        let (one, two) = (Self.account { $0.streams = 5 }, Self.account { $0.streams = 1 })
        let first = StreamMeter([one, two])
        #expect(first.enter(now: Self.start))
        do {
            let second = StreamMeter([one, two])
            #expect(!second.enter(now: Self.start))
        }
        #expect(one.streams == 1 && two.streams == 1)
        first.leave()
        first.leave()
        #expect(one.streams == 0 && two.streams == 0)
    }
}
