// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenTesting

@testable import WarrenKCP

@Suite("KCP receives")
struct ReceiveTests {
    @Test func deliversInOrderAndAcknowledges() {
        var machine = KCP.Machine(.vproxy())
        machine.input(.push(1, "b", stamp: 8), at: 10)
        #expect(machine.receive() == nil)
        machine.input(.push(0, "a", stamp: 7), at: 10)
        #expect(machine.deadline == .at(10))
        #expect(machine.receive() == ByteBuffer(string: "a"))
        #expect(machine.receive() == ByteBuffer(string: "b"))
        #expect(machine.receive() == nil)
        #expect(
            machine.output(at: 10) == [[.ack(1, awaited: 2, stamp: 8), .ack(0, awaited: 2, stamp: 7)]])
        #expect(machine.deadline == nil)
    }

    @Test func acknowledgesARunOnce() {
        var machine = KCP.Machine(.vproxy())
        for number in 0..<100 as Range<UInt32> { machine.input(.push(number, stamp: number), at: 10) }
        #expect(machine.output(at: 10) == [[.ack(99, awaited: 100, stamp: 99, window: 924)]])
    }

    @Test func acknowledgesEachOfAGap() {
        var machine = KCP.Machine(.vproxy())
        for number in [0, 1, 3, 4, 2, 5, 6] as [UInt32] { machine.input(.push(number), at: 10) }
        #expect(machine.output(at: 10).joined().map(\.header.number) == [1, 3, 4, 2, 6])
    }

    @Test func acknowledgesDuplicatesAgain() {
        var machine = KCP.Machine(.vproxy())
        machine.input(.push(0), .push(2), at: 10)
        _ = machine.output(at: 10)
        machine.input(.push(0, stamp: 5), .push(2, stamp: 6), at: 20)
        #expect(machine.counters.duplicates == 2)
        #expect(
            machine.output(at: 20) == [
                [
                    .ack(2, awaited: 1, stamp: 0, window: 1023), .ack(0, awaited: 1, stamp: 5, window: 1023),
                    .ack(2, awaited: 1, stamp: 6, window: 1023),
                ]
            ])
    }

    @Test func acknowledgesTwiceWhatWaitsBehindAGap() {
        var machine = KCP.Machine(.vproxy())
        var acknowledged: [[UInt32]] = []
        for number in [1, 2, 3, 0, 4, 5] as [UInt32] {
            machine.input(.push(number), at: 10)
            acknowledged.append(machine.output(at: 10).joined().map(\.header.number))
        }
        #expect(acknowledged == [[1], [1, 2], [2, 3], [0], [4], [5]])
        #expect(machine.deadline == nil)
    }

    @Test func dropsWhatIsBeyondTheWindow() {
        var machine = KCP.Machine(.vproxy())
        machine.input(.push(1024), .push(.max), .push(1 << 31), at: 10)
        #expect(machine.counters.beyondWindow == 1)
        #expect(machine.counters.duplicates == 2)
        machine.input(.push(1023), at: 10)
        #expect(machine.counters.beyondWindow == 1)
    }

    @Test func packsAcknowledgements() {
        var machine = KCP.Machine(.vproxy())
        for number in 1...120 as ClosedRange<UInt32> { machine.input(.push(number), at: 10) }
        #expect(machine.output(at: 10).map(\.count) == [52, 52, 16])
    }

    @Test func tellsOfRoomAgain() {
        var configuration = KCP.Configuration.vproxy()
        configuration.receiveWindow = 8
        var machine = KCP.Machine(configuration)
        for number in 0..<8 as Range<UInt32> { machine.input(.push(number), at: 10) }
        #expect(machine.output(at: 10).joined().map(\.header.window) == [0])
        #expect(machine.room == 0)
        #expect(machine.deadline == nil)
        #expect(machine.receive() != nil)
        #expect(machine.deadline == .at(10))
        #expect(machine.output(at: 10) == [[.tell(1, awaited: 8).at(10)]])
        #expect(machine.receive() != nil)
        #expect(machine.output(at: 10) == [])
        while machine.receive() != nil {}
        #expect(machine.output(at: 10) == [[.tell(8, awaited: 8).at(10)]])
    }

    @Test func answersTheQuestionForTheWindow() {
        var machine = KCP.Machine(.vproxy())
        machine.input(.ask(), at: 10)
        #expect(machine.output(at: 10) == [[.tell(1024, awaited: 0).at(10)]])
        machine.input(.ask(), .push(0), at: 20)
        #expect(machine.output(at: 20).joined().map(\.header.command) == [.ack])
    }

    @Test func readsFragmentsAsAStream() {
        var machine = KCP.Machine(.vproxy())
        machine.input(.push(0, "a", fragment: 2), .push(1, "", fragment: 1), .push(2, "c"), at: 0)
        #expect(machine.receive() == ByteBuffer(string: "a"))
        #expect(machine.receive() == ByteBuffer(string: "c"))
        #expect(machine.receive() == nil)
        #expect(machine.room == 1024)
    }

    @Test func keepsMessagesWhole() {
        var configuration = KCP.Configuration.vproxy()
        configuration.framing = .messages
        var machine = KCP.Machine(configuration)
        machine.input(.push(0, "a", fragment: 2), .push(2, "c"), .push(3, ""), .push(4, "d"), at: 0)
        #expect(machine.receive() == nil)
        #expect(!machine.isReadable)
        machine.input(.push(1, "b", fragment: 1), at: 0)
        #expect(machine.receive() == ByteBuffer(string: "abc"))
        #expect(machine.receive() == ByteBuffer())
        #expect(machine.receive() == ByteBuffer(string: "d"))
        #expect(machine.receive() == nil)
    }

    @Test func failsOnAMessageThatCannotEnd() {
        var configuration = KCP.Configuration.vproxy()
        configuration.framing = .messages
        configuration.receiveWindow = 4
        var machine = KCP.Machine(configuration)
        for number in 0..<4 as Range<UInt32> { machine.input(.push(number, fragment: 9), at: 0) }
        #expect(machine.failure == .messageTooLong)
        #expect(machine.output(at: 0) == [])
    }

    @Test func countsAPeerThatKnowsMoreThanWasSentAsBad() {
        var machine = KCP.Machine(.vproxy())
        machine.send(segments: 1)
        _ = machine.output(at: 0)
        machine.input(.ack(0, awaited: 2, stamp: 0), at: 1)
        #expect(machine.counters.badDatagrams == 1)
        #expect(!machine.isFinished)
        machine.input(.ack(0, awaited: 1, stamp: 0), .ack(0, awaited: 7, stamp: 0), at: 2)
        #expect(machine.counters.badDatagrams == 2)
        #expect(machine.isFinished)
    }
}

extension KCP.Segment {
    /// With a stamp.
    fileprivate func at(_ stamp: UInt32) -> Self {
        var segment = self
        segment.header.stamp = stamp
        return segment
    }
}
