// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenVProxy

/// What two Warrens add, and that a deployed peer sees none of it but one long PING.
@Suite struct ExtensionTests {
    private typealias Pair = MachinePair<VProxy.ClientMachine, VProxy.ServerMachine>
    private typealias End = Pair.End

    private static let mark = Array("warren".utf8) + [1]

    @Test func aDeployedServerSeesOneLongPINGAndNothingElse() throws {
        var client = Client(VProxy.ClientMachine())
        _ = client.drain()
        #expect(client.receive(settings) == [.write(ping(1, extra: Self.mark))])
        #expect(throws: StreamFault.sessionLost) { try client.machine.open(fixed, now: client.now) }
        #expect(client.receive(ping(1, flags: 1)) == [.ready])
        let id = try client.machine.open(fixed, now: client.now)
        #expect(client.drain() == [.write(syn(1))])
        _ = client.receive(syn(1) + psh(1, "x"))
        client.machine.consumed(1, on: id)
        client.machine.reset(id, .refused)
        #expect(client.drain() == [.write(rst(1))])
    }

    @Test func aServerThatDoesNotAnswerTheMarkIsTakenForADeployedOne() throws {
        var client = Client(VProxy.ClientMachine())
        _ = client.drain()
        _ = client.receive(settings)
        #expect(client.after(.milliseconds(999)) == [])
        #expect(client.after(.milliseconds(1)) == [.ready])
        #expect(client.receive(ping(1, flags: 1, extra: Self.mark)) == [])  // too late
        _ = try client.machine.open(fixed, now: client.now)
        #expect(client.drain() == [.write(syn(1))])
    }

    @Test func aServerOnlySpeaksItToWhoHasAnnouncedIt() {
        var server = Server.up(.init())
        #expect(server.receive(head(.headers, 1, flags: 2)) == [.open(StreamID(1), fixed), .write(syn(1))])
        #expect(server.receive(ping(3, flags: 2)) == [.write(ping(3, flags: 1))])
        var off = Server.up()
        #expect(off.receive(ping(1, extra: Self.mark)) == [.write(ping(1, flags: 1))])
        let answer = server.receive(ping(1, extra: Self.mark)).written
        #expect(answer == ping(1, flags: 1, extra: Self.mark) + ping(1))  // and a measure of the round trip
    }

    /// Who only reads would not hear of another address that a NAT gives it.
    @Test func aClientThatWaitsForPayloadAsksSoonAndThenLessAndLess() throws {
        var client = Client(VProxy.ClientMachine())
        _ = client.receive(settings)
        _ = client.receive(ping(1, flags: 1, extra: Self.mark))
        _ = client.receive(ping(2, flags: 1))
        #expect(client.over(.seconds(3)) == [])  // no stream waits
        _ = try client.machine.open(fixed, now: client.now)
        _ = client.receive(head(.headers, 1, flags: 2))
        for (number, pause) in [(UInt64(3), Int64(2)), (4, 4), (5, 8)] {
            #expect(client.over(.seconds(pause) - .nanoseconds(1)) == [])
            #expect(client.over(.nanoseconds(1)) == [.write(ping(number))])
            #expect(client.receive(ping(number, flags: 1)) == [])
        }
        #expect(client.receive(psh(1, "x")).others.count == 1)
        #expect(client.over(.seconds(2)) == [.write(ping(6))])
        // It has as much patience as one that asks later: 20 s of silence in all.
        #expect(client.over(.seconds(8)) == [.write(ping(7))])
        #expect(client.over(.seconds(5)) == [.write(ping(8))])
        #expect(client.over(.seconds(5)).others == [.close(.timedOut(phase: "keep-alive"))])
    }

    @Test func aDeployedServerIsNotAskedSoon() throws {
        var client = Client.up(.init())
        let id = try client.opened()
        _ = client.receive(psh(id, "x"))
        #expect(client.over(.seconds(9)) == [])
        #expect(client.over(.seconds(2)) == [.write(ping(2))])
    }

    /// Both ends up, and what has happened at each.
    private static func run(
        seed: UInt64, _ client: VProxy.Configuration = .init(), _ server: VProxy.Configuration = .init()
    ) -> (pair: Pair, log: Log) {
        var pair = Pair(VProxy.ClientMachine(client), VProxy.ServerMachine(server), seed: seed, mostChunk: 500)
        let log = Log()
        pair.run(log.handle)
        return (pair, log)
    }

    private final class Log {
        var actions: [End: [SessionAction]] = [:]
        var accepts = true
        var consumes = true
        var got: [End: Int] = [:]

        func handle(_ end: End, _ action: SessionAction, _ pair: inout Pair) {
            switch action {
            case .deliver(let id, let bytes):
                self.got[end, default: 0] += bytes.readableBytes
                guard self.consumes else { return }
                if end == .client {
                    pair.client.consumed(bytes.readableBytes, on: id)
                } else {
                    pair.server.consumed(bytes.readableBytes, on: id)
                }
            case .open(let id, _):
                if self.accepts { pair.server.accept(id) }
                self.actions[end, default: []].append(action)
            default: self.actions[end, default: []].append(action)
            }
        }
    }

