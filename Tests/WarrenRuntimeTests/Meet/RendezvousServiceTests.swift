// SPDX-License-Identifier: Apache-2.0

import Logging
import NIOCore
import Testing
import WarrenCore
import WarrenLoop

@testable import WarrenRuntime

private let one = CarrierID(1)
private let two = CarrierID(2)

private func bytes(_ text: String) -> ByteBuffer { ByteBuffer(string: text) }

private func peer(_ address: String) -> SocketAddress? { try? SocketAddress(ipAddress: address, port: 9) }

/// A leg that goes with the first thing it is to send.
private final class FragileLeg: Leg {
    var events: (any LegEvents)?
    var isWritable: Bool { true }
    private(set) var isGone = false

    func begin() {}
    func unread(_ bytes: ByteBuffer) {}
    func write(_ bytes: ByteBuffer) {}
    func flush() { self.end(.aborted) }
    func setReading(_ reading: Bool) {}
    func finish() {}
    func end(_ fault: StreamFault?) {
        self.isGone = true
        self.events?.ended(self, fault)
    }
}

@Suite(.timeLimit(.minutes(1))) struct RendezvousServiceTests {
    @Test func theMachineHearsOfEachCarrierInTurn() async throws {
        let rig = MeetingRig()
        try await rig.on { place, script in
            let (near, far) = (ScriptedLeg(peer: peer("127.0.0.1")), ScriptedLeg(peer: peer("192.0.2.7")))
            place.arrive(near)
            place.arrive(far)
            near.receive("a")
            far.receive("b")
            far.receiveEnd()
            near.isGone(.aborted)
            #expect(near.take() == [.begin])
            #expect(far.take() == [.begin])
            #expect(near.events == nil)
            let address = IPAddress("192.0.2.7")
            #expect(
                script.take() == [
                    .arrive(one, nil), .arrive(two, address), .receive(bytes("a"), one), .receive(bytes("b"), two),
                    .leave(two), .leave(one),
                ])
        }
        rig.loops.stop()
    }

    @Test(
        "this machine has no address that says anything",
        arguments: [("127.0.0.1", nil), ("127.8.9.1", nil), ("::1", nil), ("192.0.2.7", "192.0.2.7")]
    )
    func addresses(text: String, seen: String?) {
        #expect(RendezvousService<ScriptedMeeting>.address(of: peer(text)) == seen.flatMap { IPAddress($0) })
        #expect(RendezvousService<ScriptedMeeting>.address(of: nil) == nil)
    }

    @Test func eachWriteIsFlushedAndWritesToNobodyAreDropped() async throws {
        let rig = MeetingRig { script, call in
            guard case .receive(_, let id) = call else { return }
            script.says(.write(id, bytes("a")), .write(CarrierID(99), bytes("lost")), .write(id, bytes("b")))
        }
        try await rig.on { place, _ in
            let leg = ScriptedLeg()
            place.arrive(leg)
            leg.receive("x")
            #expect(leg.take() == [.begin, .write("a"), .flush, .write("b"), .flush])
        }
        rig.loops.stop()
    }

    @Test("a carrier that is no plain connection is read while it is parked, for its end is seen in no other way")
    func parksCarriersWithHandlers() async throws {
        let rig = MeetingRig()
        try await rig.on { place, script in
            let leg = ScriptedLeg()
            place.arrive(leg)
            script.says(.park(one), .park(CarrierID(99)))
            leg.receive("a")
            leg.receive("b")
            #expect(leg.take() == [.begin])
            #expect(script.take() == [.arrive(one, nil), .receive(bytes("a"), one), .receive(bytes("b"), one)])
        }
        rig.loops.stop()
    }

    @Test("a pair is a relay: early bytes are put back on both sides, and the machine hears of its end once each")
    func joinsAPair() async throws {
        let rig = MeetingRig { script, call in
            guard call == .receive(bytes("join"), two) else { return }
            script.says(
                .pair(.init(front: two, back: one, fromFront: bytes("f"), fromBack: bytes("b"), meeting: "m")))
        }
        try await rig.on { place, script in
            let (back, front) = (ScriptedLeg(), ScriptedLeg(peer: peer("192.0.2.7")))
            place.arrive(back)
            place.arrive(front)
            front.receive("join")
            // The burst that brought them together ends at the relay.
            let passed: [ScriptedLeg.Call] = [.write("f"), .flush, .flush]
            #expect(back.take() == [.begin, .reading(true), .unread("b"), .begin] + passed)
            #expect(front.take() == [.begin, .reading(true), .unread("f"), .write("b"), .flush, .begin])
            let registry = rig.loops.registry(on: place.loop)
            #expect(registry.bridgeCount == 1)
            _ = script.take()
            front.receive("question")
            back.receive("answer")
            back.receiveEnd()
            #expect(back.take() == [.write("question"), .flush])
            #expect(front.take() == [.write("answer"), .flush, .finish])
            #expect(script.take() == [])
            front.isGone(nil)
            #expect(back.take() == [.end(nil)])
            #expect(registry.bridgeCount == 0)
        }
        let line = await rig.log.next("stream")
        #expect(line?.level == .info)
        let words = [
            "inbound": "meet", "protocol": "lines", "outbound": "meet", "peer": "192.0.2.7:9",
            "destination": "meeting m", "bytesIn": "9", "bytesOut": "7", "reason": "finished",
        ]
        #expect(line?.metadata.filter { $0.key != "durationMs" } == words)
        try await rig.settle()
        #expect(try await rig.on { $1.take() } == [.leave(two), .leave(one)])
        rig.loops.stop()
    }

    @Test func aFaultOfTheOneIsAFaultOfTheOther() async throws {
        let rig = MeetingRig()
        try await rig.on { place, script in
            let (back, front) = (ScriptedLeg(), ScriptedLeg())
            place.arrive(back)
            place.arrive(front)
            script.says(.pair(.init(front: two, back: one, fromFront: .init(), fromBack: .init(), meeting: "m")))
            place.tell { _, _ in }
            back.isGone(.aborted)
            #expect(front.take().last == .end(.aborted))
        }
        #expect(await rig.log.next("stream")?.metadata["reason"] == "reset")
        try await rig.settle()
        #expect([one, two].map(rig.leaves) == [1, 1])
        rig.loops.stop()
    }

    @Test("a carrier that goes in the very turn in which it is paired takes its partner along", arguments: [one, two])
    func goesWhileItIsPaired(fragile: CarrierID) async throws {
        let rig = MeetingRig { script, call in
            guard call == .arrive(two, nil) else { return }
            script.says(
                .write(fragile, bytes("welcome")),
                .pair(.init(front: two, back: one, fromFront: bytes("f"), fromBack: bytes("b"), meeting: "m")))
        }
        try await rig.on { place, _ in
            let (leg, partner) = (FragileLeg(), ScriptedLeg())
            place.arrive(fragile == one ? leg : partner)
            place.arrive(fragile == one ? partner : leg)
            #expect(leg.isGone)
            #expect(partner.take().last == .end(.aborted))
            #expect(partner.events == nil)
            #expect(rig.loops.registry(on: place.loop).bridgeCount == 0)
        }
        try await rig.settle()
        #expect(rig.leaves(of: one) >= 1)
        #expect(rig.leaves(of: two) >= 1)
        #expect(rig.log.lines.isEmpty)
        rig.loops.stop()
    }

    @Test("closing lets go of the carrier; a refusal is told, an orderly end is not")
    func closes() async throws {
        let rig = MeetingRig()
        try await rig.on { place, script in
            let legs = (1...3).map { ScriptedLeg(peer: peer("192.0.2.\($0)")) }
            for leg in legs { place.arrive(leg) }
            script.says(
                .close(one, .finished), .write(two, bytes("no")), .close(two, .rejected("no")),
                .close(two, .finished), .close(CarrierID(3), .timedOut(phase: "head")))
            _ = script.take()
            place.tell { _, _ in }
            #expect(legs[0].take() == [.begin, .end(nil)])
            #expect(legs[1].take() == [.begin, .write("no"), .flush, .end(nil)])
            #expect(legs[2].take() == [.begin, .end(nil)])
            for leg in legs { leg.receive("late") }
            // It has forgotten them itself.
            #expect(script.take() == [])
        }
        #expect(rig.log.lines.map(\.message) == ["stranger turned away", "stranger turned away"])
        #expect(rig.log.lines.map(\.level) == [.notice, .debug])
        #expect(rig.log.lines.map { $0.metadata["peer"] } == ["192.0.2.2:9", "192.0.2.3:9"])
        #expect(rig.log.lines.map { $0.metadata["reason"] } == ["rejected by the peer: no", "timed out in head"])
        rig.loops.stop()
    }

    @Test("a carrier that was expected has the name it was given, and is told to the machine by its own word")
    func expectsCarriers() async throws {
        let rig = MeetingRig { script, call in
            if case .receive(_, let id) = call { script.says(.write(id, bytes("yes"))) }
        }
        try await rig.on { place, script in
            let (first, second) = (place.expect(), place.expect())
            #expect([first, second] == [one, two])
            let (plain, expected) = (ScriptedLeg(), ScriptedLeg())
            place.arrive(plain)
            place.arrive(expected, as: second) { machine in
                machine.script.hears(.other("is there"))
                return true
            }
            let late = ScriptedLeg()
            place.arrive(late, as: place.expect()) { _ in false }
            #expect(late.take() == [.end(.aborted)] && late.events == nil)
            expected.receive("hello")
            expected.isGone(nil)
            #expect(expected.take() == [.begin, .write("yes"), .flush])
            #expect(
                script.take() == [
                    .arrive(CarrierID(3), nil), .other("is there"), .receive(bytes("hello"), two), .leave(two),
                ])
        }
        rig.loops.stop()
    }

    @Test func theAlarmFollowsTheDeadline() async throws {
        let rig = MeetingRig()
        try await rig.on { place, script in
            script.deadline = place.loop.now + .hours(1)
            place.tell { _, _ in }
            // An earlier one takes the place of a later one; a later one waits its turn.
            script.deadline = place.loop.now + .milliseconds(20)
            script.onCall = { script, call in if call == .deadline { script.says(.close(one, .finished)) } }
            place.arrive(ScriptedLeg())
        }
        #expect(await rig.heard.next { $0 == .deadline } == .deadline)
        try await rig.settle()
        try await rig.on { place, script in
            #expect(script.calls == [.arrive(one, nil), .deadline])
            #expect(place.loop.timers.count == 0)
        }
        rig.loops.stop()
    }

    @Test("an alarm that was moved to a later time rings then, not before") func theAlarmMoves() async throws {
        let rig = MeetingRig()
        let later = NIODeadline.now() + .milliseconds(60)
        try await rig.on { place, script in
            script.deadline = place.loop.now + .milliseconds(15)
            place.tell { _, _ in }
            script.deadline = later
        }
        #expect(await rig.heard.next { $0 == .deadline } == .deadline)
        #expect(NIODeadline.now() >= later)
        #expect(rig.heard.all == [.deadline])
        rig.loops.stop()
    }
}
