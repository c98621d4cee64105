// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenJET

/// Every phase ends by itself, and nobody makes the relay keep more than its share.
@Suite("JET relay limits")
struct RelayLimitsTests {
    static let here = IPAddress(v4: 0xC000_0201)
    static let there = IPAddress(v4: 0xC000_0202)

    @Test("closes whose request does not come in time", arguments: [0, 20]) func handshakeTimeout(sent: Int) throws {
        var rig = RelayRig { $0.handshake = .seconds(4) }
        let carrier = rig.arrive()
        var bytes = try ByteBuffer(jet: .accept)
        #expect(rig.machine.deadline == rig.now + .seconds(4))
        #expect(rig.advance(.seconds(2)) == [])
        #expect(rig.receive(bytes.readSlice(length: sent) ?? ByteBuffer(), on: carrier) == [])
        #expect(rig.machine.deadline == rig.now + .seconds(2))
        #expect(rig.advance(.seconds(2)) == [.close(carrier, .timedOut(phase: "handshake"))])
        #expect(rig.machine.isEmpty && rig.machine.deadline == nil)
    }

    @Test func theDeadlineIsAlwaysThatOfTheFirst() throws {
        var rig = RelayRig()
        let start = rig.now
        let first = rig.arrive()
        _ = rig.advance(.seconds(1))
        let second = rig.arrive()
        _ = rig.advance(.seconds(1))
        let (third, _) = try rig.accept()
        #expect(rig.machine.deadline == start + .seconds(10))
        _ = rig.leave(first)
        #expect(rig.machine.deadline == start + .seconds(11))
        _ = rig.receive(try ByteBuffer(jet: .accept), on: second)
        #expect(rig.machine.deadline == start + .seconds(302))
        _ = rig.leave(third)
        #expect(rig.machine.deadline == start + .seconds(302))
        _ = rig.leave(second)
        #expect(rig.machine.deadline == nil)
    }

    @Test("whoever has many IPv6 addresses counts once") func countsNetworks() throws {
        var rig = RelayRig { $0.maxPendingPerAddress = 2 }
        func asks(_ text: String) throws -> [Int] {
            let carrier = rig.arrive(from: IPAddress(text))
            return rig.receive(try ByteBuffer(jet: .accept), on: carrier).statuses
        }
        #expect(try asks("2001:db8:0:1::1") == [200])
        #expect(try asks("2001:db8:0:1:ffff::2") == [200])
        #expect(try asks("2001:db8:0:1::3") == [503])
        #expect(try asks("2001:db8:0:2::1") == [200])
        #expect(try asks("192.0.2.1") == [200])
        #expect(try asks("::ffff:192.0.2.1") == [200])
        #expect(try asks("::ffff:192.0.2.1") == [503])
        #expect(try asks("192.0.2.2") == [200])
    }

    @Test func refusesMoreThanMayWait() throws {
        var rig = RelayRig { $0.maxPending = 2 }
        let (first, association) = try rig.accept()
        let candidate = rig.gather()[0]
        let (carrier, actions) = try rig.ask(.accept)
        #expect(actions.statuses == [503] && actions.last == .close(carrier, .denied))
        #expect(try rig.ask(.accept(.test(0xA0), candidate)).actions.statuses == [503])
        #expect(rig.call("POST", "/jet/association/\(UUID.test(0xB0).jetText)").status == 503)
        #expect(rig.call("POST", "/jet/association/\(UUID.test(0xA0).jetText)").status == 200)
        #expect(try rig.ask(.connect(association)).actions.pair?.back == first)
        #expect(try rig.ask(.accept(.test(0xA0), candidate)).actions.statuses == [200])
        #expect(try rig.ask(.accept(.test(0xA0), candidate)).actions.statuses == [200], "replaces one that waits")
        #expect(try rig.ask(.accept).actions.statuses == [503])
        #expect(rig.machine.waiting == 1 && rig.machine.called == 1)
        rig.finish()
        #expect(rig.machine.isEmpty)
    }

