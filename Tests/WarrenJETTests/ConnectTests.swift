// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenJET

/// The connecter's machine, and what both clients say and read first.
@Suite("JET connecter")
struct ConnectTests {
    static let start = NIODeadline.uptimeNanoseconds(1_000_000_000)
    static let request = StreamRequest(.meeting("x"))
    static let id = StreamID(0)

    static func machine(_ change: (inout JET.ClientConfiguration) -> Void = { _ in }) -> JET.ConnectMachine {
        var configuration = JET.ClientConfiguration(host: "relay.example:8080", association: .test(5))
        change(&configuration)
        var machine = JET.ConnectMachine(configuration)
        machine.start(now: Self.start)
        return machine
    }

    static func reply(_ text: String, behind: String = "") throws -> ByteBuffer {
        var bytes = try ByteBuffer(jet: text + "\r\n\r\n", mask: 0)
        bytes.writeString(behind)
        return bytes
    }

    @Test func asksAndIsThenTheCarrier() throws {
        var machine = Self.machine()
        #expect(machine.deadline == Self.start + .seconds(10) && machine.wantsBytes)
        let request = try ByteBuffer(jet: .connect(.test(5)))
        #expect(machine.drain(Self.start) == [.write(request)])
        #expect(throws: StreamFault.sessionLost) { try machine.open(Self.request, now: Self.start) }
        machine.receive(try Self.reply("HTTP/1.1 200 OK\r\nJet-Version: 1", behind: "hello"))
        #expect(machine.drain(Self.start) == [.ready])
        #expect(machine.deadline == nil && !machine.wantsBytes)
        #expect(try machine.open(Self.request, now: Self.start) == Self.id)
        #expect(throws: StreamFault.limit) { try machine.open(Self.request, now: Self.start) }
        #expect(machine.drain(Self.start) == [.handOver(Self.id, leftover: ByteBuffer(string: "hello"))])
        #expect(throws: StreamFault.sessionLost) { try machine.open(Self.request, now: Self.start) }
        machine.receive(ByteBuffer(string: "more"))
        machine.receiveEnd()
        #expect(machine.drain(Self.start + .hours(1)) == [])
    }

    @Test func namesTheCandidateInVersionTwo() throws {
        var machine = Self.machine {
            $0.version = 2
            $0.candidate = .test(6)
            $0.mask = 0x11
        }
        let request = try ByteBuffer(jet: .connect(.test(5), .test(6)), mask: 0x11)
        #expect(machine.drain(Self.start) == [.write(request)])
    }

    @Test("reads the replies of all relays, cut anywhere", arguments: ["200 OK", "200 OK 200", "200"])
    func readsAnyCut(status: String) throws {
        let bytes = try Self.reply("HTTP/1.1 \(status)\r\nJet-Version: 1", behind: "hello")
        for chunks in Chunks.everySplit(of: bytes) {
            var machine = Self.machine()
            _ = machine.drain(Self.start)
            var actions: [SessionAction] = []
            for chunk in chunks {
                machine.receive(chunk)
                actions += machine.drain(Self.start)
            }
            #expect(actions == [.ready])
            _ = try machine.open(Self.request, now: Self.start)
            #expect(machine.drain(Self.start) == [.handOver(Self.id, leftover: ByteBuffer(string: "hello"))])
        }
    }

    @Test(
        "says what the relay answered",
        arguments: [
            ("400 Bad Request 400", CloseReason.rejected("400 Bad Request")),
            ("401 No", .rejected("401 Unauthorized")), ("404 Not Found", .rejected("404 Not Found")),
            ("503 Service Unavailable", .rejected("503 Service Unavailable")), ("418 Teapot", .rejected("418")),
            ("404 Not Found\r\nJet-Instance: other.example", .redirected("other.example")),
            ("404 Not Found\r\nJet-Instance: other.example:8443", .redirected("other.example:8443")),
            ("404 Not Found\r\nJet-Instance: RELAY.example:1", .rejected("404 Not Found")),
            ("404 Not Found\r\nJet-Instance: ", .rejected("404 Not Found")),
            ("400 Bad Request\r\nJet-Instance: other.example", .rejected("400 Bad Request")),
        ])
    func saysTheAnswer(status: String, reason: CloseReason) throws {
        var machine = Self.machine()
        _ = machine.drain(Self.start)
        machine.receive(try Self.reply("HTTP/1.1 \(status)\r\nJet-Version: 1"))
        #expect(machine.drain(Self.start) == [.close(reason)])
        #expect(machine.deadline == nil)
        #expect(throws: StreamFault.sessionLost) { try machine.open(Self.request, now: Self.start) }
    }

    @Test func closesWithoutReply() throws {
        var machine = Self.machine()
        _ = machine.drain(Self.start)
        var bytes = try Self.reply("HTTP/1.1 200 OK\r\nJet-Version: 1")
        machine.receive(bytes.readSlice(length: 20) ?? ByteBuffer())
        machine.receiveEnd()
        #expect(machine.drain(Self.start) == [.close(.carrierLost("closed without a reply"))])
    }

    @Test func closesWhenTheReplyTakesTooLong() {
        var machine = Self.machine { $0.handshake = .seconds(3) }
        _ = machine.drain(Self.start)
        #expect(machine.drain(Self.start + .milliseconds(2999)) == [])
        #expect(machine.drain(Self.start + .seconds(3)) == [.close(.timedOut(phase: "handshake"))])
        #expect(machine.drain(Self.start + .seconds(4)) == [])
    }

    @Test func closesOnAnythingElse() {
        var machine = Self.machine()
        _ = machine.drain(Self.start)
        machine.receive(ByteBuffer(string: "HTTP/1.1 200 OK\r\n\r\n"))
        let expected = CloseReason.violation(WireError(.badMagic, in: "packet.signature"))
        #expect(machine.drain(Self.start) == [.close(expected)])
    }

    @Test func aPartnerThatLeftBeforeAnybodyOpenedIsNoUse() throws {
        var machine = Self.machine { $0.isBare = true }
        #expect(machine.drain(Self.start) == [.ready])
        machine.receiveEnd()
        #expect(machine.drain(Self.start) == [.close(.finished)])
        var other = Self.machine { $0.isBare = true }
        _ = other.drain(Self.start)
        other.receive(ByteBuffer(string: "last words"))
        other.receiveEnd()
        #expect(other.drain(Self.start) == [])
        _ = try other.open(Self.request, now: Self.start)
        #expect(other.drain(Self.start) == [.handOver(Self.id, leftover: ByteBuffer(string: "last words"))])
    }

    @Test func aBareCarrierIsReadyAtOnce() throws {
        var machine = Self.machine { $0.isBare = true }
        #expect(machine.drain(Self.start) == [.ready])
        #expect(machine.deadline == nil)
        _ = try machine.open(Self.request, now: Self.start)
        machine.reset(Self.id, .aborted)
        #expect(machine.drain(Self.start) == [.close(.finished)])
    }

    @Test func carriesNoDatagrams() {
        var machine = Self.machine { $0.isBare = true }
        _ = machine.drain(Self.start)
        let request = StreamRequest(.host(Host("192.0.2.1"), port: 53, .udp))
        #expect(throws: StreamFault.unsupported) { try machine.open(request, now: Self.start) }
    }

    @Test func aHostThatFitsIntoNoPacketIsAnErrorOfOurs() {
        var machine = Self.machine { $0.host = String(repeating: "a", count: 70_000) }
        #expect(machine.drain(Self.start) == [.close(.violation(WireError(.tooLong, in: "packet.payload")))])
    }
}
