// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Synchronization
import Testing
import WarrenCore
import WarrenLoop

@testable import WarrenRuntime

/// An outbound on a loop that moves by hand, whose relays fail at once in a way that the test changes.
private final class Rig {
    /// What the outbound finds when it looks.
    struct Sight: Sendable {
        var ticket: String?
        var fault = StreamFault.refused
        /// There is no route at all.
        var isBlind = false
    }

    let loop = SocketLoop.manual()
    let log = LogRecorder()
    private let box = Box()
    private var attempt: any OpenAttempt = NoAttempt()

    private final class Box: Sendable {
        let sight = Mutex(Sight())
        let looks = Atomic(0)
        let faults = Mutex<[StreamFault]>([])
    }

    init(_ sight: Sight) {
        self.find(sight)
        let box = self.box
        let outbound = PerStreamOutbound(name: "far", reporter: self.log.reporter) { () throws(StreamFault) in
            box.looks.add(1, ordering: .relaxed)
            let sight = box.sight.withLock { $0 }
            if sight.isBlind { throw .unreachable }
            return PerStreamOutbound.Route(carriers: [.failing("relay", sight.fault)], ticket: sight.ticket)
        }
        self.attempt = outbound.open(.named("far"), trusted: false, on: self.loop) { result in
            if case .failure(let fault) = result { box.faults.withLock { $0.append(fault) } }
        }
    }

    func find(_ sight: Sight) { self.box.sight.withLock { $0 = sight } }
    func cancel() { self.attempt.cancel() }

    var faults: [StreamFault] { self.box.faults.withLock { $0 } }
    /// How often it looked for a route.
    var looks: Int { self.box.looks.load(ordering: .relaxed) }
    /// Relays that were tried.
    var tries: Int { self.log.lines.count }

    /// As time goes by, in steps of a loop that has little to do.
    func advance(by time: TimeAmount) {
        var left = time.nanoseconds
        while left > 0 {
            let step = min(left, 1_000_000)
            self.loop.advance(by: .nanoseconds(step))
            left -= step
        }
    }
}

@Suite struct TicketTests {
    @Test("a stream that is refused waits for a fresh ticket, 2 s and no longer") func waitsForItsTime() {
        let rig = Rig(Rig.Sight(ticket: "old"))
        #expect(rig.faults == [])
        rig.advance(by: .milliseconds(1999))
        #expect(rig.faults == [])
        #expect(rig.looks > 100)
        rig.advance(by: .milliseconds(11))
        #expect(rig.faults == [.refused])
        #expect(rig.tries == 1)
        #expect(rig.loop.timers.count == 0)
        let looks = rig.looks
        rig.advance(by: .milliseconds(50))
        #expect(rig.looks == looks)
    }

    @Test func aFreshTicketIsUsedAtOnce() {
        let rig = Rig(Rig.Sight(ticket: "old"))
        rig.advance(by: .seconds(1))
        rig.find(Rig.Sight(ticket: "new", fault: .unreachable))
        rig.advance(by: .milliseconds(10))
        #expect(rig.faults == [.unreachable])
        #expect(rig.tries == 2)
        #expect(rig.loop.timers.count == 0)
    }

    @Test("a fresh ticket that is refused too is followed by another one, but the time is that of the stream")
    func waitsOncePerStream() {
        let rig = Rig(Rig.Sight(ticket: "1"))
        rig.advance(by: .milliseconds(900))
        rig.find(Rig.Sight(ticket: "2"))
        rig.advance(by: .milliseconds(900))
        #expect(rig.tries == 2)
        rig.find(Rig.Sight(ticket: "3"))
        rig.advance(by: .milliseconds(199))
        #expect(rig.tries == 3)
        #expect(rig.faults == [])
        rig.advance(by: .milliseconds(11))
        #expect(rig.faults == [.refused])
    }

    @Test func aRouteThatIsGoneForAMomentIsWaitedFor() {
        let rig = Rig(Rig.Sight(ticket: "old"))
        rig.find(Rig.Sight(isBlind: true))
        rig.advance(by: .milliseconds(500))
        #expect(rig.faults == [])
        #expect(rig.tries == 1)
        rig.find(Rig.Sight(ticket: "new", fault: .timedOut))
        rig.advance(by: .milliseconds(10))
        #expect(rig.faults == [.timedOut])
    }

    @Test func withoutATicketNobodyWaits() {
        let rig = Rig(Rig.Sight(ticket: nil))
        #expect(rig.faults == [.refused])
        #expect(rig.looks == 1)
        #expect(rig.loop.timers.count == 0)
    }

    @Test(arguments: [StreamFault.unreachable, .timedOut, .sessionLost, .unknownHost, .notAllowed])
    func anotherFaultIsNotWaitedOver(fault: StreamFault) {
        let rig = Rig(Rig.Sight(ticket: "old", fault: fault))
        #expect(rig.faults == [fault == .sessionLost ? .noServer : fault])
        #expect(rig.tries == 1)
        #expect(rig.loop.timers.count == 0)
    }

    @Test func aStreamThatIsGivenUpWaitsNoLonger() {
        let rig = Rig(Rig.Sight(ticket: "old"))
        rig.advance(by: .milliseconds(500))
        rig.cancel()
        #expect(rig.loop.timers.count == 0)
        let looks = rig.looks
        rig.find(Rig.Sight(ticket: "new"))
        rig.advance(by: .seconds(3))
        #expect(rig.faults == [])
        #expect(rig.looks == looks)
        #expect(rig.tries == 1)
    }
}
