// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore

@testable import WarrenRuntime

private let now = NIODeadline.uptimeNanoseconds(1)
private let alice = Asker.user("alice")
private let bob = Asker.user("bob")

private func name(_ text: String) throws -> HostName { try #require(HostName(text)) }

extension NameLine {
    fileprivate mutating func ticket(_ text: String, _ asker: Asker) throws -> Ticket {
        guard case .waiting(let ticket) = try self.ask(name(text), for: asker, now: now) else {
            throw StreamFault.failed
        }
        return ticket
    }

    /// Everything that may begin.
    fileprivate mutating func beginAll() -> [String] {
        var names: [String] = []
        while let name = self.begin() { names.append(name.text) }
        return names
    }
}

@Suite struct NameLineTests {
    private func line(_ change: (inout NameLine.Limits) -> Void = { _ in }) -> NameLine {
        var limits = NameLine.Limits(threads: 32, perAsker: 4, perDomain: 2, perDomainWithAbandoned: 6, tickets: 64)
        change(&limits)
        return NameLine(limits)
    }

    @Test func tellsAllWhoAskedForTheSameName() throws {
        var line = self.line()
        let first = try line.ticket("a.test", alice)
        let second = try line.ticket("A.TEST", bob)
        #expect(line.beginAll() == ["a.test"])
        let third = try line.ticket("a.test", alice)
        #expect(line.beginAll() == [])
        #expect(try line.answered(name("a.test"), .success([]), now: now) == [first, second, third])
        #expect(line.counts == (0, 0, 0, 0))
    }

    @Test func leavesOutNamesThatNobodyWaitsFor() throws {
        var line = self.line()
        let first = try line.ticket("a.test", alice)
        _ = try line.ticket("b.test", alice)
        line.drop(first)
        line.drop(first)
        #expect(line.beginAll() == ["b.test"])
    }

    @Test func keepsANameThatAnotherStillWaitsFor() throws {
        var line = self.line()
        let first = try line.ticket("a.test", alice)
        let second = try line.ticket("a.test", bob)
        line.drop(first)
        #expect(line.beginAll() == ["a.test"])
        #expect(try line.answered(name("a.test"), .success([]), now: now) == [second])
    }

    @Test func givesAnotherAskerAThreadWhateverTheFirstAsksFor() throws {
        var line = self.line { $0.tickets = 4096 }
        for number in 0..<1000 { _ = try line.ticket("n\(number).d\(number).test", alice) }
        #expect(line.beginAll().count == 4)
        _ = try line.ticket("good.live.test", bob)
        #expect(line.beginAll() == ["good.live.test"])
    }

    @Test("an asker's good name is served beside the names of a dead domain")
    func givesAnotherDomainAThread() throws {
        var line = self.line()
        for number in 0..<20 { _ = try line.ticket("n\(number).dead.test", alice) }
        #expect(line.beginAll().count == 2)
        _ = try line.ticket("good.live.test", alice)
        #expect(line.beginAll() == ["good.live.test"])
    }

    @Test("abandoned look-ups do not count among those that wait, up to a bound")
    func bringsAbandonedToABound() throws {
        var line = self.line()
        var begun = 0
        for number in 0..<40 {
            let ticket = try line.ticket("n\(number).dead.test", alice)
            begun += line.beginAll().count
            line.drop(ticket)
        }
        #expect(begun == 6)
        _ = try line.ticket("good.live.test", alice)
        #expect(line.beginAll() == ["good.live.test"])
        #expect(line.counts.queries == 7)
    }

    @Test func alwaysLeavesThreadsToThoseWhoHaveNone() throws {
        var line = self.line { limits in
            limits.threads = 16
            limits.perAsker = 16
            limits.perDomain = 16
            limits.perDomainWithAbandoned = 16
            limits.tickets = 4096
        }
        for asker in 0..<8 {
            for number in 0..<30 { _ = try line.ticket("n\(number).a\(asker).test", .user("\(asker)")) }
            #expect(line.beginAll().contains { $0.hasSuffix(".a\(asker).test") })
        }
        #expect(line.running == 16)
    }

    @Test func comesBackToAnAbandonedLookUp() throws {
        var line = self.line()
        line.drop(try line.ticket("a.test", alice))
        #expect(line.beginAll() == [])
        let first = try line.ticket("a.test", alice)
        #expect(line.beginAll() == ["a.test"])
        line.drop(first)
        let second = try line.ticket("a.test", bob)
        #expect(line.beginAll() == [])
        #expect(try line.answered(name("a.test"), .success([]), now: now) == [second])
        #expect(line.counts == (0, 0, 0, 0))
    }

    @Test func keepsAnswersForAMoment() throws {
        var line = self.line()
        let address = IPAddress(v4: 0x7F00_0001)
        for (text, addresses, time) in [
            ("good.test", [address], TimeAmount.seconds(5)), ("none.test", [], .seconds(2)),
        ] {
            _ = try line.ticket(text, alice)
            _ = line.beginAll()
            _ = try line.answered(name(text), .success(addresses), now: now)
            let last = now + time - .nanoseconds(1)
            #expect(try line.ask(name(text), for: bob, now: last) == .known(addresses))
            guard case .waiting(let ticket) = try line.ask(name(text), for: bob, now: now + time) else {
                Issue.record("it was kept too long")
                return
            }
            line.drop(ticket)
        }
    }

    @Test func keepsNoFaultAndNoMoreThanItMay() throws {
        var line = self.line { $0.kept = 2 }
        _ = try line.ticket("a.test", alice)
        _ = line.beginAll()
        _ = try line.answered(name("a.test"), .failure(.limit), now: now)
        for text in ["b.test", "c.test", "d.test"] {
            _ = try line.ticket(text, alice)
            _ = line.beginAll()
            _ = try line.answered(name(text), .success([]), now: now)
        }
        for (text, isKept) in [("a.test", false), ("b.test", false), ("c.test", true), ("d.test", true)] {
            #expect(try (line.ask(name(text), for: alice, now: now) == .known([])) == isKept)
        }
    }

    @Test func hasRoomForANewcomerWhenOneAskerHasFilledIt() throws {
        var line = self.line()
        var admitted = 0
        for number in 0..<100 where try line.ask(name("n\(number).test"), for: alice, now: now) != .full {
            admitted += 1
        }
        #expect(admitted == 32)
        #expect(try line.ask(name("x.test"), for: alice, now: now) == .full)
        #expect(try line.ask(name("x.test"), for: bob, now: now) != .full)
    }

    @Test("askers and names that come and go while no thread is free leave nothing behind")
    func staysSmall() throws {
        var line = self.line { limits in
            limits.threads = 16
            limits.tickets = 4096
        }
        for number in 0..<16 { _ = try line.ticket("n\(number).x\(number).test", .user("\(number)")) }
        #expect(line.beginAll().count == 16)
        for number in 0..<1000 {
            line.drop(try line.ticket("m\(number).y\(number).test", .user("other \(number)")))
            line.drop(try line.ticket("m\(number).y\(number).test", alice))
        }
        #expect(line.counts.askers < 150 && line.counts.turns < 150 && line.counts.queries == 16)
    }
}
