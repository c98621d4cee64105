// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenJET

/// The accepter's machine: its wait, and how it comes to an end.
@Suite("JET accepter")
struct AcceptTests {
    static let start = NIODeadline.uptimeNanoseconds(1_000_000_000)
    static let id = StreamID(0)
    static let meeting = UUID.test(5).jetText
    static let yes = """
        HTTP/1.1 200 OK\r
        Jet-Version: 1\r
        Jet-Instance: relay.example\r
        Jet-Association: \(Self.meeting)\r
        Jet-Timeout: 300
        """

    static func machine(_ change: (inout JET.ClientConfiguration) -> Void = { _ in }) -> JET.AcceptMachine {
        var configuration = JET.ClientConfiguration(host: "relay.example:8080")
        change(&configuration)
        var machine = JET.AcceptMachine(configuration)
        machine.start(now: Self.start)
        return machine
    }

    /// Granted at the start; `accept` is not said yet.
    static func granted(_ text: String = Self.yes, behind: String = "") throws -> JET.AcceptMachine {
        var machine = Self.machine()
        _ = machine.drain(Self.start)
        machine.receive(try ConnectTests.reply(text, behind: behind))
        #expect(machine.drain(Self.start).last == .open(Self.id, StreamRequest(.meeting(Self.meeting))))
        return machine
    }

    static func waiting() throws -> JET.AcceptMachine {
        var machine = try Self.granted()
        machine.accept(Self.id)
        #expect(machine.drain(Self.start) == [])
        return machine
    }

    static func handOver(_ text: String = "") -> SessionAction {
        .handOver(Self.id, leftover: ByteBuffer(string: text))
    }

    @Test func asksAndIsGrantedAMeeting() throws {
        var machine = Self.machine()
        #expect(machine.deadline == Self.start + .seconds(10) && machine.wantsBytes)
        #expect(machine.drain(Self.start) == [.write(try ByteBuffer(jet: .accept))])
        machine.receive(try ConnectTests.reply(Self.yes))
        let grant = Grant(.meeting(Self.meeting), instance: "relay.example", lifetime: .seconds(300))
        let open = SessionAction.open(Self.id, StreamRequest(.meeting(Self.meeting)))
        #expect(machine.drain(Self.start) == [.granted(grant), open])
        #expect(!machine.wantsBytes && machine.deadline == nil)
        machine.accept(Self.id)
        #expect(machine.wantsBytes)
        machine.receive(ByteBuffer(string: "hello"))
        #expect(machine.drain(Self.start) == [.ready, Self.handOver("hello")])
        #expect(machine.drain(Self.start + .hours(1)) == [] && machine.deadline == nil)
    }

    @Test func isGrantedItsOwnMeetingInVersionTwo() throws {
        var machine = Self.machine {
            $0.version = 2
            $0.association = .test(5)
            $0.candidate = .test(6)
        }
        #expect(machine.drain(Self.start) == [.write(try ByteBuffer(jet: .accept(.test(5), .test(6))))])
        machine.receive(try ConnectTests.reply("HTTP/1.1 200 OK 200\r\nJet-Version: 2"))
        #expect(machine.drain(Self.start).first == .granted(Grant(.meeting(Self.meeting))))
    }

    @Test func aBareCarrierIsGrantedAtOnce() throws {
        var machine = Self.machine {
            $0.isBare = true
            $0.association = .test(5)
        }
        let open = SessionAction.open(Self.id, StreamRequest(.meeting(Self.meeting)))
        #expect(machine.drain(Self.start) == [.granted(Grant(.meeting(Self.meeting))), open])
        machine.receive(ByteBuffer(string: "early"))
        machine.accept(Self.id)
        #expect(machine.drain(Self.start) == [.ready, Self.handOver("early")])
    }

    @Test func readsTheReplyCutAnywhere() throws {
        for chunks in Chunks.everySplit(of: try ConnectTests.reply(Self.yes, behind: "hi")) {
            var machine = Self.machine()
            _ = machine.drain(Self.start)
            var actions: [SessionAction] = []
            for chunk in chunks {
                machine.receive(chunk)
                actions += machine.drain(Self.start)
            }
            #expect(actions.count == 2)
            machine.accept(Self.id)
            #expect(machine.drain(Self.start) == [.ready, Self.handOver("hi")])
        }
    }

    @Test func whatTheTargetSaysFirstPassesThrough() throws {
        var machine = try Self.waiting()
        machine.send(ByteBuffer(string: "220 "), on: Self.id)
        machine.send(ByteBuffer(string: "ready"), on: Self.id)
        #expect(machine.drain(Self.start, writable: false) == [])
        #expect(machine.drain(Self.start) == [.write(ByteBuffer(string: "220 ")), .write(ByteBuffer(string: "ready"))])
        machine.send(ByteBuffer(string: "!"), on: Self.id)
        machine.receive(ByteBuffer(string: "EHLO"))
        #expect(machine.drain(Self.start, writable: false) == [])
        #expect(!machine.wantsBytes)
        #expect(machine.drain(Self.start) == [.write(ByteBuffer(string: "!")), .ready, Self.handOver("EHLO")])
    }

    @Test func stopsATargetThatSaysTooMuch() throws {
        var machine = try Self.waiting()
        machine.send(ByteBuffer(repeating: 1, count: 65_535), on: Self.id)
        #expect(machine.hasRoom(on: Self.id) && machine.drain(Self.start, writable: false) == [])
        machine.send(ByteBuffer(repeating: 1, count: 1), on: Self.id)
        #expect(!machine.hasRoom(on: Self.id))
        #expect(machine.drain(Self.start, writable: false) == [.pause(Self.id)])
        let actions = machine.drain(Self.start)
        #expect(actions.suffix(2) == [.resume(Self.id), Self.handOver()])
    }

