// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenLoop

@testable import WarrenRuntime

/// A bridge whose front is about to be another one.
private final class Rig {
    let front = ScriptedLeg()
    let back = ScriptedLeg()
    let new = ScriptedLeg()
    let bridge: Bridge
    private let box = Box()

    private final class Box { var reports: [BridgeReport] = [] }

    var ended: [BridgeReport] { self.box.reports }

    init(begins: Bool = true) {
        let box = self.box
        self.bridge = Bridge(front: self.front, back: self.back, on: .manual()) { box.reports.append($0) }
        if begins { self.bridge.begin() }
        _ = self.front.take()
        _ = self.back.take()
    }
}

@Suite struct ReplaceFrontTests {
    @Test("a half-close of the back that the machine may have kept is repeated, once, before anything new is heard")
    func repeatsTheEndOfTheBack() {
        let rig = Rig()
        rig.back.receive("all")
        rig.back.receiveEnd()
        #expect(rig.front.take() == [.write("all"), .flush, .finish])
        rig.bridge.replaceFront(by: rig.new, early: ByteBuffer(string: "early"))
        #expect(rig.new.take() == [.reading(true), .unread("early"), .finish, .begin])
        #expect(rig.back.take() == [.write("early"), .flush])
        #expect(rig.front.take() == [])
        rig.new.receiveEnd()
        #expect(rig.back.take() == [.finish])
        rig.back.isGone(nil)
        #expect(rig.ended.map(\.fault) == [nil])
        #expect(rig.ended.map(\.bytesIn) == [5])
        #expect(rig.ended.map(\.bytesOut) == [3])
    }

    @Test func anOpenBackIsNotFinished() {
        let rig = Rig()
        rig.back.receive("some")
        rig.bridge.replaceFront(by: rig.new, early: ByteBuffer())
        #expect(rig.new.take() == [.reading(true), .begin])
        rig.back.receiveEnd()
        #expect(rig.new.take() == [.finish])
    }

    @Test("the end of the old front is not the new one's")
    func forgetsTheOldFront() {
        let rig = Rig()
        rig.bridge.replaceFront(by: rig.new, early: ByteBuffer())
        rig.front.receiveEnd()
        rig.front.isGone(.aborted)
        #expect(rig.back.take() == [.flush])
        #expect(rig.new.take() == [.reading(true), .begin])
        #expect(rig.ended.isEmpty)
    }

    @Test func aRelayThatHasNotBegunBeginsWithItsNewFront() {
        let rig = Rig(begins: false)
        rig.bridge.replaceFront(by: rig.new, early: ByteBuffer(string: "early"))
        #expect(rig.new.take() == [.reading(true), .unread("early"), .begin])
        #expect(rig.back.take() == [.begin, .write("early"), .flush])
        #expect(rig.front.take() == [])
        rig.bridge.begin()
        #expect(rig.new.take() == [])
    }
}
