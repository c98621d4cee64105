// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenLoop

@testable import WarrenRuntime

/// Two scripted legs and the bridge between them.
private final class Rig {
    let front = ScriptedLeg()
    let back = ScriptedLeg()
    let loop = SocketLoop.manual()
    let bridge: Bridge
    private let box = Box()

    private final class Box { var reports: [BridgeReport] = [] }

    var ended: [BridgeReport] { self.box.reports }

    init() {
        let box = self.box
        self.bridge = Bridge(front: self.front, back: self.back, on: self.loop) { box.reports.append($0) }
        self.bridge.begin()
        _ = self.front.take()
        _ = self.back.take()
    }
}

@Suite struct RelayTests {
    @Test func beginsBothLegsBackFirst() {
        let front = ScriptedLeg()
        let back = ScriptedLeg()
        let bridge = Bridge(front: front, back: back, on: .manual()) { _ in }
        #expect(front.take() == [])
        #expect(back.take() == [])
        bridge.begin()
        #expect(front.take() == [.begin])
        #expect(back.take() == [.begin])
        #expect(front.events === bridge)
        #expect(back.events === bridge)
    }

    @Test func carriesBytesBothWaysWithOneFlushPerBurst() {
        let rig = Rig()
        rig.front.events?.received(ByteBuffer(string: "a"), by: rig.front)
        rig.front.events?.received(ByteBuffer(string: "b"), by: rig.front)
        rig.front.events?.receivedBurst(by: rig.front)
        rig.back.receive("c")
        #expect(rig.back.take() == [.write("a"), .write("b"), .flush])
        #expect(rig.front.take() == [.write("c"), .flush])
    }

    @Test func stopsReadingWhereTheOtherSideIsFullAndGoesOn() {
        let rig = Rig()
        rig.back.isWritable = false
        rig.front.receive("a")
        #expect(rig.front.take() == [.reading(false)])
        #expect(rig.back.take() == [.write("a"), .flush])
        rig.back.becomesWritable(true)
        #expect(rig.front.take() == [.reading(true)])
        rig.back.becomesWritable(false)
        #expect(rig.front.take() == [.reading(false)])
    }

    @Test func pressureOfOneDirectionLeavesTheOtherAlone() {
        let rig = Rig()
        rig.front.isWritable = false
        rig.back.receive("a")
        #expect(rig.back.take() == [.reading(false)])
        rig.front.receive("b")
        #expect(rig.back.take() == [.write("b"), .flush])
    }

    @Test func passesAHalfCloseOnAndCarriesTheOtherDirection() {
        let rig = Rig()
        rig.front.receive("last")
        rig.front.receiveEnd()
        #expect(rig.back.take() == [.write("last"), .flush, .finish])
        #expect(rig.front.take() == [])
        rig.back.receive("answer")
        rig.back.receiveEnd()
        #expect(rig.front.take() == [.write("answer"), .flush, .finish])
        #expect(rig.ended.isEmpty)
        rig.back.isGone(nil)
        #expect(rig.front.take() == [.end(nil)])
        #expect(rig.ended.count == 1)
        #expect(rig.ended.first?.fault == nil)
        #expect(rig.ended.first?.bytesIn == 4)
        #expect(rig.ended.first?.bytesOut == 6)
    }

    @Test(arguments: [StreamFault.aborted, .sessionLost, .stalled, .timedOut])
    func passesAFaultOn(fault: StreamFault) {
        let rig = Rig()
        rig.back.receive("part")
        rig.back.isGone(fault)
        #expect(rig.front.take() == [.write("part"), .flush, .end(fault)])
        #expect(rig.ended.map(\.fault) == [fault])
    }

    @Test func reportsOnceAndOnlyWhenBothLegsAreGone() {
        let rig = Rig()
        rig.front.endsAtOnce = false
        rig.back.isGone(nil)
        #expect(rig.ended.isEmpty)
        rig.front.isGone(nil)
        rig.front.events?.ended(rig.front, .aborted)
        #expect(rig.ended.count == 1)
        #expect(rig.front.events == nil)
        #expect(rig.back.events == nil)
    }

    @Test func reportsTheFirstFault() {
        let rig = Rig()
        rig.front.endsAtOnce = false
        rig.back.isGone(.aborted)
        rig.front.isGone(.timedOut)
        #expect(rig.ended.map(\.fault) == [.aborted])
    }

    @Test func cancelEndsBothLegsWithItsReason() {
        let rig = Rig()
        rig.front.receive("ab")
        rig.bridge.cancel(.idle)
        #expect(rig.front.take().last == .end(.idle))
        #expect(rig.back.take().last == .end(.idle))
        #expect(rig.ended.map(\.fault) == [.idle])
        #expect(rig.ended.map(\.bytesIn) == [2])
        rig.bridge.cancel(.shutdown)
        #expect(rig.ended.count == 1)
    }

    @Test func isIdleUntilBytesMove() {
        let rig = Rig()
        rig.loop.advance(by: .seconds(1))
        let moment = rig.loop.now
        #expect(rig.bridge.isIdle(since: moment))
        rig.back.receive("a")
        #expect(!rig.bridge.isIdle(since: moment))
        rig.loop.advance(by: .seconds(1))
        #expect(rig.bridge.isIdle(since: rig.loop.now))
    }

    @Test func replacesItsFrontAndDeliversEarlyBytesFirst() {
        let rig = Rig()
        let old = rig.front
        let new = ScriptedLeg()
        rig.bridge.replaceFront(by: new, early: ByteBuffer(string: "early"))
        #expect(rig.back.take() == [.write("early"), .flush])
        #expect(new.take() == [.reading(true), .unread("early"), .begin])
        #expect(old.events == nil)
        new.receive("late")
        #expect(rig.back.take() == [.write("late"), .flush])
        rig.back.receive("answer")
        #expect(new.take() == [.write("answer"), .flush])
        #expect(old.take() == [])
        new.isGone(nil)
        #expect(rig.back.take() == [.end(nil)])
        #expect(rig.ended.map(\.bytesIn) == [9])
    }

    @Test func aNewFrontDoesNotReadWhileTheBackIsFull() {
        let rig = Rig()
        rig.back.isWritable = false
        let new = ScriptedLeg()
        rig.bridge.replaceFront(by: new, early: ByteBuffer())
        #expect(new.take().prefix(2) == [.reading(false), .reading(false)])
        rig.back.becomesWritable(true)
        #expect(new.take() == [.reading(true)])
    }
}
