// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Synchronization
import Testing
import WarrenCore
import WarrenLoop
import WarrenLoopTesting

@testable import WarrenRuntime

/// A leg on a loop that moves by hand, what it said, and the far end.
private final class Rig {
    let far: LocalPair
    let leg: SocketLeg
    let probe: LegProbe
    var loop: SocketLoop { self.far.loop }
    /// How often the descriptor was closed.
    var closes: Int { self.box.closes }
    private let box = Box()

    private final class Box: Sendable {
        let count = Atomic(0)
        var closes: Int { self.count.load(ordering: .relaxed) }
    }

    init(isTCP: Bool = false, room: CInt? = nil, needs: LegNeeds = []) throws {
        let box = self.box
        self.far = try LocalPair(isTCP: isTCP, room: room)
        self.leg = self.far.makeLeg { box.count.add(1, ordering: .relaxed) }
        self.probe = LegProbe(self.far.loop, needs: needs)
        self.leg.events = self.probe
        self.leg.begin()
    }

    deinit {
        self.leg.end(.aborted)
        self.probe.finished.succeed()
        self.probe.ended.succeed(nil)
    }

    func turn() { self.far.turn() }
    var text: String { String(buffer: self.probe.bytes) }

    /// Writes more than the system takes, and begins an orderly end.
    func endBehindAFullQueue() {
        self.turn()
        self.leg.write(ByteBuffer(repeating: 1, count: 1 << 20))
        self.leg.end(nil)
        self.turn()
        #expect(self.leg.queue.count > 0)
    }
}

@Suite struct SocketLegEndTests {
    @Test("what came before a reset is delivered, then the fault")
    func deliversWhatCameBeforeAReset() throws {
        let rig = try Rig(isTCP: true)
        rig.far.send("last words")
        rig.far.reset()
        #expect(rig.far.resetHasArrived())
        rig.turn()
        rig.turn()
        #expect(rig.text == "last words")
        #expect(rig.probe.ends == [.aborted])
        #expect(!rig.probe.hasFinished)
        #expect(rig.closes == 1)
    }

    @Test("what came before a reset is delivered though there is something to send")
    func deliversWhatCameBeforeAResetWithAQueue() throws {
        let rig = try Rig(isTCP: true, room: 4096)
        rig.turn()
        rig.leg.write(ByteBuffer(repeating: 1, count: 1 << 22))
        rig.leg.flush()
        #expect(rig.leg.queue.count > 0)
        rig.far.send("last words")
        rig.far.reset()
        #expect(rig.far.resetHasArrived())
        rig.turn()
        rig.turn()
        #expect(rig.text == "last words")
        #expect(rig.probe.ends == [.aborted])
    }

    @Test("an answer before a reset is delivered though a write finds the reset first", arguments: 1...3)
    func deliversAnAnswerThatAWriteWouldLose(writes: Int) throws {
        let rig = try Rig(isTCP: true, needs: .lastWords)
        rig.turn()
        rig.leg.write(ByteBuffer(string: "a request that is not read"))
        rig.leg.flush()
        rig.far.send("too large")
        rig.far.close()  // over unread bytes: a reset
        #expect(rig.far.resetHasArrived())
        for _ in 0..<writes {
            rig.leg.write(ByteBuffer(string: "and more of it"))
            rig.leg.flush()
        }
        for _ in 0..<3 { rig.turn() }
        #expect(rig.text == "too large")
        #expect(rig.probe.ends == [.aborted])
        #expect(!rig.probe.hasFinished)
    }

    @Test func aResetIsHeardThoughNothingIsRead() throws {
        let rig = try Rig(isTCP: true)
        rig.leg.setReading(false)
        rig.far.reset()
        #expect(rig.far.resetHasArrived())
        rig.turn()
        #expect(rig.probe.ends == [.aborted])
    }

    @Test func halfClosesFirst() throws {
        let rig = try Rig()
        rig.turn()
        rig.leg.write(ByteBuffer(string: "request"))
        rig.leg.finish()
        #expect(String(buffer: rig.far.drain()) == "request")
        #expect(rig.far.end == .finished)
        rig.far.send("answer")
        rig.turn()
        #expect(rig.text == "answer")
        #expect(rig.probe.ends.isEmpty)
        rig.far.finish()
        rig.turn()
        #expect(rig.probe.hasFinished)
        #expect(rig.probe.ends == [nil])
        #expect(rig.closes == 1)
    }

