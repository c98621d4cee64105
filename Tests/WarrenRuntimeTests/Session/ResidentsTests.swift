// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore

@testable import WarrenRuntime

/// A session that only remembers why it was shut down.
private final class IdleSession: Session {
    var reasons: [CloseReason] = []
    var peer: SocketAddress? { nil }
    var user: String? { nil }
    var isReady: Bool { true }
    func open(_ request: StreamRequest, answer: @escaping (Result<any Leg, StreamFault>) -> Void) -> any OpenAttempt {
        NoAttempt()
    }
    func shutDown(_ reason: CloseReason) { self.reasons.append(reason) }
}

/// A relay between scripted legs that lives in `residents`.
private final class Resident {
    let front = ScriptedLeg()
    let back = ScriptedLeg()
    private let box = Box()
    private final class Box { var faults: [StreamFault?] = [] }
    var faults: [StreamFault?] { self.box.faults }

    init(in residents: Residents, on loop: SocketLoop = .manual()) {
        let box = self.box
        var ticket: Residents.Ticket?
        let relay = Relay(front: self.front, back: self.back, on: loop) { report in
            box.faults.append(report.fault)
            if let ticket { residents.remove(ticket) }
        }
        ticket = residents.insert(relay)
        relay.begin()
    }
}

@Suite struct ResidentsTests {
    @Test func sweepsOnlyWhatIsIdle() {
        let residents = Residents()
        let loop = SocketLoop.manual()
        let (idle, busy) = (Resident(in: residents, on: loop), Resident(in: residents, on: loop))
        loop.advance(by: .seconds(1))
        let moment = loop.now
        busy.front.receive("a")
        residents.sweep(idleSince: moment)
        #expect(idle.faults == [.idle])
        #expect(busy.faults.isEmpty)
        #expect(residents.relayCount == 1)
    }

    @Test func anEmptyDrainIsDoneAtOnce() {
        let residents = Residents()
        var isDone = false
        residents.drain { isDone = true }
        #expect(isDone)
        #expect(residents.isDraining)
    }

    @Test func drainsUntilTheLastRelayHasEnded() {
        let residents = Residents()
        let (first, second) = (Resident(in: residents), Resident(in: residents))
        var done = 0
        residents.drain { done += 1 }
        first.front.isGone(nil)
        #expect(done == 0)
        second.back.isGone(.aborted)
        #expect(done == 1)
        #expect(first.faults == [nil])
        #expect(second.faults == [.aborted])
    }

    @Test func evictsRelaysAndSessions() {
        let residents = Residents()
        let relay = Resident(in: residents)
        let session = IdleSession()
        residents.insert(session)
        residents.evict()
        #expect(relay.faults == [.shutdown])
        #expect(session.reasons == [.shutdown])
        residents.remove(session)
        #expect(residents.sessionCount == 0)
    }
}
