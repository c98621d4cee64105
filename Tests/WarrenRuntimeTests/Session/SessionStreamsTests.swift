// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore

@testable import WarrenRuntime

private let one = StreamID(1)

@Suite struct SessionStreamsTests {
    @Test func attemptsEndWithTheSession() {
        let rig = SessionRig()
        let attempt = CountingAttempt()
        var late: ((Result<any Leg, StreamFault>) -> Void)?
        rig.owner.onOpen = { _, answer in
            late = answer
            return attempt
        }
        rig.script.says(.open(one, .named("far")))
        rig.receive("x")
        var answers: [StreamFault?] = []
        _ = rig.handler.open(.named("near")) { result in
            if case .failure(let fault) = result { answers.append(fault) } else { answers.append(nil) }
        }
        rig.handler.shutDown(.shutdown)
        #expect(attempt.cancels == 1)
        #expect(answers == [.shutdown])
        let leg = ScriptedLeg()
        late?(.success(leg))
        #expect(leg.take() == [.end(.aborted)])
        #expect(rig.owner.events.last == .ended(.shutdown))
        _ = rig.handler.open(.named("later")) { result in
            if case .failure(let fault) = result { answers.append(fault) }
        }
        #expect(answers == [.shutdown, .sessionLost])
    }

    @Test func aStreamThatThePeerGivesUpCancelsItsAttempt() {
        let rig = SessionRig()
        let attempt = CountingAttempt()
        rig.owner.onOpen = { _, _ in attempt }
        rig.script.says(.open(one, .named("far")), .end(one, .aborted))
        rig.receive("x")
        #expect(attempt.cancels == 1)
    }

    @Test func aRefusedStreamIsResetAndReported() {
        let rig = SessionRig()
        rig.owner.onOpen = { _, answer in
            answer(.failure(.refused))
            return NoAttempt()
        }
        rig.script.says(.open(one, .named("far")))
        rig.receive("x")
        #expect(rig.script.calls.last == .reset(one, .refused))
        #expect(rig.owner.events.last == .streamEnded(.named("far"), bytesIn: 0, bytesOut: 0, .refused))
    }

    @Test func noStreamsWhileDraining() {
        let rig = SessionRig()
        rig.registry.drain {}
        rig.script.says(.open(one, .named("far")))
        rig.receive("x")
        #expect(rig.script.calls.last == .reset(one, .shutdown))
    }

    @Test func ourStreamsAreAnswered() {
        let rig = SessionRig()
        var legs: [any Leg] = []
        var faults: [StreamFault] = []
        func keep(_ result: Result<any Leg, StreamFault>) {
            switch result {
            case .success(let leg): legs.append(leg)
            case .failure(let fault): faults.append(fault)
            }
        }
        _ = rig.handler.open(.named("a"), answer: keep)
        _ = rig.handler.open(.named("b"), answer: keep)
        let third = rig.handler.open(.named("c"), answer: keep)
        rig.script.says(.opened(StreamID(101)), .end(StreamID(102), .unknownHost))
        rig.receive("x")
        #expect(legs.count == 1)
        #expect(faults == [.unknownHost])
        third.cancel()
        #expect(rig.script.calls.last == .reset(StreamID(103), .aborted))
        rig.script.refusal = .limit
        _ = rig.handler.open(.named("d"), answer: keep)
        #expect(faults == [.unknownHost, .limit])
    }

    @Test func theEndOfTheCarrierIsTheMachinesToJudge() {
        let rig = SessionRig { script, _ in
            script.onCall = { script, call in if call == .receiveEnd { script.says(.close(.finished)) } }
        }
        rig.carrier.receiveEnd()
        #expect(rig.script.calls == [.start, .receiveEnd])
        #expect(rig.owner.events == [.began, .ended(.finished)])
    }

    @Test func aLostCarrierEndsTheSessionOnce() {
        let rig = SessionRig()
        let back = ScriptedLeg()
        rig.openStream(one, to: back)
        rig.carrier.events?.failed(by: ChannelError.inputClosed)
        rig.carrier.isGone(.failed)
        rig.carrier.isGone(.failed)
        #expect(back.take() == [.end(.sessionLost)])
        #expect(rig.carrier.events == nil)
        let reason = CloseReason.carrierLost("\(ChannelError.inputClosed)")
        #expect(rig.owner.events.count { $0 == .ended(reason) } == 1)
        #expect(rig.owner.events.count { if case .ended = $0 { true } else { false } } == 1)
    }

    @Test func theCarrierBecomesTheStream() {
        let rig = SessionRig()
        let back = ScriptedLeg()
        rig.openStream(one, to: back)
        rig.script.says(
            .write(ByteBuffer(string: "welcome")), .deliver(one, ByteBuffer(string: "a")),
            .handOver(one, leftover: ByteBuffer(string: "b"))
        )
        rig.receive("x")
        #expect(rig.written() == ["welcome"])
        #expect(back.take().prefix(3) == [.write("a"), .write("b"), .flush])
        #expect(rig.owner.events.contains(.ended(.finished)))
        #expect(rig.registry.sessionCount == 0)
        #expect(rig.registry.bridgeCount == 1)
        rig.receive("plain")
        #expect(back.take() == [.write("plain"), .flush])
        back.receive("answer")
        #expect(rig.written() == ["answer"])
        rig.carrier.receiveEnd()
        #expect(back.take() == [.finish])
        back.isGone(nil)
        #expect(rig.registry.bridgeCount == 0)
        let last = rig.owner.events.last
        #expect(last == .streamEnded(.named("far"), bytesIn: 7, bytesOut: 6, nil))
    }
}