    @Test func halfClosesSecond() throws {
        let rig = try Rig()
        rig.far.send("request")
        rig.far.finish()
        rig.turn()
        #expect(rig.text == "request")
        #expect(rig.probe.hasFinished)
        #expect(rig.probe.ends.isEmpty)
        rig.leg.write(ByteBuffer(string: "answer"))
        rig.leg.finish()
        #expect(rig.probe.ends == [nil])
        #expect(String(buffer: rig.far.drain()) == "answer")
        #expect(rig.far.end == .finished)
    }

    @Test("an end that comes with the bytes before it is heard in the same turn")
    func readsOnToTheEnd() throws {
        let rig = try Rig()
        rig.far.send("all")
        rig.far.finish()
        rig.turn()
        #expect(rig.text == "all")
        #expect(rig.probe.hasFinished)
    }

    @Test("an orderly end gives up a reader that takes nothing for as long as a stream may be idle")
    func givesUpADeadReader() throws {
        let rig = try Rig(room: 4096)
        rig.endBehindAFullQueue()
        rig.loop.advance(by: .hours(1) - .nanoseconds(1))
        #expect(rig.probe.ends.isEmpty)
        rig.loop.advance(by: SocketOptions.lingerTime)
        #expect(rig.probe.ends == [.timedOut])
        #expect(rig.closes == 1)
        #expect(rig.loop.timers.count == 0)
    }

    @Test("an orderly end waits for a reader as long as it takes something")
    func waitsForASlowReader() throws {
        let rig = try Rig(room: 4096)
        rig.endBehindAFullQueue()
        for _ in 0..<5 {
            #expect(rig.far.drain(1000).readableBytes == 1000)
            #expect(rig.far.drain().readableBytes > 0)
            rig.turn()
            rig.loop.advance(by: .hours(1))
            #expect(rig.probe.ends.isEmpty)
        }
        // Counted from the last time that something moved.
        rig.loop.advance(by: .hours(1))
        #expect(rig.probe.ends == [.timedOut])
    }

    @Test func afterItsLastByteItDropsWhatThePeerStillSays() throws {
        let rig = try Rig()
        rig.turn()
        rig.leg.write(ByteBuffer(string: "bye"))
        rig.leg.end(nil)
        #expect(String(buffer: rig.far.drain()) == "bye")
        #expect(rig.far.end == .finished)
        rig.far.send("more")
        rig.turn()
        #expect(rig.text == "")
        #expect(rig.probe.ends.isEmpty)
        rig.far.finish()
        rig.turn()
        #expect(rig.probe.ends == [nil])
        #expect(rig.loop.timers.count == 0)
    }

    @Test func lingersNotForEver() throws {
        let rig = try Rig()
        rig.turn()
        rig.leg.end(nil)
        rig.loop.advance(by: SocketOptions.lingerTime - .nanoseconds(1))
        #expect(rig.probe.ends.isEmpty)
        rig.loop.advance(by: .nanoseconds(1))
        #expect(rig.probe.ends == [nil])
    }

    @Test func nothingIsWrittenAfterTheEnd() throws {
        let rig = try Rig()
        rig.turn()
        rig.leg.finish()
        rig.leg.write(ByteBuffer(string: "late"))
        rig.leg.flush()
        #expect(rig.far.drain().readableBytes == 0)
        #expect(rig.far.end == .finished)
    }

    @Test("a peer that sends on behind an orderly end that it has is reset before it has sent much")
    func aPeerThatSendsForNobodyIsReset() throws {
        let rig = try Rig(isTCP: true)
        rig.turn()
        rig.leg.write(ByteBuffer(string: "last words"))
        rig.leg.end(nil)
        var sent = 0
        for _ in 0..<10_000 where rig.closes == 0 {
            sent += max(0, rig.far.send(ByteBuffer(repeating: 2, count: 16 << 10)))
            rig.turn()
            rig.loop.advance(by: .milliseconds(1))
        }
        #expect(rig.closes == 1)
        #expect(sent < 2_000_000)
        #expect(rig.probe.ends == [nil])
        #expect(String(buffer: rig.far.drain()) == "last words")
    }

    @Test("a peer that sends little behind an orderly end is heard out") func aLittleIsDropped() throws {
        let rig = try Rig(isTCP: true)
        rig.turn()
        rig.leg.write(ByteBuffer(string: "last words"))
        rig.leg.end(nil)
        for _ in 0..<10 {
            #expect(rig.far.send(ByteBuffer(repeating: 2, count: 16 << 10)) > 0)
            rig.turn()
        }
        #expect(rig.closes == 0)
        rig.far.finish()
        for _ in 0..<3 { rig.turn() }
        rig.loop.advance(by: .seconds(3))
        #expect(rig.closes == 1)
        #expect(String(buffer: rig.far.drain()) == "last words")
    }
}