    @Test func refusesMoreThanMayWaitFromOneAddress() throws {
        var rig = RelayRig { $0.maxPendingPerAddress = 2 }
        let (first, association) = try rig.accept(from: Self.here)
        let (second, _) = try rig.accept(from: Self.here)
        #expect(try rig.ask(.accept, from: Self.here).actions.statuses == [503])
        #expect(try rig.ask(.accept, from: Self.there).actions.statuses == [200])
        for _ in 0..<4 { #expect(try rig.ask(.accept).actions.statuses == [200]) }
        #expect(try rig.ask(.connect(association), from: Self.here).actions.pair?.back == first)
        #expect(try rig.ask(.accept, from: Self.here).actions.statuses == [200], "who is connected does not wait")
        #expect(try rig.ask(.accept, from: Self.here).actions.statuses == [503])
        _ = rig.leave(second)
        #expect(try rig.ask(.accept, from: Self.here).actions.statuses == [200])
        #expect(rig.machine.waitingFrom == [Self.here: 2, Self.there: 1])
        _ = rig.advance(.seconds(300))
        #expect(rig.machine.waitingFrom.isEmpty && rig.machine.waiting == 0)
    }

    @Test func anAddressMayReplaceItselfButNotAnother() throws {
        var rig = RelayRig { $0.maxPendingPerAddress = 1 }
        let candidate = rig.gather()[0]
        let request = JET.Request.accept(.test(0xA0), candidate)
        #expect(try rig.ask(request, from: Self.here).actions.statuses == [200])
        #expect(try rig.ask(request, from: Self.here).actions.statuses == [200])
        _ = try rig.accept(from: Self.there)
        #expect(try rig.ask(request, from: Self.there).actions.statuses == [503])
        #expect(rig.machine.waitingFrom == [Self.here: 1, Self.there: 1])
    }

    @Test func keepsSixtyFourKibibytesOfAnAccepterAndNoMore() throws {
        var rig = RelayRig()
        let (carrier, association) = try rig.accept(behind: "0123")
        #expect(rig.receive(ByteBuffer(repeating: 1, count: 65_532), on: carrier) == [])
        let tooLong = CloseReason.violation(WireError(.tooLong, in: "early bytes"))
        #expect(rig.receive(ByteBuffer(repeating: 1, count: 1), on: carrier) == [.close(carrier, tooLong)])
        #expect(try rig.ask(.connect(association)).actions.statuses == [404])
        #expect(rig.machine.isEmpty)
    }

    @Test func anAccepterMayNotBringMoreWithItsRequestEither() throws {
        var rig = RelayRig()
        let (carrier, actions) = try rig.ask(.accept, behind: String(repeating: "x", count: 65_537))
        let tooLong = CloseReason.violation(WireError(.tooLong, in: "early bytes"))
        #expect(actions.statuses == [200] && actions.last == .close(carrier, tooLong))
        #expect(!actions.contains(.park(carrier)) && rig.machine.isEmpty)
    }

    @Test func aConnecterMayBecauseItIsPassedOn() throws {
        var rig = RelayRig()
        let association = try rig.accept().association
        let actions = try rig.ask(.connect(association), behind: String(repeating: "x", count: 200_000)).actions
        #expect(actions.pair?.fromFront.readableBytes == 200_000)
    }

    @Test func theLongestPacketIsReadAndNothingLonger() throws {
        var rig = RelayRig()
        let padding = String(repeating: "x", count: JET.Packet.mostPayload - JET.Request.accept.text.utf8.count)
        let longest = try ByteBuffer(jet: JET.Request.accept.text + padding)
        let carrier = rig.arrive()
        var actions: [RendezvousAction] = []
        for chunk in Chunks.of(4096, longest) { actions += rig.receive(chunk, on: carrier) }
        #expect(longest.readableBytes == 65_535 && actions.statuses == [200])
    }

    @Test func whatIsNotPulledIsBounded() {
        var rig = RelayRig()
        let carrier = rig.arrive()
        for _ in 0..<100 { rig.machine.receive(ByteBuffer(repeating: 0x4A, count: 4096), from: carrier) }
        #expect(rig.machine.carriers.isEmpty)
        #expect(rig.drain() == [.close(carrier, .violation(WireError(.tooLong, in: "early bytes")))])
    }

    @Test func aSmallSurplusDoesNotKeepALargeRead() throws {
        var rig = RelayRig()
        let carrier = rig.arrive()
        var bytes = ByteBuffer()
        bytes.reserveCapacity(256 << 10)
        bytes.writeImmutableBuffer(try ByteBuffer(jet: .accept))
        bytes.writeString("hello")
        _ = rig.receive(bytes, on: carrier)
        #expect(rig.machine.carriers[carrier].map { $0.input.storageCapacity <= 64 } == true)
    }

    @Test func aNameThatIsInUseIsNotGivenAway() throws {
        var rig = RelayRig { $0.newID = { .test(7) } }
        let (first, association) = try rig.accept()
        #expect(try rig.ask(.accept).actions.statuses == [503])
        #expect(try rig.ask(.connect(association)).actions.pair?.back == first)
    }

    @Test func linesOfDeadlinesAreNoLongerThanWhatWaits() throws {
        var rig = RelayRig()
        let keeper = try rig.accept().carrier
        _ = rig.gather(.test(0xF000))
        for _ in 0..<2000 {
            let (_, association) = try rig.accept()
            let (front, _) = try rig.ask(.connect(association))
            _ = rig.leave(front)
        }
        #expect(rig.machine.handshakes.count + rig.machine.waits.count + rig.machine.lives.count < 300)
        #expect(rig.machine.carriers.count == 1 && rig.machine.associations.count == 2)
        #expect(rig.advance(.seconds(300)) == [.close(keeper, RelayStateTests.waitIsOver)])
        #expect(rig.machine.isEmpty)
    }
}
