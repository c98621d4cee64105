// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenLoop
import WarrenLoopTesting

@testable import WarrenRuntime

#if os(Linux)
/// A reader that stops for minutes while the end of a finished answer is still with our system: the system gives a
/// connection up that nobody holds, so it is held.
@Suite struct PausedReaderTests {
    private struct Rig {
        let far: LocalPair
        let leg: SocketLeg
        let probe: LegProbe
        private(set) var written = 0

        init() throws {
            self.far = try LocalPair(isTCP: true, room: 20_000)
            self.leg = self.far.makeLeg()
            self.probe = LegProbe(self.far.loop)
            self.leg.events = self.probe
            self.leg.begin()
            self.far.turn()
            while self.leg.socket.unsent == 0, !self.leg.hasUnsent, self.written < 1_000_000 {
                self.leg.write(ByteBuffer(repeating: 1, count: 1000))
                self.leg.flush()
                self.written += 1000
            }
        }

        func close() {
            self.leg.end(.aborted)
            self.probe.finished.succeed()
            self.probe.ended.succeed(nil)
        }

        /// Everything the reader can have, and then the end.
        func readAll() -> Int {
            var count = 0
            for _ in 0..<10_000 where self.far.end == nil {
                count += self.far.drain().readableBytes
                self.far.turn()
                self.far.loop.advance(by: SocketOptions.lingerTime)
            }
            return count
        }
    }

    @Test("is waited for, whichever end came first", arguments: [true, false])
    func isWaitedFor(peerEndsFirst: Bool) throws {
        let rig = try Rig()
        defer { rig.close() }
        #expect(rig.leg.socket.unsent > 0)
        #expect(rig.leg.waiting == rig.leg.queue.count)
        if peerEndsFirst {
            rig.far.finish()
            rig.far.turn()
            #expect(rig.probe.hasFinished)
            rig.leg.finish()
        } else {
            rig.leg.end(nil)
        }
        #expect(rig.leg.waiting > 0)
        for _ in 0..<10 {
            rig.far.loop.advance(by: .minutes(5))
            rig.far.turn()
        }
        #expect(rig.probe.ends.isEmpty)
        #expect(rig.readAll() == rig.written)
        #expect(rig.far.end == .finished)
        rig.far.loop.advance(by: SocketOptions.lingerTime)
        #expect(rig.probe.ends == [nil])
        #expect(rig.far.loop.timers.count == 0)
    }

    @Test("is not waited for longer than a stream may be idle, unless that is for ever")
    func isGivenUp() throws {
        let rig = try Rig()
        defer { rig.close() }
        rig.far.loop.readerTimeout = nil
        rig.leg.end(nil)
        rig.far.loop.advance(by: .hours(24))
        #expect(rig.probe.ends.isEmpty)
        rig.far.loop.readerTimeout = .minutes(10)
        rig.far.loop.advance(by: .minutes(10))
        #expect(rig.probe.ends == [.timedOut])
        #expect(rig.far.loop.timers.count == 0)
    }

    @Test("a reader that takes what was sent long ago is not idle")
    func readingIsNoIdleness() throws {
        let loop = SocketLoop.manual()
        let (front, back) = (WaitingLeg(), WaitingLeg())
        let bridge = Bridge(front: front, back: back, on: loop) { _ in }
        front.waiting = 1000
        #expect(!bridge.isIdle(since: loop.now))
        for _ in 0..<5 {
            loop.advance(by: .seconds(60))
            front.waiting -= 1
            #expect(!bridge.isIdle(since: loop.now))
        }
        loop.advance(by: .seconds(60))
        #expect(bridge.isIdle(since: loop.now))
        back.waiting = 1
        #expect(!bridge.isIdle(since: loop.now))
        bridge.cancel(.idle)
    }
}

private final class WaitingLeg: Leg {
    var events: (any LegEvents)?
    var isWritable: Bool { true }
    var waiting = 0
    func begin() {}
    func unread(_ bytes: ByteBuffer) {}
    func write(_ bytes: ByteBuffer) {}
    func flush() {}
    func setReading(_ reading: Bool) {}
    func finish() {}
    func end(_ fault: StreamFault?) { self.events?.ended(self, fault) }
}
#endif
