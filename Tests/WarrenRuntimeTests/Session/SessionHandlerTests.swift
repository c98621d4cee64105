// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenLoop

@testable import WarrenRuntime

private let one = StreamID(1)
private let two = StreamID(2)

@Suite struct SessionHandlerTests {
    @Test func startsTheMachineOnceAndAsksForBytes() {
        let rig = SessionRig { script, _ in script.says(.write(ByteBuffer(string: "hello"))) }
        #expect(rig.script.take() == [.start])
        #expect(rig.carrier.take() == [.begin, .write("hello"), .flush, .reading(true)])
        #expect(rig.owner.events == [.began])
        #expect(rig.registry.sessionCount == 1)
    }

    @Test(
        "a short read is acknowledged at once where the peer waits for that, and only there", arguments: [true, false])
    func acknowledges(holdsBack: Bool) {
        let rig = SessionRig { script, _ in script.peerHoldsBack = holdsBack }
        rig.receive("short")
        #expect(rig.carrier.take().contains(.acknowledge) == holdsBack)
        rig.receive(String(repeating: "x", count: 4096))
        #expect(!rig.carrier.take().contains(.acknowledge))
    }

    @Test("a command inside a step is seen by the pull that is under way")
    func commandsInsideAStep() {
        let back = ScriptedLeg()
        let rig = SessionRig { script, owner in
            owner.onOpen = { _, answer in
                answer(.success(back))
                return NoAttempt()
            }
            script.onCall = { script, call in
                if call == .accept(one) { script.says(.write(ByteBuffer(string: "accepted"))) }
            }
            script.says(
                .open(one, .named("far")), .write(ByteBuffer(string: "after")), .deliver(one, ByteBuffer(string: "x")))
        }
        #expect(rig.script.take() == [.start, .accept(one)])
        #expect(rig.written() == ["after", "accepted"])
        #expect(back.take() == [.begin, .write("x"), .flush])
    }

    @Test func aLegThatFailsInsideADeliveryEndsItsStreamInTheSameTurn() {
        let rig = SessionRig()
        let back = ScriptedLeg()
        rig.openStream(one, to: back)
        rig.script.onCall = { script, call in
            if call == .reset(one, .aborted) { script.says(.write(ByteBuffer(string: "reset"))) }
        }
        rig.script.says(.deliver(one, ByteBuffer(string: "a")), .deliver(one, ByteBuffer(string: "b")))
        back.isWritable = true
        back.isGone(.aborted)
        rig.loop.runOnce()
        #expect(rig.script.take() == [.reset(one, .aborted)])
        #expect(rig.written() == ["reset"])
        #expect(rig.registry.bridgeCount == 0)
    }

    @Test func deliversWithOneFlushPerTurn() {
        let rig = SessionRig()
        let (first, second) = (ScriptedLeg(), ScriptedLeg())
        rig.openStream(one, to: first)
        rig.openStream(two, to: second)
        rig.script.says(
            .deliver(one, ByteBuffer(string: "a")), .deliver(two, ByteBuffer(string: "b")),
            .deliver(one, ByteBuffer(string: "c")), .finish(one)
        )
        rig.receive("x")
        #expect(first.take() == [.write("a"), .write("c"), .finish, .flush])
        #expect(second.take() == [.write("b"), .flush])
    }

    @Test func whatALegSaysGoesToTheMachine() {
        let rig = SessionRig()
        let back = ScriptedLeg()
        rig.openStream(one, to: back)
        rig.script.onCall = { script, call in
            if case .send = call { script.says(.write(ByteBuffer(string: "sent"))) }
        }
        back.receive("a")
        back.receive("b")
        #expect(rig.written() == [])
        back.receiveEnd()
        rig.loop.runOnce()
        #expect(rig.script.take() == [.send("a", one), .send("b", one), .finish(one)])
        #expect(rig.written() == ["sent", "sent"])
    }

    @Test func doesNotReadWhileTheMachineWantsNoBytes() {
        let rig = SessionRig { script, _ in script.wantsBytes = false }
        #expect(!rig.carrier.isReading)
        let back = ScriptedLeg()
        rig.openStream(one, to: back)
        #expect(!rig.carrier.isReading)
        rig.script.onCall = { script, call in
            if case .consumed = call { script.wantsBytes = true }
        }
        rig.script.says(.deliver(one, ByteBuffer(string: "abc")))
        rig.receive("x")
        back.events?.sent(3, by: back)
        rig.loop.runOnce()
        #expect(rig.script.calls.contains(.consumed(3, one)))
        #expect(rig.carrier.isReading)
    }

    @Test func takesWhatComesThoughItWantsNoBytes() {
        let rig = SessionRig { script, _ in script.wantsBytes = false }
        rig.receive("early")
        #expect(rig.script.take() == [.start, .receive("early")])
    }

    @Test func aPausedStreamStopsItsSource() {
        let rig = SessionRig()
        let back = ScriptedLeg()
        rig.openStream(one, to: back)
        rig.script.says(.pause(one))
        rig.receive("x")
        #expect(back.take() == [.reading(false)])
        rig.script.says(.resume(one))
        rig.receive("x")
        #expect(back.take() == [.reading(true)])
    }

    @Test func aSourceStopsBeforeThePauseWhereItsStreamHasNoRoom() {
        let rig = SessionRig()
        let back = ScriptedLeg()
        rig.openStream(one, to: back)
        rig.script.full = [one]
        back.receive("a")
        #expect(back.take() == [.reading(false)])
        rig.script.full = []
        rig.script.says(.resume(one))
        rig.receive("x")
        #expect(back.take() == [.reading(true)])
    }

    @Test func tellsTheMachineWhenTheCarrierIsFull() {
        let rig = SessionRig()
        #expect(rig.script.writable == true)
        rig.carrier.isWritable = false
        rig.receive("x")
        #expect(rig.script.writable == false)
        rig.script.says(.write(ByteBuffer(string: "now")))
        rig.carrier.becomesWritable(true)
        rig.loop.runOnce()
        #expect(rig.script.writable == true)
        #expect(rig.written() == ["now"])
    }

    @Test func everyStreamEndsWithTheSession() {
        let rig = SessionRig()
        let legs = [ScriptedLeg(), ScriptedLeg(), ScriptedLeg()]
        for (index, leg) in legs.enumerated() { rig.openStream(StreamID(UInt32(index)), to: leg) }
        #expect(rig.registry.bridgeCount == 3)
        let reason = CloseReason.violation(WireError(.badMagic, in: "hello"))
        rig.script.says(.write(ByteBuffer(string: "bye")), .close(reason))
        rig.receive("x")
        let calls = rig.carrier.take()
        #expect(calls.suffix(3) == [.write("bye"), .flush, .end(nil)])
        for leg in legs { #expect(leg.take() == [.end(.sessionLost)]) }
        #expect(rig.registry.bridgeCount == 0)
        #expect(rig.registry.sessionCount == 0)
        #expect(rig.owner.events.count { $0 == .ended(reason) } == 1)
        #expect(
            rig.owner.events.count { if case .streamEnded(_, _, _, .sessionLost) = $0 { true } else { false } } == 3)
        _ = rig.script.take()
        rig.receive("more")
        #expect(rig.script.take() == [])
    }
}
