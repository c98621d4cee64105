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
        #expect(account.take(100, up: true, now: Self.start) == nil)
        #expect(!account.enter(now: Self.start))
    }

    @Test("over any order of sizes and times, what passes is the rate, whoever asks")
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
            for _ in 0..<200 {
                // The one who may go on first reads next.
                let next = free.indices.min { free[$0] < free[$1] } ?? 0
                let now = free[next]
                let count = Int.random(in: 1...max(1, rate / 50), using: &random)
                taken += count
                free[next] = now + (account.take(count, up: true, now: now) ?? .nanoseconds(1))
            }
            let time = Double(((free.max() ?? Self.start) - Self.start).nanoseconds) / 1e9
            let most = Double(rate) * (time + 0.1) + Double(rate) / 50
            #expect(Double(taken) <= most * 1.001, "seed \(run)")
            #expect(Double(taken) >= Double(rate) * time * 0.98 - Double(rate) / 10, "seed \(run)")
            if Double(taken) > most * 1.001 { return }
        }
    }

    @Test func aClockThatStandsStillOrGoesBackGivesNothing() {
        let account = Self.account { $0.up = 1000 * 1024 }
        _ = account.take(1000 * 1024, up: true, now: Self.start)
        let wait = account.take(1, up: true, now: Self.start - .milliseconds(500))
        #expect((wait ?? .zero) >= .milliseconds(990))
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
