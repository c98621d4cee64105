// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenTesting

@testable import WarrenKCP

@Suite("KCP sends")
struct SendTests {
    @Test func sendsAtOnceAndWaits() {
        var machine = KCP.Machine.onSafePath(.vproxy())
        #expect(machine.deadline == nil)
        machine.send(ByteBuffer(string: "hello"))
        #expect(machine.deadline == .at(0))
        let datagrams = machine.output(at: 5)
        let header = KCP.Header(command: .push, window: 1024, stamp: 5, awaited: 0)
        #expect(datagrams == [[KCP.Segment(header, data: ByteBuffer(string: "hello"))]])
        #expect(machine.deadline == .at(205))
        #expect(machine.backlog == 5)
        #expect(!machine.isFinished)
    }

    @Test func isIdleWithoutADeadline() {
        var machine = KCP.Machine.onSafePath(.vproxy())
        machine.send(ByteBuffer(string: "hello"))
        _ = machine.output(at: 0)
        machine.input(.ack(0, awaited: 1, stamp: 0), at: 40)
        #expect(machine.deadline == nil)
        #expect(machine.isFinished)
        #expect(machine.acknowledged == 5)
        #expect(machine.roundTrip == .milliseconds(40))
        #expect(machine.timeout == .milliseconds(120))
        #expect(machine.output(at: 40).isEmpty)
        #expect(machine.stalledSince == nil)
    }

    @Test(
        "waits longer each time",
        arguments: [
            (KCP.Configuration.Profile.fast4, [0, 200, 500, 900, 1400, 2000]),
            (.normal, [0, 225, 625, 1225, 2025, 3025]),
        ])
    func backsOff(profile: KCP.Configuration.Profile, times: [Int]) {
        var machine = KCP.Machine.onSafePath(.vproxy(profile))
        machine.send(ByteBuffer(string: "hello"))
        for (index, time) in times.enumerated() {
            if time > 0 {
                #expect(machine.deadline == .at(time))
                #expect(machine.pushed(at: time - 1) == [])
            }
            #expect(machine.pushed(at: time) == [0])
            #expect(machine.counters.timeouts == UInt64(index))
        }
    }

    @Test func fallsSilentWhenTheLinkIsDead() {
        var machine = KCP.Machine.onSafePath(.vproxy())
        machine.send(ByteBuffer(string: "hello"))
        var sends = machine.pushed(at: 0).count
        while let deadline = machine.deadline, sends < 100 {
            while machine.poll(now: deadline) != nil { sends += 1 }
        }
        #expect(machine.failure == .deadLink)
        #expect(sends == 20)
        #expect(machine.deadline == nil)
        machine.send(ByteBuffer(string: "more"))
        #expect(machine.poll(now: .at(100_000)) == nil)
        #expect(!machine.isWritable)
    }

    @Test func givesUpOnlyAfterTheTimeToo() {
        var configuration = KCP.Configuration.vproxy()
        configuration.deadSends = 2
        configuration.deadTime = .seconds(5)
        var machine = KCP.Machine.onSafePath(configuration)
        machine.send(ByteBuffer(string: "hello"))
        while let deadline = machine.deadline, deadline < .at(4999) { while machine.poll(now: deadline) != nil {} }
        #expect(machine.failure == nil)
        while let deadline = machine.deadline { while machine.poll(now: deadline) != nil {} }
        #expect(machine.failure == .deadLink)
    }

    @Test func repeatsWhatLaterOnesHaveOvertaken() {
        var machine = KCP.Machine(.vproxy(.fast3))
        machine.send(segments: 32)
        #expect(machine.pushed(at: 0) == Array(0..<32))
        machine.send(segments: 100)
        machine.input(.ack(1, awaited: 0, stamp: 0, window: 100), at: 40)
        #expect(!machine.pushed(at: 40).contains(0))
        machine.input(.ack(2, awaited: 0, stamp: 0, window: 100), at: 41)
        #expect(machine.pushed(at: 41).first == 0)
        #expect(machine.counters.fastRepeats == 1)
        // What left before the repeat proves nothing about it.
        machine.input(.ack(3, awaited: 0, stamp: 0, window: 100), at: 42)
        machine.input(.ack(4, awaited: 0, stamp: 0, window: 100), at: 42)
        machine.input(.ack(5, awaited: 0, stamp: 0, window: 100), at: 42)
        #expect(!machine.pushed(at: 42).contains(0))
    }

    @Test func repeatsEarlyWhenNothingFollows() {
        var machine = KCP.Machine(.vproxy(.fast3))
        machine.send(segments: 2)
        #expect(machine.pushed(at: 0) == [0, 1])
        machine.input(.ack(1, awaited: 0, stamp: 0), at: 40)
        #expect(machine.pushed(at: 40) == [0])
    }

    @Test func learnsToWaitForWhatIsOnlyLate() {
        var machine = KCP.Machine(.vproxy(.fast4))
        var repeats: [UInt64] = []
        for turn in 0..<40 {
            let start = turn * 100
            let first = UInt32(2 * turn)
            machine.send(segments: 2)
            #expect(machine.pushed(at: start) == [first, first + 1])
            machine.input(.ack(first + 1, awaited: first, stamp: UInt32(start)), at: start + 40)
            _ = machine.pushed(at: start + 40)
            machine.input(.ack(first, awaited: first + 2, stamp: UInt32(start)), at: start + 43)
            _ = machine.pushed(at: start + 43)
            repeats.append(machine.counters.fastRepeats)
        }
        #expect(machine.counters.needlessRepeats == machine.counters.fastRepeats)
        // Forgets after a while, and learns again.
        #expect(machine.counters.fastRepeats < 10)
        #expect(machine.counters.timeouts == 0)
    }

