// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenJET

/// The scenarios that were written down for relays, as Warren plays them, and what a carrier goes through.
@Suite("JET relay")
struct RelayTests {
    struct Scenarios: Decodable {
        struct Scenario: Decodable { let id: String }
        let scenarios: [Scenario]
    }

    /// Every scenario of the file has a test of its name below.
    @Test func coversEveryScenario() throws {
        let played: Set = [
            "v1-happy", "connect-before-accept", "connect-after-session-end", "accept-timeout", "accepter-early-data",
            "v2-association-flow", "v2-accept-unknown-association", "v2-accept-unknown-candidate",
            "v2-connect-unknown-association", "v2-connect-unknown-candidate", "v1-connect-to-v2-association",
            "test-v2", "garbage", "head-2023-05+",
        ]
        let file = try Fixture.load("jet_scenarios", as: Scenarios.self)
        #expect(Set(file.scenarios.map(\.id)) == played)
    }

    @Test("v1-happy") func joinsTwo() throws {
        var rig = RelayRig()
        let (back, accepted) = try rig.ask(.accept)
        let text = """
            HTTP/1.1 200 OK\r
            Jet-Version: 1\r
            Jet-Instance: relay.example\r
            Jet-Association: 00000000-0000-4000-8000-000000000001\r
            Jet-Timeout: 300\r
            \r\n
            """
        #expect(accepted == [.write(back, try ByteBuffer(jet: text)), .park(back)])
        let (front, connected) = try rig.ask(.connect(.test(1)))
        #expect(connected.statuses == [200])
        let pair = RendezvousAction.Pair(
            front: front, back: back, fromFront: ByteBuffer(), fromBack: ByteBuffer(),
            meeting: "00000000-0000-4000-8000-000000000001")
        #expect(connected.last == .pair(pair) && connected.count == 2)
        #expect(rig.machine.deadline == nil)
        #expect(rig.leave(front) == [])
        #expect(rig.leave(back) == [])
        #expect(rig.machine.isEmpty)
    }

    @Test("connect-before-accept") func refusesWhoComesTooEarly() throws {
        var rig = RelayRig()
        let (carrier, actions) = try rig.ask(.connect(.test(7)))
        #expect(actions.statuses == [404] && actions.last == .close(carrier, .denied))
        #expect(rig.machine.isEmpty)
    }

    @Test("connect-after-session-end", arguments: [true, false]) func oneAcceptIsOneSession(frontLeaves: Bool) throws {
        var rig = RelayRig()
        let (back, association) = try rig.accept()
        let (front, _) = try rig.ask(.connect(association))
        #expect(try rig.ask(.connect(association)).actions.statuses == [400])
        #expect(rig.leave(frontLeaves ? front : back) == [])
        #expect(try rig.ask(.connect(association)).actions.statuses == [404])
        #expect(rig.machine.isEmpty)
    }

    @Test("accept-timeout") func givesUpWaiting() throws {
        var rig = RelayRig()
        let (carrier, association) = try rig.accept()
        #expect(rig.machine.deadline == rig.now + .seconds(300))
        #expect(rig.advance(.milliseconds(299_999)) == [])
        #expect(rig.advance(.milliseconds(1)) == [.close(carrier, .timedOut(phase: "waiting for a partner"))])
        #expect(try rig.ask(.connect(association)).actions.statuses == [404])
        #expect(rig.machine.isEmpty)
    }

    @Test("accepter-early-data") func keepsWhatCameTooEarly() throws {
        var rig = RelayRig()
        let (back, association) = try rig.accept(behind: "HEL")
        #expect(rig.receive(ByteBuffer(string: "LO"), on: back) == [])
        let (front, actions) = try rig.ask(.connect(association), behind: "hi")
        let pair = try #require(actions.pair)
        #expect(pair.front == front && pair.back == back)
        #expect(pair.fromBack == ByteBuffer(string: "HELLO") && pair.fromFront == ByteBuffer(string: "hi"))
    }

    @Test("v2-association-flow") func joinsTwoAtACandidate() throws {
        var rig = RelayRig()
        let candidate = rig.gather(.test(0xA0))[0]
        let (back, accepted) = try rig.ask(.accept(.test(0xA0), candidate))
        #expect(accepted.statuses == [200] && accepted.last == .park(back))
        let (front, connected) = try rig.ask(.connect(.test(0xA0), candidate))
        #expect(connected.statuses == [200])
        #expect(connected.pair?.front == front && connected.pair?.back == back)
        #expect(connected.pair?.meeting == UUID.test(0xA0).jetText)
    }

    @Test("v2-accept-unknown-association") func refusesToWaitNowhere() throws {
        var rig = RelayRig()
        #expect(try rig.ask(.accept(.test(1), .test(2))).actions.statuses == [400])
    }

    @Test("v2-accept-unknown-candidate") func refusesToWaitAtAnUnknownCandidate() throws {
        var rig = RelayRig()
        _ = rig.gather(.test(0xA0))
        #expect(try rig.ask(.accept(.test(0xA0), .test(0xEE))).actions.statuses == [404])
    }

    @Test("v2-connect-unknown-association") func refusesToJoinNobody() throws {
        var rig = RelayRig()
        #expect(try rig.ask(.connect(.test(1), .test(2))).actions.statuses == [404])
    }

    @Test("v2-connect-unknown-candidate") func refusesToJoinAtAnUnknownCandidate() throws {
        var rig = RelayRig()
        _ = rig.gather(.test(0xA0))
        #expect(try rig.ask(.connect(.test(0xA0), .test(0xEE))).actions.statuses == [404])
    }

    @Test("v1-connect-to-v2-association") func refusesAnotherVersion() throws {
        var rig = RelayRig()
        let candidate = rig.gather(.test(0xA0))[0]
        _ = try rig.acceptCalled(.test(0xA0), candidate)
        #expect(try rig.ask(.connect(.test(0xA0))).actions.statuses == [400])
        let (_, association) = try rig.accept()
        #expect(try rig.ask(.connect(association, .zero)).actions.statuses == [400])
    }

    @Test("test-v2", arguments: [1, 2, 3, 99] as [UInt32]) func saysThatItIsThere(version: UInt32) throws {
        var rig = RelayRig()
        let (carrier, actions) = try rig.ask(.test(version: version))
        #expect(actions.statuses == [200] && actions.last == .close(carrier, .finished))
        #expect(actions.packets.first?.payload.contains("Jet-Version: \(version)\r\n") == true)
    }

    @Test("garbage") func closesWithoutAWord() throws {
        var rig = RelayRig()
        let carrier = rig.arrive()
        let actions = rig.receive(ByteBuffer(hex: "4a455400 0012 00 00 deadbeefdeadbeefdead"), on: carrier)
        #expect(actions == [.close(carrier, .violation(WireError(.badValue, in: "packet.payload")))])
        #expect(rig.machine.isEmpty)
    }

    @Test("head-2023-05+") func stillServesTheProtocol() throws {
        var rig = RelayRig()
        #expect(try rig.ask(.accept).actions.statuses == [200])
    }
}
