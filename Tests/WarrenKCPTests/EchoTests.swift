// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing

@testable import WarrenKCP

/// Copies that leave unasked, and answers to those whose conversation is unknown.
@Suite("KCP copies")
struct EchoTests {
    /// A machine with a round trip of 40 ms that has just sent a second segment, after a loss or after many arrived.
    private static func machine(hasLost: Bool) -> KCP.Machine {
        var machine = KCP.Machine(.vproxy())
        machine.send(ByteBuffer(string: "one"))
        _ = machine.output(at: 0)
        if hasLost { #expect(machine.pushed(at: 200).contains(0)) }
        machine.input(.ack(0, awaited: 1, stamp: hasLost ? 200 : 0), at: hasLost ? 240 : 40)
        if !hasLost { machine.pathLoss.saw(lost: 0, arrived: 300, now: 0) }
        machine.send(ByteBuffer(string: "two"))
        #expect(machine.pushed(at: 300) == [1])
        return machine
    }

    @Test func aSmallSegmentLeavesAgainWhereThePathLosesMany() {
        var machine = Self.machine(hasLost: true)
        for time in [305, 310, 315] {
            #expect(machine.deadline == .at(time))
            #expect(machine.pushed(at: time) == [1])
        }
        #expect(machine.deadline.map { $0 > .at(340) } == true)
        #expect(machine.pushed(at: 320) == [])
    }

    @Test func itGoesWithTheNextDatagramIfThatComesFirst() {
        var machine = Self.machine(hasLost: true)
        machine.send(ByteBuffer(string: "three"))
        #expect(machine.output(at: 303).map { $0.map(\.header.number) } == [[2, 1]])
    }

    @Test func nothingLeavesTwiceWhereNothingIsLost() {
        var machine = Self.machine(hasLost: false)
        #expect(machine.pushed(at: 305) == [])
        machine.send(ByteBuffer(string: "three"))
        #expect(machine.pushed(at: 306) == [2])
        #expect(machine.counters.repeatedBytes == 0)
    }

    @Test func whatHasArrivedOrIsLongHasNoCopy() {
        var machine = Self.machine(hasLost: true)
        machine.input(.ack(1, awaited: 2, stamp: 300), at: 302)
        #expect(machine.deadline == nil)
        machine.send(ByteBuffer(repeating: 1, count: 1000))
        #expect(machine.pushed(at: 310) == [2])
        #expect(machine.pushed(at: 320) == [])
    }

    /// Every so many segments one is lost, or none.
    private static func loss(every: Int?, of count: Int) -> PathLoss {
        var loss = PathLoss()
        for number in 1...count {
            let isLost = every.map { number % $0 == 0 } ?? false
            loss.saw(lost: isLost ? 1 : 0, arrived: isLost ? 0 : 1, now: 0)
        }
        return loss
    }

    @Test("copies follow what is lost", arguments: [(100, 1), (25, 2), (10, 3)])
    func copiesFollowWhatIsLost(every: Int, copies: Int) {
        let loss = Self.loss(every: every, of: 1000)
        #expect(loss.copies(roundTrip: 40_000_000, now: 0) == copies)
        #expect(loss.copiesOfRepeats == max(copies - 1, 1))
    }

    @Test("a path is suspected at first", arguments: [(1, 3), (60, 2), (150, 1), (300, 0)])
    func aPathIsSuspectedAtFirst(count: Int, copies: Int) {
        let loss = Self.loss(every: nil, of: count)
        #expect(loss.copies(roundTrip: 40_000_000, now: 0) == copies)
        #expect(loss.copies(roundTrip: 1_000_000, now: 0) == 0)
    }

    @Test("a loss is remembered", arguments: [(59, 1), (61, 0)] as [(Int64, Int)])
    func aLossIsRemembered(seconds: Int64, copies: Int) {
        let loss = Self.loss(every: 100, of: 1000)
        #expect(loss.copies(roundTrip: 40_000_000, now: seconds * 1_000_000_000) == copies)
    }

    @Test func aCopyThatComesFirstTellsOfALossAndIsNotNeedless() {
        var machine = Self.machine(hasLost: false)
        machine.pathLoss.saw(lost: 3, arrived: 57, now: 0)
        machine.send(ByteBuffer(string: "three"))
        _ = machine.pushed(at: 306)
        #expect(machine.pushed(at: 311) == [2])
        let part = machine.pathLoss.part
        machine.input(.ack(2, awaited: 1, stamp: 311), at: 351)
        #expect(machine.pathLoss.part > part)
        #expect(machine.counters.needlessRepeats == 0)
    }

    @Test func whatHasACopyUnderWayIsNotGivenUp() {
        var machine = Self.machine(hasLost: true)
        machine.send(ByteBuffer(string: "three"))
        #expect(machine.pushed(at: 303) == [2, 1])
        machine.input(.ack(2, awaited: 1, stamp: 303), at: 343)
        #expect(machine.counters.fastRepeats == 0)
        machine.input(.ack(1, awaited: 3, stamp: 303), at: 344)
        #expect(machine.isFinished && machine.deadline == nil)
        #expect(machine.counters.needlessRepeats == 0)
    }

    @Test func aLongSegmentHasCopiesOnceItWasLostTwice() {
        var machine = KCP.Machine(.vproxy())
        machine.pathLoss.saw(lost: 10, arrived: 90, now: 0)
        func lose(at time: Int, acknowledging number: UInt32) {
            machine.input(.ack(number, awaited: 0, stamp: UInt32(time - 40)), at: time)
        }
        machine.send(segments: 2)
        #expect(machine.pushed(at: 0) == [0, 1])
        lose(at: 40, acknowledging: 1)
        machine.send(segments: 1)
        #expect(machine.pushed(at: 40) == [0, 2])
        #expect(machine.pushed(at: 46) == [])
        lose(at: 80, acknowledging: 2)
        machine.send(segments: 1)
        #expect(machine.pushed(at: 80) == [0, 3])
        #expect(machine.pushed(at: 85) == [0])
        #expect(machine.pushed(at: 90) == [0])
        #expect(machine.pushed(at: 100) == [])
        machine.input(.ack(0, awaited: 4, stamp: 85), at: 125)
        #expect(machine.isFinished && machine.deadline == nil)
    }

    /// The first time-out is long, and a path that answers sooner than a copy leaves has none.
    @Test func theFirstSegmentHasCopiesUntilThereIsAnAnswer() {
        var machine = KCP.Machine(.vproxy())
        machine.send(ByteBuffer(string: "hello"))
        #expect(machine.pushed(at: 0) == [0])
        #expect(machine.deadline == .at(10))
        #expect(machine.pushed(at: 10) == [0])
        machine.input(.ack(0, awaited: 1, stamp: 0), at: 12)
        #expect(machine.deadline == nil && machine.isFinished)
    }

    @Test func roomForCopiesIsBounded() {
        var copies = Copies()
        for number in 0..<100 as Range<UInt32> { copies.append(Copies.Entry(number: number)) }
        #expect(copies.count == 64)
        for number in 0..<64 as Range<UInt32> {
            #expect(copies.first?.number == number)
            copies.drop()
        }
        copies.drop()
        #expect(copies.first == nil && copies.count == 0)
    }

    @Test func tellsABeginningFromWhatBelongsToAnUnknownConversation() {
        func word(_ segment: KCP.Segment) -> KCP.FirstWord {
            KCP.FirstWord(ByteBuffer(segments: [segment]), conversation: 0)
        }
        #expect(word(.push(0)) == .beginning && word(.push(31)) == .beginning)
        #expect(word(.ack(40, awaited: 0, stamp: 0)) == .other && word(.ask()) == .other)
        #expect(KCP.FirstWord(ByteBuffer(string: "GET /"), conversation: 0) == .other)
        guard case .middle(let answer) = word(.push(40, stamp: 7)) else {
            Issue.record("no answer")
            return
        }
        #expect(answer.segments() == [.ack(40, awaited: 0, stamp: 7, window: 0)])
        let both = ByteBuffer(segments: [.ack(3, awaited: 5, stamp: 0), .push(40, stamp: 7)])
        #expect(KCP.FirstWord(both, conversation: 0) == .middle(answer: answer))
    }

    @Test func theAnswerEndsAConversationThatTheOtherEndHasForgotten() {
        var machine = KCP.Machine(.vproxy())
        for number in UInt32(0)..<40 {
            machine.send(ByteBuffer(repeating: 0, count: 1226))
            _ = machine.output(at: 1)
            machine.input(.ack(number, awaited: number + 1, stamp: 1), at: 2)
        }
        machine.send(ByteBuffer(string: "still there?"))
        guard let datagram = machine.poll(now: .at(10)),
            case .middle(let answer) = KCP.FirstWord(datagram, conversation: 0)
        else {
            Issue.record("no answer")
            return
        }
        machine.input(answer, now: .at(20))
        #expect(machine.peerHasForgotten)
    }

    @Test func aWindowThatGrowsIsTold() {
        var machine = KCP.Machine(.vproxy())
        machine.widen(to: 2000)
        #expect(machine.output(at: 0) == [[.tell(2000, awaited: 0)]])
        machine.widen(to: 100)
        #expect(machine.room == 2000 && machine.output(at: 1).isEmpty)
    }
}
