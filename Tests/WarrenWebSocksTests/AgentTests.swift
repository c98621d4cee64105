// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenWebSocks

@Suite("WebSocks agent") struct AgentTests {
    static let start = NIODeadline.uptimeNanoseconds(1_000_000_000)
    static let answer = ByteBuffer(
        string: "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            + "Sec-Websocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")

    static func ready(
        _ change: (inout WebSocks.ClientConfiguration) -> Void = { _ in }
    ) throws -> WebSocks.AgentMachine {
        var machine = agent(change)
        machine.start(now: Self.start)
        try #require(machine.drain(Self.start) == [.write(try upgrade())])
        machine.receive(Self.answer)
        try #require(machine.drain(Self.start) == [.ready])
        return machine
    }

    static func opened(
        _ change: (inout WebSocks.ClientConfiguration) -> Void = { _ in }
    ) throws -> WebSocks.AgentMachine {
        var machine = try Self.ready(change)
        try #require(try machine.open(target, now: Self.start) == stream)
        return machine
    }

    @Test func asksInOneWriteAndIsTheStreamThen() throws {
        var machine = try Self.opened()
        #expect(machine.drain(Self.start) == [.write(opening)])
        machine.receive(frame)
        machine.receive(ByteBuffer(hex: "0500"))
        machine.receive(yes)
        machine.receive(ByteBuffer(string: "hello"))
        #expect(machine.drain(Self.start) == [.handOver(stream, leftover: ByteBuffer(string: "hello"))])
        #expect(machine.deadline == nil && machine.drain(Self.start).isEmpty)
    }

    @Test func waitsForEachAnswerWhereItIsStrict() throws {
        var machine = try Self.opened { $0.isStrict = true }
        #expect(machine.drain(Self.start) == [.write(frame)])
        machine.receive(frame)
        #expect(machine.drain(Self.start) == [.write(ByteBuffer(hex: "050100"))])
        machine.receive(ByteBuffer(hex: "0500"))
        #expect(machine.drain(Self.start) == [.write(ByteBuffer(hex: "05010001 7f000001 4966"))])
        machine.receive(yes)
        #expect(machine.drain(Self.start) == [.handOver(stream, leftover: ByteBuffer())])
    }

    @Test func saysThatItWaitsEveryFifteenSeconds() throws {
        var machine = try Self.ready()
        for round in 1...3 as ClosedRange<Int64> {
            let now = Self.start + .seconds(15 * round)
            #expect(machine.deadline == now)
            #expect(machine.drain(now - .nanoseconds(1)).isEmpty)
            #expect(machine.drain(now) == [.write(ByteBuffer(hex: "8a00"))])
        }
    }

    @Test(arguments: [
        "HTTP/1.1 401 Unauthorized\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n",
    ])
    func aServerThatSaysNoIsQuoted(answer: String) {
        var machine = agent()
        machine.start(now: Self.start)
        _ = machine.drain(Self.start)
        machine.receive(ByteBuffer(string: answer))
        guard case .rejected(let said)? = machine.drain(Self.start).reason else { return #expect(Bool(false)) }
        #expect(said.contains(answer.dropFirst(9).prefix(3)))
    }

    @Test func a101WithoutItsFieldsIsNone() {
        let whole = text(Self.answer)
        for (line, instead) in [
            ("Upgrade: websocket", "Upgrade: h2c"), ("Connection: Upgrade", "Connection: close"),
            ("s3pPLM", "S3pPLM"), ("\r\n\r\n", "\r\nContent-Length: 0\r\n\r\n"),
        ] {
            var machine = agent()
            machine.start(now: Self.start)
            _ = machine.drain(Self.start)
            machine.receive(ByteBuffer(string: whole.replacingOccurrences(of: line, with: instead)))
            #expect(machine.drain(Self.start).reason == .violation(WireError(.badValue, in: "upgrade")), "\(line)")
        }
    }

    @Test(arguments: SOCKS5.Reply.allCases.dropFirst()) func upstreamFaultsHaveNames(
        reply: SOCKS5.Reply
    ) throws {
        var machine = try Self.opened()
        machine.receive(frame)
        machine.receive(ByteBuffer(hex: "0500"))
        var bytes = ByteBuffer()
        bytes.writeSOCKS5Reply(reply, port: 18790)
        machine.receive(bytes)
        let fault = try #require(reply.fault(reaching: target.destination))
        #expect(machine.drain(Self.start).last == .end(stream, fault))
    }

    @Test func aServerThatLeavesIsNotToBeHad() throws {
        for sent in [ByteBuffer(), frame, ByteBuffer(hex: frame.hex + "0500")] {
            var machine = try Self.opened()
            _ = machine.drain(Self.start)
            machine.receive(sent)
            machine.receiveEnd()
            #expect(machine.drain(Self.start) == [.end(stream, .noServer)])
        }
        var early = agent()
        early.start(now: Self.start)
        early.receiveEnd()
        guard case .carrierLost? = early.drain(Self.start).reason else { return #expect(Bool(false)) }
        var pooled = try Self.ready()
        pooled.receiveEnd()
        #expect(pooled.drain(Self.start) == [.close(.finished)])
    }

    @Test func silenceEndsEveryPhase() throws {
        var machine = agent()
        machine.start(now: Self.start)
        _ = machine.drain(Self.start)
        #expect(machine.drain(Self.start + .seconds(10)) == [.close(.timedOut(phase: "upgrade"))])
        var asked = try Self.opened()
        _ = asked.drain(Self.start)
        #expect(asked.drain(Self.start + .seconds(10)) == [.end(stream, .noServer)])
        var replied = try Self.opened()
        replied.receive(ByteBuffer(hex: frame.hex + "0500"))
        _ = replied.drain(Self.start)
        #expect(replied.drain(Self.start + .seconds(59)).isEmpty)
        #expect(replied.drain(Self.start + .seconds(60)) == [.end(stream, .timedOut)])
    }

    @Test func opensOnceOnlyAndOnlyWhatItCanSay() throws {
        var machine = agent()
        #expect(throws: StreamFault.sessionLost) { try machine.open(target, now: Self.start) }
        machine = try Self.ready()
        let long = StreamRequest(.tcp(.name(String(repeating: "a", count: 256)), port: 1))
        #expect(throws: StreamFault.unsupported) { try machine.open(long, now: Self.start) }
        _ = try machine.open(target, now: Self.start)
        #expect(throws: StreamFault.limit) { try machine.open(target, now: Self.start) }
        machine.reset(stream, .aborted)
        #expect(machine.drain(Self.start) == [.close(.finished)])
        #expect(throws: StreamFault.sessionLost) { try machine.open(target, now: Self.start) }
    }

    @Test func aServerThatSpeaksTooEarlyBreaksTheProtocol() throws {
        var machine = try Self.ready()
        machine.receive(ByteBuffer(hex: "82"))
        #expect(throws: StreamFault.sessionLost) { try machine.open(target, now: Self.start) }
        #expect(machine.drain(Self.start).reason == .violation(WireError(.unexpected, in: "frame")))
    }
}
