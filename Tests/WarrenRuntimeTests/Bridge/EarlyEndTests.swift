// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenLoop
import WarrenLoopTesting

@testable import WarrenRuntime

/// A leg whose listener wants to know of the end although it reads nothing; what it said, and the far end.
private final class Rig {
    let far: LocalPair
    let leg: SocketLeg
    let diary: LegDiary

    init(isTCP: Bool = false, needs: LegNeeds = .earlyEnd, largestRead: Int = 1 << 10) throws {
        var options = SocketOptions()
        options.largestRead = largestRead
        self.far = try LocalPair(isTCP: isTCP)
        self.leg = self.far.makeLeg(options)
        self.diary = LegDiary(needs: needs)
        self.leg.events = self.diary
        self.leg.begin()
    }

    deinit { self.leg.end(.aborted) }
}

@Suite struct EarlyEndTests {
    @Test("the end is told behind bytes that nobody reads, and again when they have been read")
    func tellsTheEndWhileReadingIsOff() throws {
        let rig = try Rig()
        rig.leg.setReading(false)
        rig.far.send("unread")
        rig.far.turn()
        #expect(rig.diary.take() == [])
        rig.far.finish()
        rig.far.turn()
        #expect(rig.diary.take() == [.finished])
        rig.leg.setReading(true)
        #expect(rig.diary.take() == [])
        rig.far.turn()
        #expect(rig.diary.take() == [.received("unread"), .burst, .finished])
    }

    @Test("an end that came before reading was turned off is told, not before the call returns")
    func tellsAnEndThatWasThere() throws {
        let rig = try Rig(largestRead: 4)
        rig.diary.onEntry = { entry, leg in
            guard case .received = entry else { return }
            leg.setReading(false)
            #expect(rig.diary.entries == [.received("wait")])
        }
        rig.far.send("waitunread")
        rig.far.finish()
        rig.far.turn()
        #expect(rig.diary.entries.prefix(3) == [.received("wait"), .burst, .finished])
        #expect(rig.diary.take().contains(.received("unre")) == false)
    }

    @Test("whoever lets go of the leg at its early end hears nothing more")
    func tellsOnceWhoLeaves() throws {
        let rig = try Rig(largestRead: 4)
        rig.diary.onEntry = { entry, leg in
            switch entry {
            case .received: leg.setReading(false)
            case .finished:
                leg.events = nil
                leg.end(nil)
            case .burst, .ended: break
            }
        }
        rig.far.send("waitunread")
        rig.far.finish()
        for _ in 0..<3 { rig.far.turn() }
        #expect(rig.diary.take() == [.received("wait"), .burst, .finished])
        #expect(rig.far.drain().readableBytes == 0)
        #expect(rig.far.end != nil)
    }

    @Test func anEndWithoutBytesBeforeItIsToldToo() throws {
        let rig = try Rig()
        rig.leg.setReading(false)
        rig.far.finish()
        rig.far.turn()
        #expect(rig.diary.take().first == .finished)
    }

    @Test("without the need the end waits behind the bytes")
    func tellsNobodyWhoDoesNotNeedIt() throws {
        let rig = try Rig(needs: [])
        rig.leg.setReading(false)
        rig.far.send("unread")
        rig.far.finish()
        for _ in 0..<3 { rig.far.turn() }
        #expect(rig.diary.take() == [])
        rig.leg.setReading(true)
        rig.far.turn()
        #expect(rig.diary.take() == [.received("unread"), .burst, .finished])
    }

    @Test("the need of the present listener counts, not that of the one before")
    func followsItsListener() throws {
        let rig = try Rig()
        rig.leg.setReading(false)
        let second = LegDiary()
        rig.leg.events = second
        rig.far.send("unread")
        rig.far.finish()
        for _ in 0..<3 { rig.far.turn() }
        #expect(second.take() == [])
        #expect(rig.diary.take() == [])
    }

    @Test(arguments: [LegNeeds.earlyEnd, []]) func aResetWhileNothingIsReadEndsTheLegOnce(needs: LegNeeds) throws {
        let rig = try Rig(isTCP: true, needs: needs)
        rig.leg.setReading(false)
        rig.far.send("unread")
        rig.far.turn()
        rig.far.reset()
        #expect(rig.far.resetHasArrived())
        for _ in 0..<3 { rig.far.turn() }
        #expect(rig.diary.take() == [.ended(.aborted)])
    }

    @Test func aResetAfterTheEarlyEndIsHeard() throws {
        let rig = try Rig(isTCP: true)
        rig.leg.setReading(false)
        rig.far.send("unread")
        rig.far.finish()
        rig.far.turn()
        #expect(rig.diary.take() == [.finished])
        rig.far.reset()
        #expect(rig.far.resetHasArrived())
        for _ in 0..<3 { rig.far.turn() }
        #expect(rig.diary.take() == [.ended(.aborted)])
    }
}