    @Test("a refusal keeps its reason", arguments: StreamFault.allCases)
    func refuses(fault: StreamFault) throws {
        var (pair, log) = Self.run(seed: 1)
        log.accepts = false
        let id = try pair.client.open(fixed, now: pair.now)
        pair.run(log.handle)
        #expect(log.actions[.server]?.last == .open(id, fixed))
        pair.server.reset(id, fault)
        pair.run(log.handle)
        #expect(log.actions[.client] == [.ready, .end(id, StreamFault(code: fault.code))])
    }

    @Test func aResetKeepsItsReasonAndAnOrderlyOneItsBytes() throws {
        var (pair, log) = Self.run(seed: 2)
        let first = try pair.client.open(fixed, now: pair.now)
        let second = try pair.client.open(fixed, now: pair.now)
        pair.run(log.handle)
        pair.client.reset(first, .stalled)
        pair.server.send(ByteBuffer(repeating: 1, count: 100_000), on: second)
        pair.server.reset(second, nil)
        pair.run(log.handle)
        #expect(log.actions[.server]?.last == .end(first, .stalled))
        #expect(log.actions[.client]?.last == .end(second, nil) && log.got[.client] == 100_000)
    }

    @Test func aReaderThatStallsHoldsItsWindowAndNobodyUp() throws {
        var (pair, log) = Self.run(seed: 3)
        log.consumes = false
        let first = try pair.client.open(fixed, now: pair.now)
        let second = try pair.client.open(fixed, now: pair.now)
        pair.run(log.handle)
        for _ in 0..<300 {
            pair.client.send(ByteBuffer(repeating: 1, count: 10_000), on: first)
            pair.run(log.handle)
        }
        #expect(log.got[.server] == 1 << 20)  // the window, and not a byte more
        #expect(log.actions[.client]?.last == .pause(first) && pair.server.wantsBytes)
        pair.client.send(ByteBuffer(repeating: 1, count: 10_000), on: second)
        pair.run(log.handle)
        #expect(log.got[.server] == 1 << 20 + 10_000)
        log.consumes = true
        pair.server.consumed(1 << 20, on: first)
        pair.run(log.handle)
        #expect(log.got[.server] == 3_000_000 + 10_000)
    }

    @Test func payloadGoesWithTheSYNUpToTheFirstCredit() throws {
        var (pair, log) = Self.run(seed: 4)
        log.accepts = false
        let id = try pair.client.open(fixed, now: pair.now)
        pair.client.send(ByteBuffer(repeating: 1, count: 20_000), on: id)
        guard case .write(let bytes)? = pair.client.next(now: pair.now, writable: true) else {
            Issue.record("nothing written")
            return
        }
        #expect(bytes.readableBytes > VProxy.Extension.early && bytes.readableBytes < 17_000)
        pair.server.receive(bytes)
        pair.run(log.handle)
        #expect(log.got[.server] == nil)  // not before its target is reached
        pair.server.accept(id)
        pair.run(log.handle)
        #expect(log.got[.server] == 20_000)
    }

    @Test func breakingAWindowEndsTheTunnel() throws {
        for bytes in [
            head(.ping, 1, flags: 2, length: 5) + ByteBuffer(hex: "01ffffffff"),
            head(.ping, 1, flags: 2, length: 1) + ByteBuffer(hex: "07"),
            head(.data, 1, length: 17_000) + ByteBuffer(repeating: 1, count: 17_000),
        ] {
            var limits = SessionLimits()
            limits.unreadPerStream = 1024
            limits.unreadWhenCrowded = 1024
            var server = Server.up(.init(limits: limits))
            _ = server.receive(ping(1, extra: Self.mark))
            _ = server.receive(head(.headers, 1, flags: 2))
            server.machine.accept(StreamID(1))
            _ = server.drain()
            let actions = server.receive(
                head(.data, 1, length: 1) + ByteBuffer(string: "a") + bytes + bytes + bytes + bytes)
            guard case .close(.violation)? = actions.last else {
                Issue.record("\(actions)")
                return
            }
        }
    }

    @Test func mixedSettingsSpeakTheDeployedProtocol() throws {
        for (client, server) in [(true, false), (false, true), (false, false)] {
            var (pair, log) = Self.run(seed: 5, .init(usesExtension: client), .init(usesExtension: server))
            let id = try pair.client.open(fixed, now: pair.now)
            pair.client.finish(id)
            pair.run(log.handle)
            pair.server.finish(id)
            pair.run(log.handle)
            #expect(log.actions[.client] == [.ready, .opened(id), .finish(id), .end(id, nil)])
            #expect(log.actions[.server] == [.ready, .open(id, fixed), .finish(id), .end(id, nil)])
        }
    }

    @Test func aPairThatIsSilentForAnHourKeepsItself() {
        var (pair, log) = Self.run(seed: 6)
        let end = pair.now + .hours(1)
        var steps = 0
        while pair.now < end, pair.closed.isEmpty, steps < 2000 {
            let due = min(pair.client.deadline ?? .distantFuture, pair.server.deadline ?? .distantFuture)
            pair.advance(due - pair.now, log.handle)
            steps += 1
        }
        #expect(pair.closed.isEmpty && steps < 1000)
    }
}
