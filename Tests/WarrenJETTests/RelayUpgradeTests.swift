// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenJET

/// Carriers that come as WebSockets: no packets, a status instead of a reply.
@Suite("JET relay upgrades")
struct RelayUpgradeTests {
    static let association = UUID.test(0xA0)

    static func path(_ kind: String, _ candidate: UUID, _ association: UUID = Self.association) -> String {
        "/jet/\(kind)/\(association.jetText)/\(candidate.jetText)"
    }

    /// Asks for an upgrade, and does not say that it is out.
    static func ask(_ rig: inout RelayRig, _ path: String, from address: IPAddress? = nil) -> (CarrierID, Int?) {
        let carrier = rig.newCarrier()
        let status = rig.machine.upgrade(carrier, path: path, from: address, now: rig.now)
        return (carrier, status)
    }

    static func upgrade(_ rig: inout RelayRig, _ path: String) -> (CarrierID, [RendezvousAction]) {
        let (carrier, status) = Self.ask(&rig, path)
        #expect(status == nil)
        #expect(rig.drain() == [])
        rig.machine.upgraded(carrier)
        return (carrier, rig.drain())
    }

    @Test("joins two", arguments: [JET.Endpoint.Scheme.ws, .wss, .tcp]) func joinsTwo(scheme: JET.Endpoint.Scheme) {
        var rig = RelayRig()
        let candidate = rig.gather(Self.association, [scheme])[0]
        let (back, accepted) = Self.upgrade(&rig, Self.path("accept", candidate))
        #expect(accepted == [.park(back)])
        #expect(rig.receive(ByteBuffer(string: "early"), on: back) == [])
        let (front, status) = Self.ask(&rig, Self.path("connect", candidate))
        #expect(status == nil)
        rig.machine.upgraded(front)
        #expect(rig.receive(ByteBuffer(string: "first"), on: front).pair?.fromBack == ByteBuffer(string: "early"))
        #expect(rig.machine.deadline == rig.now + .seconds(300))
        #expect(rig.leave(back) == [] && rig.leave(front) == [])
        rig.finish()
        #expect(rig.machine.isEmpty)
    }

    @Test func aWebSocketMeetsAPacket() throws {
        var rig = RelayRig()
        let candidate = rig.gather()[0]
        let (back, _) = Self.upgrade(&rig, Self.path("accept", candidate))
        let (_, actions) = try rig.ask(.connect(Self.association, candidate))
        #expect(actions.statuses == [200] && actions.pair?.back == back)
    }

    @Test func passesOnWhatFollowsTheUpgrade() throws {
        var rig = RelayRig()
        let candidate = rig.gather()[0]
        _ = try rig.acceptCalled(Self.association, candidate)
        let (front, _) = Self.ask(&rig, Self.path("connect", candidate))
        #expect(rig.receive(ByteBuffer(string: "hi"), on: front) == [])
        rig.machine.upgraded(front)
        #expect(rig.drain().pair?.fromFront == ByteBuffer(string: "hi"))
    }