    @Test func aTargetThatOnlySendsGetsTheCarrier() throws {
        var machine = try Self.waiting()
        for _ in 0..<15 {
            machine.send(ByteBuffer(repeating: 1, count: 4096), on: Self.id)
            #expect(machine.drain(Self.start) == [.write(ByteBuffer(repeating: 1, count: 4096))])
        }
        machine.send(ByteBuffer(repeating: 1, count: 4096), on: Self.id)
        #expect(machine.drain(Self.start).last == Self.handOver())
    }

    @Test func theTargetsEndDoesNotReachTheRelayBeforeThePartner() throws {
        var machine = try Self.waiting()
        machine.send(ByteBuffer(string: "bye"), on: Self.id)
        machine.finish(Self.id)
        machine.send(ByteBuffer(string: "never"), on: Self.id)
        #expect(machine.drain(Self.start) == [.write(ByteBuffer(string: "bye"))])
        machine.receive(ByteBuffer(string: "hello"))
        #expect(machine.drain(Self.start) == [.ready, Self.handOver("hello")])
    }

    @Test("nobody came", arguments: [298_000, 300_000, 305_000] as [Int64]) func nobodyCame(after: Int64) throws {
        var machine = try Self.waiting()
        machine.receiveEnd()
        let actions = machine.drain(Self.start + .milliseconds(after))
        #expect(actions == [.end(Self.id, .timedOut), .close(.timedOut(phase: "waiting for a partner"))])
        #expect(machine.deadline == nil)
    }

    @Test func anEarlyEndIsThePartners() throws {
        var machine = try Self.waiting()
        machine.receiveEnd()
        #expect(machine.drain(Self.start + .milliseconds(297_999)) == [Self.handOver()])
    }

    @Test func aRelayThatIsStillThereAfterItsTimeHasBroughtSomebody() throws {
        var machine = try Self.waiting()
        #expect(machine.deadline == Self.start + .seconds(310))
        #expect(machine.drain(Self.start + .milliseconds(309_999)) == [])
        #expect(machine.drain(Self.start + .seconds(310)) == [Self.handOver()])
    }

    @Test func aCarrierThatIsFullAfterItsTimeIsWaitedFor() throws {
        var machine = try Self.waiting()
        machine.send(ByteBuffer(string: "x"), on: Self.id)
        let late = Self.start + .seconds(310)
        #expect(machine.drain(late, writable: false) == [])
        #expect(machine.deadline == nil)
        #expect(machine.drain(late) == [.write(ByteBuffer(string: "x")), Self.handOver()])
    }

    @Test("waits as long as the relay says", arguments: [0, 60, .max] as [UInt32])
    func lifetime(of seconds: UInt32) throws {
        var machine = try Self.granted(Self.yes.replacing("300", with: "\(seconds)"))
        machine.accept(Self.id)
        #expect(machine.deadline == Self.start + .seconds(Int64(seconds)) + .seconds(10))
    }

    @Test func takesTheUsualTimeWhereTheRelayIsSilent() throws {
        let text = "HTTP/1.1 200 OK\r\nJet-Association: \(Self.meeting)\r\nJet-Instance: i:1\r\nJet-Version: 1"
        var machine = Self.machine()
        _ = machine.drain(Self.start)
        machine.receive(try ConnectTests.reply(text))
        #expect(machine.drain(Self.start).first == .granted(Grant(.meeting(Self.meeting), instance: "i:1")))
        machine.accept(Self.id)
        #expect(machine.deadline == Self.start + .seconds(310))
    }

    @Test func ignoresOtherStreams() throws {
        var machine = try Self.granted()
        machine.accept(StreamID(1))
        machine.reset(StreamID(1), .refused)
        #expect(machine.drain(Self.start) == [])
        #expect(throws: StreamFault.unsupported) { try machine.open(ConnectTests.request, now: Self.start) }
        machine.accept(Self.id)
        machine.send(ByteBuffer(string: "x"), on: StreamID(1))
        machine.finish(StreamID(1))
        #expect(machine.drain(Self.start) == [])
    }

    @Test(arguments: [("400 Bad Request 400", "400 Bad Request"), ("503 Full", "503 Service Unavailable")])
    func saysTheRefusal(status: String, text: String) throws {
        var machine = Self.machine()
        _ = machine.drain(Self.start)
        machine.receive(try ConnectTests.reply("HTTP/1.1 \(status)\r\nJet-Version: 1"))
        #expect(machine.drain(Self.start) == [.close(.rejected(text))])
    }

    @Test func closesWithoutReply() {
        var machine = Self.machine()
        _ = machine.drain(Self.start)
        machine.receiveEnd()
        #expect(machine.drain(Self.start) == [.close(.carrierLost("closed without a reply"))])
    }

    @Test func closesWhenTheReplyTakesTooLong() {
        var machine = Self.machine()
        _ = machine.drain(Self.start)
        #expect(machine.drain(Self.start + .seconds(10)) == [.close(.timedOut(phase: "handshake"))])
    }

    @Test("a yes without a meeting is none", arguments: [1, 2]) func noMeeting(version: Int) throws {
        var machine = Self.machine()
        _ = machine.drain(Self.start)
        machine.receive(try ConnectTests.reply("HTTP/1.1 200 OK\r\nJet-Version: \(version)"))
        let expected = CloseReason.violation(WireError(.badValue, in: "Jet-Association"))
        #expect(machine.drain(Self.start) == [.close(expected)])
    }
}
