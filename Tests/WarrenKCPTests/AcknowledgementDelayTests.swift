// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing

@testable import WarrenKCP

/// Acknowledgements of little data wait a moment for data to leave with, and those that a peer needs do not.
@Suite("KCP acknowledgements that wait")
struct AcknowledgementDelayTests {
    private static func machine(delay: Int64 = 5) -> KCP.Machine {
        var configuration = KCP.Configuration.vproxy()
        configuration.acknowledgementDelay = .milliseconds(delay)
        return KCP.Machine(configuration)
    }

    private static let most = String(repeating: "x", count: KCP.Configuration.vproxy().segment / 2)

    @Test func ofLittleDataItLeavesWhenItsTimeIsUp() {
        var machine = Self.machine()
        machine.input(.push(0, stamp: 7), at: 10)
        #expect(machine.deadline == .at(15))
        #expect(machine.output(at: 14).isEmpty)
        #expect(machine.output(at: 15) == [[.ack(0, awaited: 1, stamp: 7, window: 1023)]])
        #expect(machine.deadline == nil)
    }

    @Test func itLeavesWithTheAnswer() {
        var machine = Self.machine()
        machine.input(.push(0, stamp: 7), at: 10)
        _ = machine.receive()
        machine.send(ByteBuffer(string: "answer"))
        #expect(machine.output(at: 11).map { $0.map(\.header.command) } == [[.ack, .push]])
        #expect(machine.deadline.map { $0 > .at(15) } == true)
    }

    @Test func furtherDataDoesNotPutItOff() {
        var machine = Self.machine()
        machine.input(.push(0), at: 10)
        machine.input(.push(1), at: 12)
        #expect(machine.deadline == .at(15))
        #expect(machine.output(at: 15).joined().map(\.header.number) == [1])
    }

    @Test func ofHalfASegmentItLeavesAtOnce() {
        var machine = Self.machine()
        machine.input(.push(0, Self.most), at: 10)
        #expect(machine.deadline == .at(10))
        #expect(machine.output(at: 10).joined().map(\.header.number) == [0])
        machine.input(.push(1, String(Self.most.dropLast())), at: 11)
        #expect(machine.deadline == .at(16))
        machine.input(.push(2), at: 12)
        #expect(machine.deadline == .at(12))
        #expect(machine.output(at: 12).joined().map(\.header.number) == [2])
    }

    @Test("what tells of a loss leaves at once", arguments: [[1], [0, 0], [1, 0]] as [[UInt32]])
    func whatTellsOfALossLeavesAtOnce(numbers: [UInt32]) {
        var machine = Self.machine()
        for number in numbers { machine.input(.push(number), at: 10) }
        #expect(machine.deadline == .at(10))
        #expect(machine.output(at: 10).joined().map(\.header.number) == (numbers == [0, 0] ? [0, 0] : numbers))
    }

    @Test func itGoesWithTheAnswerToAQuestion() {
        var machine = Self.machine()
        machine.input(.push(0), .ask(), at: 10)
        #expect(machine.output(at: 10).map { $0.map(\.header.command) } == [[.ack]])
        #expect(machine.deadline == nil)
    }

    @Test func inAHurryNoneWaits() {
        var machine = Self.machine()
        machine.input(.push(0), at: 10)
        machine.hurry()
        #expect(machine.output(at: 10).joined().map(\.header.number) == [0])
        machine.input(.push(1), at: 11)
        #expect(machine.output(at: 11).joined().map(\.header.number) == [1])
    }

    @Test func withoutADelayNoneWaits() {
        var machine = Self.machine(delay: 0)
        machine.input(.push(0), at: 10)
        #expect(machine.deadline == .at(10))
        #expect(machine.output(at: 10).joined().map(\.header.number) == [0])
    }
}
