// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenLoop

@testable import WarrenRuntime

/// Keeps what passes the detector.
private final class Sink: LegEvents {
    var needs: LegNeeds { [] }
    var text = ""
    var bursts = 0
    var ended = false
    func received(_ bytes: ByteBuffer, by leg: any Leg) { self.text += String(buffer: bytes) }
    func receivedBurst(by leg: any Leg) { self.bursts += 1 }
    func finished(by leg: any Leg) { self.ended = true }
    func sent(_ count: Int, by leg: any Leg) {}
    func writabilityChanged(of leg: any Leg) {}
    func ended(_ leg: any Leg, _ fault: StreamFault?) {}
}

private final class Rig {
    let leg = ScriptedLeg()
    let loop = SocketLoop.manual()
    var strangers: [String] { self.box.strangers }
    var installed: [String] { self.box.installed }
    var sink: Sink { self.box.sink }
    private let box = Box()

    private final class Box {
        var strangers: [String] = []
        var installed: [String] = []
        let sink = Sink()
    }

    init(_ words: [String], timeout: TimeAmount = .seconds(10)) {
        let box = self.box
        let candidates = words.map { word in
            Detector.Candidate(detect: { detect(word, $0) }) { leg in
                box.installed.append(word)
                leg.events = box.sink
                leg.begin()
            }
        }
        let detector = Detector(self.leg, candidates) { box.strangers.append(String(buffer: $0)) }
        detector.start(timeout: timeout, on: self.loop)
    }

    func receive(_ text: String) { self.leg.receive(text) }

    /// Whether the connection was given up, in order.
    var isClosed: Bool { self.leg.calls.last == .end(nil) }
}

/// Whether the head starts with the word, as the protocols of Warren answer it.
private func detect(_ word: String, _ head: ByteBufferView) -> Detection {
    let known = min(head.count, word.utf8.count)
    guard head.prefix(known).elementsEqual(word.utf8.prefix(known)) else { return .no }
    return known == word.utf8.count ? .yes : .needs(bytes: word.utf8.count)
}

@Suite struct DetectorTests {
    @Test("tells protocols apart in chunks of any size and loses no byte", arguments: 1...9, ["GET / x", "GOT more"])
    func tellsApart(chunk: Int, text: String) {
        let rig = Rig(["GET", "GOT", "SSH"])
        var rest = Substring(text)
        while !rest.isEmpty {
            rig.receive(String(rest.prefix(chunk)))
            rest = rest.dropFirst(chunk)
        }
        #expect(rig.installed == [String(text.prefix(3))])
        #expect(rig.sink.text == text)
        #expect(rig.sink.bursts > 0)
        #expect(rig.strangers.isEmpty)
        #expect(rig.leg.events === rig.sink)
    }

    @Test func asksForReadsUntilItIsSettled() {
        let rig = Rig(["GET"])
        #expect(rig.leg.isReading)
        #expect(rig.leg.take() == [.begin])
        rig.receive("G")
        #expect(rig.leg.isReading)
        rig.receive("ET")
        // From here on the protocol says when.
        #expect(rig.leg.take() == [.unread("GET"), .begin])
    }

    @Test func closesOnAStranger() {
        let rig = Rig(["GET", "SSH"])
        rig.receive("G")
        rig.receive("0")
        #expect(rig.strangers == ["G0"])
        #expect(rig.isClosed)
        #expect(rig.installed.isEmpty)
    }

    @Test func closesOnOneWhoSaysNothing() {
        let rig = Rig(["GET"], timeout: .seconds(10))
        rig.loop.advance(by: .seconds(9))
        #expect(!rig.isClosed)
        rig.loop.advance(by: .seconds(1))
        #expect(rig.isClosed)
        #expect(rig.strangers == [""])
    }

    @Test func slowBytesDoNotBuyTime() {
        let rig = Rig(["GET"], timeout: .seconds(10))
        rig.loop.advance(by: .seconds(6))
        rig.receive("G")
        rig.loop.advance(by: .seconds(4))
        #expect(rig.strangers == ["G"])
    }

    @Test func theTimerStopsWithTheAnswer() {
        let rig = Rig(["GET"], timeout: .seconds(10))
        rig.receive("GET")
        rig.loop.advance(by: .hours(1))
        #expect(!rig.isClosed)
        #expect(rig.strangers.isEmpty)
    }

    @Test func closesWhenThePeerEndsBeforeItIsKnown() {
        let rig = Rig(["GET"])
        rig.receive("G")
        rig.leg.receiveEnd()
        #expect(rig.strangers == ["G"])
        #expect(rig.isClosed)
    }

    @Test func theEndAfterTheAnswerReachesTheProtocol() {
        let rig = Rig(["GET"])
        rig.receive("GET")
        rig.leg.receiveEnd()
        #expect(rig.sink.ended)
    }

    @Test func aProtocolThatWantsTooMuchIsNotWaitedFor() {
        let candidate = Detector.Candidate(detect: { _ in .needs(bytes: Detection.mostBytes + 1) }, install: { _ in })
        let leg = ScriptedLeg()
        Detector(leg, [candidate]) { _ in }.start(timeout: .seconds(1), on: .manual())
        leg.receive("x")
        #expect(leg.calls.last == .end(nil))
    }

    @Test func oneWhoGoesAwayIsNoStranger() {
        let rig = Rig(["GET"])
        rig.receive("G")
        rig.leg.isGone(.aborted)
        rig.loop.advance(by: .hours(1))
        #expect(rig.strangers.isEmpty)
        #expect(rig.leg.events == nil)
        #expect(rig.loop.timers.count == 0)
    }

    @Test func aProtocolThatCannotBeInstalledLosesTheConnection() {
        let candidate = Detector.Candidate(detect: { _ in .yes }, install: { _ in throw StreamFault.failed })
        let leg = ScriptedLeg()
        Detector(leg, [candidate]) { _ in Issue.record("a stranger") }.start(timeout: .seconds(1), on: .manual())
        leg.receive("x")
        #expect(leg.calls.last == .end(.aborted))
    }
}
