// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenLoop
import WarrenLoopTesting

@testable import WarrenRuntime

/// A relay whose front has just been answered.
private final class Rig {
    let loop = SocketLoop.manual()
    let front = ScriptedLeg()
    let back = ScriptedLeg()
    private(set) var reports: [BridgeReport] = []

    init(early: String = "banner") {
        let relay = Bridge(front: self.front, back: self.back, on: self.loop) { [unowned self] in
            self.reports.append($0)
        }
        ReplyGuard.begin(relay, from: self.front, to: self.back, early: ByteBuffer(string: early), on: self.loop)
    }

    /// What the front was given.
    var toFront: String { self.front.calls.reduce("") { if case .write(let text) = $1 { $0 + text } else { $0 } } }
    var toBack: String { self.back.calls.reduce("") { if case .write(let text) = $1 { $0 + text } else { $0 } } }
}

@Suite struct ReplyGuardTests {
    @Test("a partner's first bytes wait for a moment; it is not read meanwhile, and everything goes on then")
    func firstBytesWait() {
        let rig = Rig()
        #expect(!rig.back.isReading && rig.front.isReading)
        rig.loop.advance(by: .microseconds(4999))
        #expect(rig.toFront.isEmpty)
        rig.loop.advance(by: .microseconds(1))
        #expect(rig.toFront == "banner" && rig.back.isReading && rig.front.calls.last == .flush)
        rig.back.receive(" and more")
        rig.front.receive("answer")
        #expect(rig.toFront == "banner and more" && rig.toBack == "answer")
        #expect(rig.loop.timers.count == 0)
    }

    @Test("who speaks has read its reply") func whoSpeaksIsNotKept() {
        let rig = Rig()
        rig.front.receive("hello")
        #expect(rig.toFront == "banner" && rig.toBack == "hello" && rig.back.isReading)
        #expect(rig.loop.timers.count == 0)
    }

    @Test("a partner's end stays behind its bytes") func anEndStaysBehind() {
        let rig = Rig()
        rig.back.receive(", all of it")
        rig.back.receiveEnd()
        #expect(!rig.front.calls.contains(.finish))
        rig.loop.advance(by: .milliseconds(5))
        #expect(rig.toFront == "banner, all of it" && rig.front.calls.last == .finish)
    }

    @Test("whoever goes meanwhile ends the other", arguments: [true, false], [nil, .aborted] as [StreamFault?])
    func eitherGoes(isFront: Bool, fault: StreamFault?) {
        let rig = Rig()
        (isFront ? rig.front : rig.back).isGone(fault)
        #expect((isFront ? rig.back : rig.front).calls.contains(.end(fault)))
        #expect(rig.reports.map(\.fault) == [fault])
        #expect(rig.loop.timers.count == 0)
        if !isFront { #expect(rig.toFront == "banner") }
    }

    @Test("a reply that does not arrive is waited for no longer than 20 ms") func aReplyUnderWay() throws {
        let pair = try LocalPair(isTCP: true, room: 4096)
        let (leg, back) = (pair.makeLeg(), ScriptedLeg())
        pair.turn()
        // More than the far end takes.
        leg.write(ByteBuffer(repeating: 1, count: 1 << 22))
        leg.flush()
        let relay = Bridge(front: leg, back: back, on: pair.loop) { _ in }
        ReplyGuard.begin(relay, from: leg, to: back, early: ByteBuffer(), on: pair.loop)
        pair.loop.advance(by: .milliseconds(19))
        #expect(leg.events !== relay)
        pair.loop.advance(by: .milliseconds(1))
        #expect(leg.events === relay)
        relay.cancel(.aborted)
    }
}
