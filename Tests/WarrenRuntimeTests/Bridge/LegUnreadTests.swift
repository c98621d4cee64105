// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenLoop
import WarrenLoopTesting

@testable import WarrenRuntime

private let early = ByteBuffer(string: "early")

/// A leg behind a channel without handlers, over legs in memory.
private final class ChannelRig {
    let loop = SocketLoop.manual()
    let leg: ChannelLeg
    let far: MemoryLeg
    let diary = LegDiary()

    init() throws {
        let (near, far) = MemoryLeg.pair(on: self.loop)
        let channel = LegChannel(near, on: self.loop)
        try channel.start([])
        self.far = far
        self.leg = try ChannelLeg.last(of: channel)
        self.leg.events = self.diary
        far.begin()
    }

    func send(_ text: String) {
        self.far.write(ByteBuffer(string: text))
        self.far.flush()
        self.loop.runOnce()
    }
}

/// A session that hears nothing.
private final class DeafSession: SessionDriver {
    func send(_ bytes: ByteBuffer, on stream: StreamID) {}
    func hasRoom(on stream: StreamID) -> Bool { true }
    func finish(_ stream: StreamID) {}
    func reset(_ stream: StreamID, _ fault: StreamFault?) {}
    func consumed(_ count: Int, on stream: StreamID) {}
    func wake() {}
}

@Suite struct SocketLegUnreadTests {
    private let far: LocalPair
    private let leg: SocketLeg
    private let diary = LegDiary()

    init() throws {
        self.far = try LocalPair()
        self.leg = self.far.makeLeg()
        self.leg.events = self.diary
    }

    private func done() { self.leg.end(.aborted) }

    @Test func whatWasPutBackComesBeforeWhatTheSocketHas() {
        self.leg.unread(early)
        self.far.send("late")
        self.far.finish()
        self.far.turn()
        #expect(self.diary.take() == [])
        self.leg.begin()
        #expect(self.diary.take() == [.received("early"), .burst])
        self.far.turn()
        #expect(self.diary.take() == [.received("late"), .burst, .finished])
        self.done()
    }

    @Test func itComesThoughReadingIsOff() {
        self.leg.setReading(false)
        self.leg.unread(early)
        self.far.send("late")
        self.leg.begin()
        self.far.turn()
        #expect(self.diary.take() == [.received("early"), .burst])
        self.done()
    }

    @Test func anEmptyBufferIsNothing() {
        self.leg.unread(ByteBuffer())
        self.leg.begin()
        #expect(self.diary.take() == [])
        self.leg.unread(early)
        self.leg.unread(ByteBuffer())
        self.leg.begin()
        self.leg.begin()
        #expect(self.diary.take() == [.received("early"), .burst])
        self.done()
    }

    @Test("after a hand-over it comes to the new listener, once, before the end that has come already")
    func handsOverBeforeTheEnd() {
        self.leg.begin()
        self.far.send("request early")
        self.far.finish()
        self.far.turn()
        #expect(self.diary.take() == [.received("request early"), .burst, .finished])
        let second = LegDiary()
        self.leg.events = nil
        self.leg.unread(early)
        self.leg.events = second
        self.leg.begin()
        #expect(second.take() == [.received("early"), .burst, .finished])
        #expect(self.diary.take() == [])
        self.done()
        #expect(second.take() == [.ended(.aborted)])
    }

    @Test("after a hand-over the socket's further bytes follow it")
    func handsOverBeforeFurtherBytes() {
        self.leg.begin()
        self.far.send("request")
        self.far.turn()
        let second = LegDiary()
        self.leg.unread(early)
        self.leg.events = second
        self.far.send("late")
        self.leg.begin()
        self.far.turn()
        #expect(second.take() == [.received("early"), .burst, .received("late"), .burst])
        self.done()
    }

