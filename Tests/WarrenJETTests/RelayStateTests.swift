// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenJET

/// What carriers and associations go through, one arrow of the machine after the other.
@Suite("JET relay states")
struct RelayStateTests {
    static let waitIsOver = CloseReason.timedOut(phase: "waiting for a partner")

    @Test func readsARequestCutAnywhere() throws {
        var bytes = try ByteBuffer(jet: .accept)
        bytes.writeString("surplus")
        for chunks in Chunks.everySplit(of: bytes) {
            var rig = RelayRig()
            let back = rig.arrive()
            var actions: [RendezvousAction] = []
            for chunk in chunks { actions += rig.receive(chunk, on: back) }
            #expect(actions.count == 2 && actions.last == .park(back))
            let pair = try #require(try rig.ask(.connect(.test(1))).actions.pair)
            #expect(pair.fromBack == ByteBuffer(string: "surplus"))
        }
    }

    @Test func readsOnePacketOnly() throws {
        var rig = RelayRig()
        let carrier = rig.arrive()
        var bytes = try ByteBuffer(jet: .accept)
        bytes.writeImmutableBuffer(try ByteBuffer(jet: .accept))
        #expect(rig.receive(bytes, on: carrier).statuses == [200])
        #expect(rig.machine.associations.count == 1)
    }

    @Test("what ends before its request is closed without reply", arguments: [0, 1, 7, 8, 40])
    func endBeforeTheRequest(count: Int) throws {
        var rig = RelayRig()
        let carrier = rig.arrive()
        var bytes = try ByteBuffer(jet: .accept)
        #expect(rig.receive(bytes.readSlice(length: count) ?? ByteBuffer(), on: carrier) == [])
        let expected = CloseReason.violation(WireError(.truncated, in: "packet"))
        #expect(rig.leave(carrier) == [.close(carrier, expected)])
        #expect(rig.machine.isEmpty && rig.machine.deadline == nil)
    }

    @Test func closesAtTheFirstWrongByte() {
        var rig = RelayRig()
        let carrier = rig.arrive()
        let expected = CloseReason.violation(WireError(.badMagic, in: "packet.signature"))
        #expect(rig.receive(ByteBuffer(string: "JEX"), on: carrier) == [.close(carrier, expected)])
    }

    @Test func ignoresWhoItDoesNotKnow() {
        var rig = RelayRig()
        #expect(rig.receive(ByteBuffer(string: "JET"), on: CarrierID(9)) == [])
        #expect(rig.leave(CarrierID(9)) == [])
        let isKnown = rig.machine.upgraded(CarrierID(9))
        #expect(!isKnown)
        #expect(rig.drain() == [] && rig.machine.isEmpty)
    }

    @Test func anAccepterThatLeavesTakesItsAssociationAlong() throws {
        var rig = RelayRig()
        let (carrier, association) = try rig.accept()
        #expect(rig.leave(carrier) == [.close(carrier, .finished)])
        #expect(try rig.ask(.connect(association)).actions.statuses == [404])
        #expect(rig.machine.isEmpty && rig.machine.deadline == nil)
    }

    @Test func anAccepterThatLeavesItsCandidateMayComeBack() throws {
        var rig = RelayRig()
        let candidate = rig.gather()[0]
        let first = try rig.acceptCalled(.test(0xA0), candidate)
        #expect(rig.leave(first) == [.close(first, .finished)])
        #expect(try rig.ask(.connect(.test(0xA0), candidate)).actions.statuses == [404])
        let second = try rig.acceptCalled(.test(0xA0), candidate)
        #expect(try rig.ask(.connect(.test(0xA0), candidate)).actions.pair?.back == second)
    }

    @Test func aNewerAccepterReplacesTheOlder() throws {
        var rig = RelayRig()
        let candidate = rig.gather()[0]
        let older = try rig.acceptCalled(.test(0xA0), candidate)
        let (newer, actions) = try rig.ask(.accept(.test(0xA0), candidate))
        #expect(actions.statuses == [200])
        #expect(actions.dropFirst() == [.park(newer), .close(older, .finished)])
        #expect(rig.machine.waiting == 1)
        #expect(try rig.ask(.connect(.test(0xA0), candidate)).actions.pair?.back == newer)
    }

    @Test func aCandidateIsFreeAgainAfterItsSession() throws {
        var rig = RelayRig()
        let candidate = rig.gather()[0]
        for _ in 0..<3 {
            let back = try rig.acceptCalled(.test(0xA0), candidate)
            let (front, actions) = try rig.ask(.connect(.test(0xA0), candidate))
            #expect(actions.pair?.back == back)
            #expect(rig.leave(back) == [] && rig.leave(front) == [])
            #expect(try rig.ask(.connect(.test(0xA0), candidate)).actions.statuses == [404])
        }
    }

    @Test func candidatesOfOneAssociationAreApart() throws {
        var rig = RelayRig()
        let candidates = rig.gather(.test(0xA0), [.tcp, .tls])
        let backs = try candidates.map { try rig.acceptCalled(.test(0xA0), $0) }
        for (candidate, back) in zip(candidates, backs) {
            #expect(try rig.ask(.connect(.test(0xA0), candidate)).actions.pair?.back == back)
        }
    }