    @Test func refusesWithTheStatusOfTheCall() throws {
        var rig = RelayRig()
        let candidate = rig.gather()[0]
        let other = try rig.accept().association
        let unknown = UUID.test(0xEE)
        let expected: [(String, Int)] = [
            (Self.path("accept", unknown), 403), (Self.path("accept", candidate, unknown), 403),
            (Self.path("accept", .zero, other), 403), ("/jet/accept/x/y", 403), ("/jet/accept", 403),
            (Self.path("connect", unknown), 400), (Self.path("connect", candidate, unknown), 400),
            (Self.path("connect", candidate), 400), (Self.path("connect", .zero, other), 400),
            ("/jet/connect/\(UUID.test(1).jetText)", 400), (Self.path("test", unknown), 404),
            (Self.path("test", candidate, unknown), 404), ("/jet/test/x/y", 400),
            (Self.path("test", candidate) + "x?query", 400), (Self.path("wait", candidate), 404), ("/", 404), ("", 404),
            ("/jet", 404), ("jet/test/x/y", 404), ("/jet/acceptable/x/y", 404),
        ]
        for (path, status) in expected { #expect(Self.ask(&rig, path).1 == status, "\(path)") }
        #expect(rig.machine.carriers.count == 1 && rig.machine.waiting == 1)
        #expect(rig.drain() == [])
    }

    @Test func refusesWhoComesToATakenPlace() throws {
        var rig = RelayRig()
        let candidate = try RelayReplyTests.connected(&rig)
        #expect(Self.ask(&rig, Self.path("accept", candidate)).1 == 403)
        #expect(Self.ask(&rig, Self.path("connect", candidate)).1 == 400)
    }

    @Test func refusesAllWithoutVersionTwo() {
        var rig = RelayRig { $0.versions = [1] }
        #expect(Self.ask(&rig, Self.path("accept", .test(1))).1 == 403)
        #expect(Self.ask(&rig, Self.path("connect", .test(1))).1 == 400)
        #expect(Self.ask(&rig, Self.path("test", .test(1))).1 == 404)
    }

    @Test("takes the path in any case") func anyCase() {
        var rig = RelayRig()
        let candidate = rig.gather()[0]
        let (carrier, actions) = Self.upgrade(&rig, Self.path("ACCEPT", candidate).uppercased())
        #expect(actions == [.park(carrier)])
    }

    @Test func testsAndCloses() {
        var rig = RelayRig()
        let candidate = rig.gather()[0]
        let (carrier, actions) = Self.upgrade(&rig, Self.path("test", candidate))
        #expect(actions == [.close(carrier, .finished)])
    }

    @Test("a connecter that leaves before its upgrade gives the place back", arguments: [true, false])
    func givesThePlaceBack(byTimeout: Bool) throws {
        var rig = RelayRig()
        let candidate = rig.gather()[0]
        let back = try rig.acceptCalled(Self.association, candidate)
        let (first, _) = Self.ask(&rig, Self.path("connect", candidate))
        #expect(try rig.ask(.connect(Self.association, candidate)).actions.statuses == [400])
        #expect(try rig.ask(.accept(Self.association, candidate)).actions.statuses == [400])
        let actions = byTimeout ? rig.advance(.seconds(10)) : rig.leave(first)
        #expect(actions == [.close(first, byTimeout ? .timedOut(phase: "handshake") : .finished)])
        #expect(try rig.ask(.connect(Self.association, candidate)).actions.pair?.back == back)
    }

    @Test("an accepter that leaves before its upgrade does not count", arguments: [true, false])
    func accepterLeavesBeforeItsUpgrade(byTimeout: Bool) throws {
        var rig = RelayRig { $0.maxPending = 2 }
        let candidate = rig.gather()[0]
        let (first, status) = Self.ask(&rig, Self.path("accept", candidate))
        #expect(status == nil && rig.machine.waiting == 1)
        #expect(try rig.ask(.connect(Self.association, candidate)).actions.statuses == [400])
        #expect(Self.ask(&rig, Self.path("accept", candidate)).1 == 503)
        _ = byTimeout ? rig.advance(.seconds(10)) : rig.leave(first)
        #expect(rig.machine.waiting == 0)
        #expect(Self.ask(&rig, Self.path("accept", candidate)).1 == nil)
    }

    @Test func countsTheAddress() {
        var rig = RelayRig { $0.maxPendingPerAddress = 1 }
        let candidates = rig.gather(Self.association, [.ws, .wss])
        let here = RelayLimitsTests.here
        #expect(Self.ask(&rig, Self.path("accept", candidates[0]), from: here).1 == nil)
        #expect(Self.ask(&rig, Self.path("accept", candidates[1]), from: here).1 == 503)
    }

    @Test func theNewerUpgradeReplacesTheOlder() {
        var rig = RelayRig()
        let candidate = rig.gather()[0]
        let (older, _) = Self.upgrade(&rig, Self.path("accept", candidate))
        let (newer, actions) = Self.upgrade(&rig, Self.path("accept", candidate))
        #expect(actions == [.park(newer), .close(older, .finished)])
    }

    @Test func whoseAccepterLeftMeanwhileIsClosed() throws {
        var rig = RelayRig()
        let candidate = rig.gather()[0]
        let back = try rig.acceptCalled(Self.association, candidate)
        let (front, _) = Self.ask(&rig, Self.path("connect", candidate))
        #expect(rig.leave(back) == [.close(back, .finished)])
        rig.machine.upgraded(front)
        #expect(rig.drain() == [.close(front, .carrierLost("the place was taken or left"))])
        #expect(try rig.ask(.connect(Self.association, candidate)).actions.statuses == [404])
    }

    @Test func aPlaceThatAnotherHasAskedForMeanwhileIsTheirs() throws {
        var rig = RelayRig()
        let candidate = rig.gather()[0]
        let first = try rig.acceptCalled(Self.association, candidate)
        let (late, _) = Self.ask(&rig, Self.path("connect", candidate))
        _ = rig.leave(first)
        let second = try rig.acceptCalled(Self.association, candidate)
        let (quick, status) = Self.ask(&rig, Self.path("connect", candidate))
        #expect(status == nil)
        rig.machine.upgraded(late)
        #expect(rig.drain() == [.close(late, .carrierLost("the place was taken or left"))])
        rig.machine.upgraded(quick)
        let pair = try #require(rig.drain().pair)
        #expect(pair.front == quick && pair.back == second)
    }

    @Test("whose association went meanwhile is closed", arguments: ["accept", "connect"])
    func associationWentMeanwhile(kind: String) throws {
        var rig = RelayRig()
        let candidate = rig.gather()[0]
        let back = try rig.acceptCalled(Self.association, candidate)
        _ = rig.advance(.seconds(295))
        let (carrier, status) = Self.ask(&rig, Self.path(kind, candidate))
        #expect(status == nil)
        #expect(rig.advance(.seconds(5)) == [.close(back, RelayStateTests.waitIsOver)])
        _ = rig.gather()  // of the same name, and another one
        rig.machine.upgraded(carrier)
        #expect(rig.drain() == [.close(carrier, .carrierLost("the association is gone"))])
        rig.finish()
        #expect(rig.machine.isEmpty)
    }

    @Test func mayFollowAnArrival() {
        var rig = RelayRig()
        let candidate = rig.gather()[0]
        let carrier = rig.arrive()
        #expect(rig.machine.upgrade(carrier, path: Self.path("accept", candidate), from: nil, now: rig.now) == nil)
        rig.machine.upgraded(carrier)
        #expect(rig.drain() == [.park(carrier)])
        #expect(rig.machine.upgrade(carrier, path: Self.path("accept", candidate), from: nil, now: rig.now) == 400)
        #expect(rig.machine.waiting == 1)
        let other = rig.arrive()
        #expect(rig.machine.upgrade(other, path: "/", from: nil, now: rig.now) == 404)
        #expect(rig.leave(other) == [])
    }
}
