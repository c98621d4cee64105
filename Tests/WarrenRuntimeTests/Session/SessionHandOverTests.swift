// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenLoop
import WarrenLoopTesting

@testable import WarrenRuntime

/// What became of a stream that was asked for.
private final class Answers {
    private(set) var legs: [any Leg] = []
    private(set) var faults: [StreamFault] = []
    /// Called at each answer.
    var onAnswer: () -> Void = {}

    func take(_ result: Result<any Leg, StreamFault>) {
        switch result {
        case .success(let leg): self.legs.append(leg)
        case .failure(let fault): self.faults.append(fault)
        }
        self.onAnswer()
    }
}

@Suite struct SessionHandOverTests {
    /// A session whose machine hands over the stream that it is asked for, behind a last word.
    private func makeRig() -> SessionRig {
        let rig = SessionRig { script, _ in
            script.wantsBytes = false
            script.onCall = { script, call in
                guard case .open = call else { return }
                script.says(
                    .write(ByteBuffer(string: "ask")),
                    .handOver(script.lastStream, leftover: ByteBuffer(string: "rest"))
                )
            }
        }
        _ = rig.carrier.take()
        return rig
    }

    @Test("the carrier itself is the stream that we asked for, with what was read too far put back")
    func answersWithTheCarrier() {
        let rig = self.makeRig()
        let answers = Answers()
        var before: [ScriptedOwner.Event] = []
        answers.onAnswer = { before = rig.owner.events }
        #expect(!rig.carrier.isReading)
        _ = rig.handler.open(.named("far"), answer: answers.take)
        #expect(answers.legs.isEmpty)
        rig.loop.runOnce()
        #expect(answers.legs.first === rig.carrier)
        #expect(rig.carrier.take() == [.write("ask"), .flush, .unread("rest"), .reading(true)])
        #expect(rig.carrier.events == nil)
        #expect(before == [.began, .ended(.finished)])
        #expect(rig.registry.sessionCount == 0)
        rig.loop.advance(by: .hours(1))
        rig.handler.shutDown(.shutdown)
        #expect(answers.legs.count == 1)
        #expect(answers.faults == [])
        #expect(rig.owner.events == before)
        #expect(rig.carrier.take() == [])
        #expect(rig.script.calls == [.start, .open(.named("far"))])
    }

    @Test func otherStreamsThatWereAskedForAreLost() {
        let rig = self.makeRig()
        let (answers, others) = (Answers(), Answers())
        _ = rig.handler.open(.named("far"), answer: answers.take)
        rig.script.onCall = { _, _ in }
        _ = rig.handler.open(.named("other"), answer: others.take)
        // The first one's id: the script counts.
        rig.script.steps = [.handOver(StreamID(101), leftover: ByteBuffer())]
        rig.loop.runOnce()
        #expect(answers.legs.count == 1)
        #expect(others.faults == [.sessionLost])
        #expect(others.legs.isEmpty)
    }

    @Test func aCancelledStreamIsNotHandedOver() {
        let rig = self.makeRig()
        let answers = Answers()
        let attempt = rig.handler.open(.named("far"), answer: answers.take)
        attempt.cancel()
        rig.loop.runOnce()
        #expect(answers.legs.isEmpty)
        #expect(answers.faults.isEmpty)
        #expect(rig.script.calls.contains(.reset(StreamID(101), .aborted)))
        #expect(rig.carrier.take().last == .end(nil))
        #expect(rig.owner.events == [.began, .ended(.finished)])
    }

    @Test func cancellingAfterTheAnswerDoesNothing() {
        let rig = self.makeRig()
        let attempt = rig.handler.open(.named("far")) { _ in }
        rig.loop.runOnce()
        _ = rig.carrier.take()
        attempt.cancel()
        rig.loop.runOnce()
        #expect(rig.carrier.take() == [])
        #expect(!rig.script.calls.contains(.reset(StreamID(101), .aborted)))
    }

    @Test func aCarrierThatWasLostBeforeIsNoStream() {
        let rig = self.makeRig()
        let answers = Answers()
        _ = rig.handler.open(.named("far"), answer: answers.take)
        rig.carrier.isGone(.aborted)
        rig.loop.runOnce()
        #expect(answers.legs.isEmpty)
        #expect(answers.faults == [.sessionLost])
        #expect(rig.owner.events == [.began, .ended(.carrierLost("connection reset"))])
    }

    @Test("a carrier that is lost with the last word before the hand-over is no stream")
    func aCarrierThatIsLostInTheSameTurn() throws {
        let pair = try LocalPair()
        let (script, owner, registry) = (Script(), ScriptedOwner(), LoopRegistry())
        let handler = SessionHandler(
            ScriptedMachine(script: script), on: pair.makeLeg(), owner: owner,
            context: LoopContext(loop: pair.loop, registry: registry)
        )
        handler.start()
        let answers = Answers()
        _ = handler.open(.named("far"), answer: answers.take)
        script.says(.write(ByteBuffer(string: "ask")), .handOver(script.lastStream, leftover: ByteBuffer()))
        pair.close()
        pair.loop.runOnce()
        #expect(answers.legs.isEmpty)
        #expect(answers.faults == [.sessionLost])
        guard case .ended(.carrierLost) = owner.events.last else {
            Issue.record("the session ended as if in order")
            return
        }
        #expect(owner.events.count == 2)
        #expect(registry.sessionCount == 0)
    }

    @Test func whatARelayGrantsReachesTheOwner() {
        let grant = Grant(.meeting("key"), instance: "relay.example", lifetime: .seconds(300))
        let rig = SessionRig { script, _ in script.says(.granted(grant), .ready, .granted(Grant(.meeting("next")))) }
        #expect(rig.owner.events == [.began, .granted(grant), .ready, .granted(Grant(.meeting("next")))])
        #expect(rig.carrier.take() == [.begin, .flush, .reading(true)])
    }
}
