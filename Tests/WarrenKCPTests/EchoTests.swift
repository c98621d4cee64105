// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing

@testable import WarrenKCP

/// Copies that leave unasked, and answers to those whose conversation is unknown.
@Suite("KCP copies")
struct EchoTests {
    /// A machine with a round trip of 40 ms that has just sent a second segment.
    private static func machine(hasLost: Bool) -> KCP.Machine {
        var machine = KCP.Machine(.vproxy())
        machine.send(ByteBuffer(string: "one"))
        _ = machine.output(at: 0)
        if hasLost { #expect(machine.pushed(at: 200) == [0]) }
        machine.input(.ack(0, awaited: 1, stamp: hasLost ? 200 : 0), at: hasLost ? 240 : 40)
        machine.send(ByteBuffer(string: "two"))
        #expect(machine.pushed(at: 300) == [1])
        return machine
    }

    @Test func aSmallSegmentLeavesOnceMoreWhereThePathHasLostOne() {
        var machine = Self.machine(hasLost: true)
        #expect(machine.deadline == .at(305))
        #expect(machine.pushed(at: 305) == [1])
        #expect(machine.deadline.map { $0 > .at(340) } == true)
        #expect(machine.pushed(at: 310) == [])
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