    @Test func theTimeOfAnAssociationRunsFromItsCall() throws {
        var rig = RelayRig()
        let candidate = rig.gather()[0]
        #expect(rig.advance(.seconds(200)) == [])
        let carrier = try rig.acceptCalled(.test(0xA0), candidate)
        #expect(rig.call("POST", "/jet/association/\(UUID.test(0xA0).jetText)").status == 200)
        #expect(rig.machine.deadline == rig.now + .seconds(100))
        #expect(rig.advance(.milliseconds(99_999)) == [])
        #expect(rig.advance(.milliseconds(1)) == [.close(carrier, Self.waitIsOver)])
        #expect(try rig.ask(.accept(.test(0xA0), candidate)).actions.statuses == [400])
        #expect(rig.machine.isEmpty)
    }

    @Test func anAssociationOutlivesItsTimeWhileSomebodyIsConnected() throws {
        var rig = RelayRig()
        let candidates = rig.gather(.test(0xA0), [.tcp, .tls])
        _ = try rig.acceptCalled(.test(0xA0), candidates[0])
        let (front, _) = try rig.ask(.connect(.test(0xA0), candidates[0]))
        #expect(rig.advance(.seconds(1000)) == [])
        #expect(rig.machine.deadline == nil)
        let other = try rig.acceptCalled(.test(0xA0), candidates[1])
        #expect(rig.leave(front) == [.close(other, Self.waitIsOver)])
        #expect(try rig.ask(.connect(.test(0xA0), candidates[1])).actions.statuses == [404])
        #expect(rig.machine.isEmpty)
    }

    @Test func anAssociationGoesWithTheLastOfItsSessions() throws {
        var rig = RelayRig()
        let candidates = rig.gather(.test(0xA0), [.tcp, .tls])
        let fronts = try candidates.map { candidate in
            _ = try rig.acceptCalled(.test(0xA0), candidate)
            return try rig.ask(.connect(.test(0xA0), candidate)).carrier
        }
        #expect(rig.advance(.seconds(301)) == [])
        #expect(rig.leave(fronts[1]) == [])
        #expect(rig.machine.associations.count == 1)
        #expect(rig.leave(fronts[0]) == [])
        #expect(rig.machine.isEmpty)
    }

    @Test func nobodyWaitsLongerThanTheTimeEvenInAnOldAssociation() throws {
        var rig = RelayRig()
        let candidates = rig.gather(.test(0xA0), [.tcp, .tls])
        _ = try rig.acceptCalled(.test(0xA0), candidates[0])
        _ = try rig.ask(.connect(.test(0xA0), candidates[0]))
        _ = rig.advance(.seconds(1000))
        let other = try rig.acceptCalled(.test(0xA0), candidates[1])
        #expect(rig.advance(.seconds(300)) == [.close(other, Self.waitIsOver)])
        #expect(try rig.ask(.connect(.test(0xA0), candidates[1])).actions.statuses == [404])
    }

    @Test func aNewAssociationOfAnOldNameHasItsOwnTime() throws {
        var rig = RelayRig()
        _ = rig.gather()
        _ = rig.advance(.seconds(300))
        #expect(rig.machine.isEmpty)
        let candidate = rig.gather()[0]
        #expect(rig.advance(.seconds(299)) == [])
        #expect(try rig.ask(.accept(.test(0xA0), candidate)).actions.statuses == [200])
    }

    @Test("a pair that breaks up before it is told is none", arguments: [true, false])
    func breaksUpBeforeItIsTold(frontLeaves: Bool) throws {
        var rig = RelayRig()
        let (back, association) = try rig.accept()
        let front = rig.arrive()
        rig.machine.receive(try ByteBuffer(jet: .connect(association)), from: front)
        guard case .write(front, _)? = rig.machine.next(now: rig.now) else { return #expect(Bool(false)) }
        rig.machine.leave(frontLeaves ? front : back)
        let lost = CloseReason.carrierLost("its partner left")
        let expected: [RendezvousAction] = [
            .close(front, frontLeaves ? .finished : lost), .close(back, frontLeaves ? lost : .finished),
        ]
        #expect(rig.drain() == expected)
        #expect(rig.machine.isEmpty)
    }

    @Test func anAccepterMayLeaveWhileItIsAnswered() throws {
        var rig = RelayRig()
        let carrier = rig.arrive()
        rig.machine.receive(try ByteBuffer(jet: .accept), from: carrier)
        guard case .write(carrier, _)? = rig.machine.next(now: rig.now) else { return #expect(Bool(false)) }
        rig.machine.leave(carrier)
        rig.machine.leave(carrier)
        #expect(rig.drain() == [.park(carrier), .close(carrier, .finished)])
        #expect(rig.machine.isEmpty)
    }

    @Test func aPairIsNotOursToRead() throws {
        var rig = RelayRig()
        let (back, association) = try rig.accept()
        let (front, _) = try rig.ask(.connect(association))
        let bytes = ByteBuffer(repeating: 1, count: 100_000)
        for carrier in [front, back] { #expect(rig.receive(bytes, on: carrier) == []) }
        #expect(rig.machine.carriers.values.allSatisfy { $0.input.readableBytes == 0 })
    }
}
