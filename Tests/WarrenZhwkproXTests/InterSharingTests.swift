// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenZhwkproX

/// Destinations have one stream at a time: the bytes of two users never mix. Fault 4 of deployed inter-servers.
@Suite("zhwkproX inter-server, one destination and many users")
struct InterSharingTests {
    typealias Inter = Harness<ZhwkproX.InterMachine>

    static func open(_ inter: inout Inter) throws -> StreamID {
        try inter.machine.open(Bytes.request(Bytes.v4), now: inter.now)
    }

    @Test func theSecondUserWaitsAndWhatItSendsWaitsWithIt() throws {
        var inter = Inter.loggedIn()
        let first = try inter.open()
        let (second, third) = (try Self.open(&inter), try Self.open(&inter))
        inter.machine.send(ByteBuffer(string: "2"), on: second)
        inter.machine.send(ByteBuffer(string: "3"), on: third)
        #expect(inter.drain() == [])
        #expect(inter.receive(Bytes.get(Bytes.v4, "1")) == [.deliver(first, ByteBuffer(string: "1"))])
        _ = inter.receive(Bytes.get(Bytes.v4))
        #expect(
            inter.after(.milliseconds(150))
                == [.end(first, nil), .opened(second), .write(Bytes.get(Bytes.v4, "2"))])
        _ = inter.receive(Bytes.get(Bytes.v4))
        #expect(
            inter.after(.milliseconds(150))
                == [.end(second, .refused), .opened(third), .write(Bytes.get(Bytes.v4, "3"))])
    }

    @Test func otherDestinationsDoNotWait() throws {
        var inter = Inter.loggedIn()
        _ = try inter.open(Bytes.v4)
        _ = try Self.open(&inter)
        _ = try inter.open(Bytes.v6)
        _ = try inter.open(ZhwkproX.StreamAddress(address: Bytes.v4.address, port: 81))
    }

    @Test("who waits outlasts what the last user has left behind on an exit")
    func waitsLongerThanTheExitsIdleTime() throws {
        var inter = Inter.loggedIn()
        let first = try inter.open()
        let second = try Self.open(&inter)
        #expect(inter.drain() == [])
        inter.machine.reset(first, .aborted)
        #expect(inter.after(.milliseconds(24_999)) == [])
        #expect(inter.after(.milliseconds(1)) == [.opened(second), .write(Bytes.get(Bytes.v4))])
    }

    @Test func nobodyWaitsForLongerThanTheTimeForIt() throws {
        var inter = Inter.loggedIn(.init(wait: .seconds(10), gap: .zero, usesExtension: false))
        let first = try inter.open()
        let second = try Self.open(&inter)
        #expect(inter.drain() == [])
        #expect(inter.after(.milliseconds(9999)) == [])
        #expect(inter.after(.milliseconds(1)) == [.end(second, .limit)])
        #expect(inter.receive(Bytes.get(Bytes.v4, "on")) == [.deliver(first, ByteBuffer(string: "on"))])
    }

    @Test func theLineOfOneDestinationIsBounded() throws {
        var inter = Inter.loggedIn()
        _ = try inter.open()
        let waiting = try (0..<64).map { _ in try Self.open(&inter) }
        #expect(throws: StreamFault.limit) { try Self.open(&inter) }
        inter.machine.reset(waiting[5], nil)
        _ = try Self.open(&inter)
        #expect(throws: StreamFault.limit) { try Self.open(&inter) }
    }

    @Test func allLinesTogetherAreBounded() throws {
        var configuration = Inter.deployed
        configuration.waiters = 3
        configuration.limits.streams = 2
        var inter = Inter.loggedIn(configuration)
        _ = (try inter.open(Bytes.v4), try inter.open(Bytes.v6))
        for _ in 0..<3 { _ = try Self.open(&inter) }
        #expect(throws: StreamFault.limit) { try Self.open(&inter) }
        let third = ZhwkproX.StreamAddress(address: Bytes.v4.address, port: 81)
        #expect(throws: StreamFault.limit) { try inter.machine.open(Bytes.request(third), now: inter.now) }
    }

    @Test func aUserWhoLeavesTheLineIsForgotten() throws {
        var inter = Inter.loggedIn()
        _ = try inter.open()
        let (second, third) = (try Self.open(&inter), try Self.open(&inter))
        inter.machine.send(ByteBuffer(string: "never"), on: second)
        inter.machine.reset(second, .aborted)
        _ = inter.receive(Bytes.get(Bytes.v4))
        #expect(inter.after(.milliseconds(150)).contains(.opened(third)))
        #expect(inter.after(.seconds(10)) == [])
    }

    @Test func whatAWaitingUserSendsIsBounded() throws {
        var inter = Inter.loggedIn()
        let first = try inter.open()
        let second = try Self.open(&inter)
        inter.machine.send(ByteBuffer(repeating: 2, count: 128 << 10), on: second)
        #expect(inter.drain() == [.pause(second)])
        _ = inter.receive(Bytes.get(Bytes.v4))
        #expect(
            inter.after(.milliseconds(150)).withoutWrites == [.end(first, .refused), .opened(second), .resume(second)])
    }

    // MARK: Users who leave

    @Test("a destination whose user has left is busy until the exit ends it", arguments: [nil, StreamFault.aborted])
    func busyUntilTheEnd(fault: StreamFault?) throws {
        var inter = Inter.loggedIn()
        let first = try inter.open()
        inter.machine.reset(first, fault)
        #expect(inter.drain() == [])
        let second = try Self.open(&inter)
        #expect(inter.receive(Bytes.get(Bytes.v4, "of the first")) == [])
        #expect(inter.machine.strayBytes == 12)
        #expect(inter.receive(Bytes.get(Bytes.v4)) == [])
        #expect(inter.receive(Bytes.get(Bytes.v4, "late")) == [])
        #expect(inter.after(.milliseconds(150)) == [.opened(second), .write(Bytes.get(Bytes.v4))])
    }

    @Test func orUntilItsIdleTimeHasSurelyPassed() throws {
        var configuration = Inter.deployed
        configuration.wait = .seconds(60)
        var inter = Inter.loggedIn(configuration)
        let first = try inter.open()
        inter.machine.reset(first, .aborted)
        let second = try Self.open(&inter)
        #expect(inter.after(.seconds(20)) == [])
        #expect(inter.receive(Bytes.get(Bytes.v4, "still sending")) == [])
        #expect(inter.after(.milliseconds(24_999)) == [])
        #expect(inter.after(.milliseconds(1)) == [.opened(second), .write(Bytes.get(Bytes.v4))])
    }

    @Test func whatAUserHasSentBeforeLeavingInOrderIsStillSent() throws {
        var inter = Inter.loggedIn()
        let first = try inter.open()
        inter.writable = false
        inter.machine.send(ByteBuffer(string: "last words"), on: first)
        var other = inter
        inter.machine.reset(first, nil)
        #expect(inter.drain() == [])
        inter.writable = true
        #expect(inter.drain() == [.write(Bytes.get(Bytes.v4, "last words"))])
        other.machine.reset(first, .aborted)
        other.writable = true
        #expect(other.drain() == [])
    }

    @Test func aDestinationOfWhichTheExitKnowsNothingIsFreeAtOnce() throws {
        var inter = Inter.loggedIn()
        inter.writable = false
        let first = try Self.open(&inter)
        let second = try Self.open(&inter)
        #expect(inter.drain() == [.opened(first)])
        inter.machine.reset(first, nil)
        #expect(inter.drain() == [.opened(second)])
        inter.machine.reset(second, .aborted)
        inter.writable = true
        #expect(inter.drain() == [] && inter.machine.deadline == nil)
    }

    @Test func aUserWhoLeavesDuringTheTimeForLateDataIsNotToldOfTheEnd() throws {
        var inter = Inter.loggedIn()
        let first = try inter.open()
        _ = inter.receive(Bytes.get(Bytes.v4, "a"))
        _ = inter.receive(Bytes.get(Bytes.v4))
        inter.machine.reset(first, nil)
        let second = try Self.open(&inter)
        #expect(inter.receive(Bytes.get(Bytes.v4, "late")) == [])
        #expect(inter.after(.milliseconds(150)) == [.opened(second), .write(Bytes.get(Bytes.v4))])
    }

    // MARK: What crosses

    /// A request that meets the exit's end on its way opens a connection whose answers nobody has asked for.
    @Test func aRequestThatHasCrossedTheEndKeepsTheDestinationBusy() throws {
        var inter = Inter.loggedIn(roundTrip: .milliseconds(8))
        let first = try inter.open()
        inter.now = inter.now + .seconds(1)
        _ = inter.receive(Bytes.get(Bytes.v4, "a"))
        inter.machine.send(ByteBuffer(string: "crossing"), on: first)
        _ = inter.drain()
        inter.now = inter.now + .milliseconds(5)
        #expect(inter.receive(Bytes.get(Bytes.v4)) == [])
        let second = try Self.open(&inter)
        #expect(inter.after(.milliseconds(150)) == [.end(first, nil)])
        #expect(inter.receive(Bytes.get(Bytes.v4, "of the first")) == [])
        _ = inter.receive(Bytes.get(Bytes.v4))
        #expect(inter.after(.milliseconds(150)) == [.opened(second), .write(Bytes.get(Bytes.v4))])
    }

    @Test(
        "data between a request and the end is taken for its answer, unless it came in no time at all",
        arguments: [(8, 1, false), (60, 25, true), (60, 35, false)] as [(Int64, Int64, Bool)])
    func dataIsTakenForTheAnswer(roundTrip: Int64, answer: Int64, hasCrossed: Bool) throws {
        var inter = Inter.loggedIn(roundTrip: .milliseconds(roundTrip))
        let first = try inter.open()
        inter.now = inter.now + .seconds(1)
        _ = inter.receive(Bytes.get(Bytes.v4, "a"))
        inter.machine.send(ByteBuffer(string: "request"), on: first)
        _ = inter.drain()
        inter.now = inter.now + .milliseconds(answer)
        _ = inter.receive(Bytes.get(Bytes.v4, "answer"))
        _ = inter.receive(Bytes.get(Bytes.v4))
        let second = try Self.open(&inter)
        let next: [SessionAction] = hasCrossed ? [] : [.opened(second), .write(Bytes.get(Bytes.v4))]
        #expect(inter.after(.milliseconds(150)) == [.end(first, nil)] + next)
    }

    @Test func theEndOfWhatHasCrossedMayComeAtOnce() throws {
        var inter = Inter.loggedIn(roundTrip: .milliseconds(8))
        let first = try inter.open()
        inter.now = inter.now + .seconds(1)
        inter.machine.send(ByteBuffer(string: "crossing"), on: first)
        _ = inter.drain()
        _ = inter.receive(Bytes.get(Bytes.v4))
        _ = inter.receive(Bytes.get(Bytes.v4))
        let second = try Self.open(&inter)
        #expect(
            inter.after(.milliseconds(150)) == [.end(first, .refused), .opened(second), .write(Bytes.get(Bytes.v4))])
    }

    @Test(
        "neither has an answer that is only a little faster than others, or any where all are fast",
        arguments: [(8_000, 6_000), (1_000, 0), (2_600, 100)] as [(Int64, Int64)])
    func aFastAnswerHasNotCrossed(roundTrip: Int64, answer: Int64) throws {
        var inter = Inter.loggedIn(roundTrip: .microseconds(roundTrip))
        let first = try inter.open()
        inter.now = inter.now + .seconds(1)
        inter.machine.send(ByteBuffer(string: "last"), on: first)
        _ = inter.drain()
        inter.now = inter.now + .microseconds(answer)
        _ = inter.receive(Bytes.get(Bytes.v4))
        let second = try Self.open(&inter)
        #expect(
            inter.after(.milliseconds(150)) == [.end(first, .refused), .opened(second), .write(Bytes.get(Bytes.v4))])
    }

    @Test func connectionsThatAreNobodysTakeHalfOfThePlacesAtMost() throws {
        var configuration = Inter.deployed
        configuration.limits.streams = 4
        var inter = Inter.loggedIn(configuration)
        for number in 0..<10 { _ = inter.receive(Bytes.get(PairTests.endpoint(number), "x")) }
        _ = (try inter.open(PairTests.endpoint(8)), try inter.open(PairTests.endpoint(9)))
        #expect(throws: StreamFault.limit) { try Self.open(&inter) }
    }

    @Test func aConnectionThatIsNobodysKeepsItsDestinationBusy() throws {
        var inter = Inter.loggedIn()
        _ = inter.receive(Bytes.get(Bytes.v4, "nobody's"))
        let stream = try Self.open(&inter)
        #expect(inter.receive(Bytes.get(Bytes.v4, "more of it")) == [])
        _ = inter.receive(Bytes.get(Bytes.v4))
        #expect(inter.after(.milliseconds(150)) == [.opened(stream), .write(Bytes.get(Bytes.v4))])
    }
}
