// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenJET

/// Accepter, relay and connecter in memory: whatever is said arrives once, whole and in order.
@Suite("JET accepter with relay with connecter")
struct PairTests {
    struct Talk: Sendable {
        let fromTarget: Int
        let fromUser: Int
    }

    /// Who speaks first, how much, and who only listens.
    static let talks = [
        Talk(fromTarget: 20_000, fromUser: 20_000), Talk(fromTarget: 0, fromUser: 5000),
        Talk(fromTarget: 5000, fromUser: 0), Talk(fromTarget: 150_000, fromUser: 0), Talk(fromTarget: 1, fromUser: 1),
        Talk(fromTarget: 100_000, fromUser: 100_000),
    ]

    @Test(arguments: Meeting.Way.allCases, [false, true]) func everyByteArrives(way: Meeting.Way, isEager: Bool) {
        for seed in 0..<4 as Range<UInt64> {
            for (index, talk) in Self.talks.enumerated() {
                var meeting = Meeting(
                    way, isEager: isEager, seed: seed << 8 | UInt64(index), fromTarget: talk.fromTarget,
                    fromUser: talk.fromUser)
                let (fromTarget, fromUser) = (meeting.back.unsaid, meeting.front.unsaid)
                meeting.run()
                #expect(meeting.front.heard == fromTarget, "seed \(seed), talk \(index)")
                #expect(meeting.front.isRaw && meeting.pair != nil)
                if talk.fromUser > 0 { #expect(meeting.back.isRaw && meeting.back.heard == fromUser) }
                #expect(meeting.rig.machine.carriers.count == 2 && meeting.rig.machine.waiting == 0)
                meeting.rig.finish()
                #expect(meeting.rig.machine.isEmpty)
            }
        }
    }

    @Test func bothEndsAgreeOnTheMeeting() throws {
        var meeting = Meeting(.one, isEager: false, seed: 1, fromTarget: 1, fromUser: 1)
        meeting.run()
        #expect(meeting.pair?.meeting == UUID.test(1).jetText)
    }

    @Test func nobodyCameOnBothSidesOfTheWire() throws {
        var rig = RelayRig()
        let carrier = rig.arrive()
        var accepter = JET.AcceptMachine(JET.ClientConfiguration(host: "relay.example"))
        accepter.start(now: rig.now)
        let first = accepter.next(now: rig.now, writable: true)
        guard case .write(let request)? = first else { return #expect(Bool(false), "\(first as Any)") }
        for case .write(_, let bytes) in rig.receive(request, on: carrier) { accepter.receive(bytes) }
        #expect(accepter.drain(rig.now).count == 2)
        accepter.accept(StreamID(0))
        #expect(rig.advance(.seconds(300)) == [.close(carrier, RelayStateTests.waitIsOver)])
        accepter.receiveEnd()
        #expect(accepter.drain(rig.now).last == .close(.timedOut(phase: "waiting for a partner")))
    }
}