    @Test func itComesThoughTheLegIsGone() {
        self.leg.begin()
        self.leg.events = nil
        self.leg.unread(early)
        self.leg.end(.aborted)
        self.leg.events = self.diary
        self.leg.begin()
        #expect(self.diary.take() == [.received("early"), .burst, .ended(.aborted)])
    }
}

@Suite struct ChannelLegUnreadTests {
    @Test func whatWasPutBackComesBeforeWhatTheChannelBrings() throws {
        let rig = try ChannelRig()
        rig.leg.unread(early)
        rig.send("late")
        #expect(rig.diary.take() == [])
        rig.leg.begin()
        #expect(rig.diary.take() == [.received("early"), .burst])
        rig.loop.runOnce()
        #expect(rig.diary.take() == [.received("late"), .burst])
        rig.leg.end(.aborted)
        rig.loop.runOnce()
    }

    @Test func anEmptyBufferIsNothing() throws {
        let rig = try ChannelRig()
        rig.leg.unread(ByteBuffer())
        rig.leg.begin()
        #expect(rig.diary.take() == [])
        rig.leg.unread(early)
        rig.leg.unread(ByteBuffer())
        rig.leg.begin()
        rig.leg.begin()
        #expect(rig.diary.take() == [.received("early"), .burst])
        rig.leg.end(.aborted)
        rig.loop.runOnce()
    }

    @Test("after a hand-over it comes to the new listener, once, before the end that has come already")
    func handsOverBeforeTheEnd() throws {
        let rig = try ChannelRig()
        rig.leg.begin()
        rig.send("request early")
        rig.far.finish()
        rig.loop.runOnce()
        #expect(rig.diary.take() == [.received("request early"), .burst, .finished])
        let second = LegDiary()
        rig.leg.unread(early)
        rig.leg.events = second
        rig.leg.begin()
        #expect(second.take() == [.received("early"), .burst, .finished])
        rig.leg.end(.aborted)
        rig.loop.runOnce()
    }

    @Test func itComesThoughTheLegIsGone() throws {
        let rig = try ChannelRig()
        rig.leg.begin()
        rig.leg.events = nil
        rig.leg.unread(early)
        rig.far.end(.aborted)
        rig.loop.runOnce()
        rig.leg.events = rig.diary
        rig.leg.begin()
        #expect(rig.diary.take() == [.received("early"), .burst, .ended(.aborted)])
    }
}

@Suite struct StreamLegUnreadTests {
    @Test(
        "after a hand-over it comes to the new listener, once, before the end that has come already",
        arguments: [true, false])
    func handsOverBeforeTheEnd(isReading: Bool) {
        let loop = SocketLoop.manual()
        let (far, leg) = CrossingLeg.pair(loop, from: nil)
        let first = LegDiary()
        leg.events = first
        leg.begin()
        far.write(ByteBuffer(string: "request early"))
        far.finish()
        loop.runOnce()
        #expect(first.take() == [.received("request early"), .burst, .finished])
        let second = LegDiary()
        leg.unread(early)
        leg.events = second
        leg.setReading(isReading)
        leg.begin()
        loop.runOnce()
        #expect(second.take() == [.received("early"), .burst, .finished])
        leg.end(.aborted)
    }

    @Test func whatWasPutBackComesOnceAndFirst() {
        let session = DeafSession()
        let leg = StreamLeg(StreamID(1), of: session, on: SocketLoop.manual())
        let diary = LegDiary()
        leg.events = diary
        leg.unread(early)
        #expect(diary.take() == [])
        leg.begin()
        leg.events?.received(ByteBuffer(string: "late"), by: leg)
        #expect(diary.take() == [.received("early"), .burst, .received("late")])
        let second = LegDiary()
        leg.events = second
        leg.begin()
        leg.unread(ByteBuffer())
        leg.begin()
        #expect(second.take() == [])
        leg.unread(early)
        leg.begin()
        #expect(second.take() == [.received("early"), .burst])
        #expect(diary.take() == [])
        withExtendedLifetime(session) {}
    }
}