    @Test func neverRepeatsEarlyInTheNormalProfile() {
        var machine = KCP.Machine(.vproxy(.normal))
        machine.send(segments: 10)
        _ = machine.pushed(at: 0)
        for number in 1..<10 as Range<UInt32> { machine.input(.ack(number, awaited: 0, stamp: 0), at: 40) }
        #expect(machine.pushed(at: 41) == [])
        #expect(machine.deadline != nil)
    }

    @Test func staysInsideTheWindowOfThePeer() {
        var machine = KCP.Machine(.vproxy())
        machine.send(segments: 2000)
        #expect(machine.pushed(at: 0).count == 32)
        #expect(machine.deadline == .at(200))
        machine.input(.ack(31, awaited: 32, stamp: 0, window: 100), at: 10)
        #expect(machine.pushed(at: 10) == Array(32..<132))
        // A datagram that was overtaken does not shrink it.
        machine.input(.ack(31, awaited: 32, stamp: 0, window: 5), at: 10)
        machine.input(.ack(131, awaited: 132, stamp: 10, window: 65535), at: 20)
        #expect(machine.pushed(at: 20).count == 1024)
        #expect(machine.peerRoom == 65535 - 1024)
    }

    @Test func asksWhenTheWindowIsShut() {
        var machine = KCP.Machine(.vproxy())
        machine.send(segments: 40)
        _ = machine.output(at: 0)
        machine.input(.ack(31, awaited: 32, stamp: 0, window: 0), at: 10)
        #expect(machine.output(at: 10) == [])
        #expect(machine.deadline == .at(510))
        for (time, wait) in [(510, 750), (1260, 1125)] {
            #expect(machine.output(at: time).map { $0.map(\.header.command) } == [[.ask]])
            #expect(machine.deadline == .at(time + wait))
        }
        machine.input(.tell(3, awaited: 32), at: 1300)
        #expect(machine.pushed(at: 1300) == [32, 33, 34])
    }

    @Test func doesNotAskWhenThereIsNothingToSay() {
        var machine = KCP.Machine(.vproxy())
        machine.send(segments: 1)
        _ = machine.output(at: 0)
        machine.input(.ack(0, awaited: 1, stamp: 0, window: 0), at: 10)
        #expect(machine.output(at: 10) == [])
        #expect(machine.deadline == nil)
    }

    @Test func noticesAPeerThatHasForgotten() {
        var machine = KCP.Machine(.vproxy())
        machine.send(segments: 3)
        _ = machine.output(at: 0)
        machine.input(.ack(2, awaited: 3, stamp: 0), at: 10)
        machine.send(segments: 1)
        _ = machine.output(at: 20)
        // Was under way before the last answer: no proof.
        machine.input(.ack(1, awaited: 1, stamp: 0), at: 21)
        #expect(!machine.peerHasForgotten)
        #expect(machine.stalledSince == .at(20))
        machine.input(.ack(3, awaited: 0, stamp: 20), at: 30)
        #expect(machine.peerHasForgotten)
        #expect(machine.acknowledged == UInt64(3 * machine.configuration.segment))
        #expect(machine.stalledSince == .at(20))
    }

    @Test func shortWritesShareASegment() {
        var machine = KCP.Machine.onSafePath(.vproxy())
        for _ in 0..<3000 { machine.send(ByteBuffer(string: "abc")) }
        let sizes = machine.output(at: 0).joined().map(\.data.readableBytes)
        #expect(sizes == Array(repeating: 1226, count: 7) + [9000 - 7 * 1226])
    }

    @Test func neverExceedsTheMTU() {
        for mtu in [50, 51, 100, 1250, 1400, 9000] {
            var configuration = KCP.Configuration.vproxy()
            configuration.mtu = mtu
            var machine = KCP.Machine(configuration)
            for number in 0..<40 as Range<UInt32> { machine.input(.push(2 * number), at: 0) }
            machine.send(segments: 20)
            var sizes: [Int] = []
            while let datagram = machine.poll(now: .at(0)) { sizes.append(datagram.readableBytes) }
            #expect(sizes.allSatisfy { $0 <= mtu })
            #expect(sizes.contains(mtu))
        }
    }

    @Test func putsManyDatagramsIntoOneBuffer() {
        var machine = KCP.Machine(.vproxy())
        machine.send(segments: 4)
        var bytes = ByteBuffer()
        for _ in 0..<4 { #expect(machine.poll(into: &bytes, now: .at(0)) == 1250) }
        #expect(machine.poll(into: &bytes, now: .at(0)) == 0)
        #expect(bytes.segments().map(\.header.number) == [0, 1, 2, 3])
    }

    @Test func cutsMessagesIntoFragments() {
        var configuration = KCP.Configuration.vproxy()
        configuration.framing = .messages
        var machine = KCP.Machine.onSafePath(configuration)
        #expect(machine.send(ByteBuffer(repeating: 1, count: 3 * 1226 + 1)) == true)
        #expect(machine.send(ByteBuffer(repeating: 2, count: 1226)) == true)
        #expect(machine.send(ByteBuffer()) == true)
        #expect(machine.send(ByteBuffer(repeating: 3, count: 255 * 1226 + 1)) == false)
        let segments = machine.output(at: 0).joined()
        #expect(segments.map(\.header.fragment) == [3, 2, 1, 0, 0, 0])
        #expect(segments.map(\.data.readableBytes) == [1226, 1226, 1226, 1, 1226, 0])
    }
}
