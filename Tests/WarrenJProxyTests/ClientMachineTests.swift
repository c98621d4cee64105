// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenJProxy

@Suite("jProxy client machine")
struct ClientMachineTests {
    typealias Client = Harness<JProxy.ClientMachine>
    static let request = StreamRequest(.tcp(Host("192.0.2.1"), port: 80))

    @Test func closesOnBadMagicTimeAndEnd() throws {
        var machine = JProxy.ClientMachine(.init(key: try TestKeys.pair.client))
        machine.start(now: .uptimeNanoseconds(0))
        #expect(machine.deadline == .uptimeNanoseconds(10_000_000_000))
        _ = machine.next(now: .uptimeNanoseconds(0), writable: true)
        #expect(throws: StreamFault.sessionLost) { try machine.open(Self.request, now: .uptimeNanoseconds(0)) }
        var (bad, ended, silent) = (machine, machine, machine)
        bad.receive(ByteBuffer(string: "HTTP/1."))
        #expect(
            bad.next(now: .uptimeNanoseconds(0), writable: true)
                == .close(.violation(WireError(.badMagic, in: "helloReply.magic"))))
        ended.receiveEnd()
        #expect(
            ended.next(now: .uptimeNanoseconds(0), writable: true) == .close(.carrierLost("the server left in hello")))
        #expect(ended.next(now: .uptimeNanoseconds(0), writable: true) == nil)
        #expect(
            silent.next(now: .uptimeNanoseconds(10_000_000_000), writable: true) == .close(.timedOut(phase: "hello")))
    }

    @Test("the hash leaves when the answer to the hello was right, and not before") func theHashFollowsTheHello() throws
    {
        let key = try TestKeys.pair.client
        var machine = JProxy.ClientMachine(.init(key: key, usesExtension: false))
        let now = NIODeadline.uptimeNanoseconds(0)
        machine.start(now: now)
        #expect(machine.next(now: now, writable: true) == .write(ByteBuffer(bytes: Array("jProxy".utf8) + [3, 0])))
        #expect(machine.next(now: now, writable: true) == nil)
        var refused = machine
        refused.receive(ByteBuffer(bytes: Array("jProxy".utf8) + [1]))
        #expect(refused.next(now: now, writable: true) == .close(.rejected("unsupported version")))
        machine.receive(ByteBuffer(bytes: Array("jProxy".utf8) + [0]))
        #expect(machine.next(now: now, writable: true) == .write(ByteBuffer(bytes: key.hash)))
        #expect(machine.next(now: now, writable: true) == nil)
    }

    @Test func opensAndHearsTheAnswer() throws {
        var client = try Client.loggedIn()
        let stream = try client.machine.open(Self.request, now: client.now)
        #expect(stream == StreamID(0))
        #expect(client.written(client.drain()) == [.connect(.init(id: 0, host: Host("192.0.2.1"), port: 80))])
        #expect(client.receive(.data(0, 9)) == [])  // not yet open
        #expect(client.receive(.connectReply(.init(id: 0, fault: nil, milliseconds: 0)), .data(0, 9)).count == 2)
        let second = try client.machine.open(Self.request, now: client.now)
        _ = client.drain()
        #expect(
            client.receive(.connectReply(.init(id: 1, fault: .refused, milliseconds: 0))) == [.end(second, .refused)])
        #expect(client.receive(.connectReply(.init(id: 1, fault: nil, milliseconds: 0)), .data(1, 9)) == [])
    }

    @Test func holdsPayloadUntilTheStreamIsOpen() throws {
        var client = try Client.loggedIn()
        let stream = try client.machine.open(Self.request, now: client.now)
        client.machine.send(ByteBuffer(string: "early"), on: stream)
        #expect(client.written(client.drain()).count == 1)
        let actions = client.receive(.connectReply(.init(id: 0, fault: nil, milliseconds: 0)))
        #expect(client.written(actions) == [.data(id: 0, ByteBuffer(string: "early"))])
    }

    @Test func refusesWhatItCannotCarry() throws {
        var client = try Client.loggedIn()
        let now = client.now
        let long = Host.name(String(repeating: "n", count: 256))
        #expect(throws: StreamFault.unknownHost) {
            try client.machine.open(StreamRequest(.tcp(long, port: 1)), now: now)
        }
        #expect(throws: StreamFault.unsupported) { try client.machine.open(StreamRequest(.fixed), now: now) }
        let udp = StreamRequest(.host(Host("192.0.2.1"), port: 53, .udp))
        #expect(throws: StreamFault.unsupported) { try client.machine.open(udp, now: now) }
        var document = try Client.loggedIn(dialect: .document)
        #expect(try document.machine.open(udp, now: document.now) == StreamID(0))
    }

    @Test func timesOutAConnectWithoutAnswer() throws {
        var client = try Client.loggedIn()
        let stream = try client.machine.open(Self.request, now: client.now)
        _ = client.drain()
        #expect(client.machine.deadline == client.now + .seconds(30))
        let actions = client.after(.seconds(30))
        #expect(actions.events == [.end(stream, .timedOut)])
        #expect(client.written(actions) == [.disconnect(id: 0)])
        #expect(client.machine.deadline == nil)
    }

    @Test func disconnectFromTheServer() throws {
        var client = try Client.loggedIn()
        let stream = try client.open()
        client.machine.send(ByteBuffer(repeating: 1, count: 10), on: stream)
        client.writable = false
        let actions = client.receive(.data(0, 5), .disconnect(id: 0), .data(0, 5))
        #expect(actions == [.deliver(stream, ByteBuffer(repeating: 7, count: 5)), .end(stream, nil)])
        client.writable = true
        #expect(client.drain() == [])
        let next = try client.machine.open(Self.request, now: client.now)
        #expect(client.receive(.disconnect(id: 1)).events == [.end(next, .failed)])
    }

    @Test func keepsTheStreamForTheAnswerAfterTheUsersEnd() throws {
        var client = try Client.loggedIn()
        let stream = try client.open()
        client.machine.send(ByteBuffer(string: "request"), on: stream)
        client.machine.finish(stream)
        #expect(client.written(client.drain()) == [.data(id: 0, ByteBuffer(string: "request"))])
        #expect(client.machine.deadline == client.now + .seconds(5))
        #expect(client.after(.seconds(4)) == [])
        #expect(client.receive(.data(0, 9)).events.count == 1)
        #expect(client.machine.deadline == client.now + .seconds(5))
        #expect(client.after(.seconds(4)) == [])
        let actions = client.after(.seconds(1))
        #expect(actions.events == [.end(stream, nil)])
        #expect(client.written(actions) == [.disconnect(id: 0)])
        #expect(client.machine.deadline == nil)
    }

    @Test func evictsTheOldestAnsweredStreamWhenFull() throws {
        var client = try Client.loggedIn { $0.limits.streams = 3 }
        let streams = try (0..<3).map { _ in try client.open() }
        client.machine.send(ByteBuffer(string: "?"), on: streams[0])
        client.machine.finish(streams[0])  // not answered
        let now = client.now
        #expect(throws: StreamFault.limit) { try client.machine.open(Self.request, now: now) }
        for stream in [streams[2], streams[1]] {
            _ = client.receive(.data(UInt16(stream.rawValue), 5))
            client.machine.finish(stream)
            _ = client.drain()
        }
        #expect(try client.machine.open(Self.request, now: client.now) == StreamID(3))
        let actions = client.drain()
        #expect(actions.events == [.end(streams[2], nil)])
        #expect(client.written(actions).map(\.isDisconnect) == [true, false])
        #expect(try client.machine.open(Self.request, now: client.now) == StreamID(4))
        #expect(client.drain().events == [.end(streams[1], nil)])
        #expect(throws: StreamFault.limit) { try client.machine.open(Self.request, now: now) }
    }

    @Test func usesAllIDsBeforeOneAgainAndThenOnlySafeOnes() throws {
        var pool = IDPool()
        let start = NIODeadline.uptimeNanoseconds(0)
        for id in 0..<65536 { #expect(pool.take(now: start) == UInt16(id)) }
        #expect(pool.take(now: start) == nil)
        // The peer's word is enough; an unanswered one behind it does not block.
        pool.free(7, .unanswered, now: start)
        pool.free(9, .byPeer, now: start)
        #expect(pool.take(now: start) == 9)
        // Ours is not: a later CONNECT must have been answered, and a second must have passed.
        pool.free(5, .byUs, now: start)
        #expect(pool.take(now: start + .seconds(2)) == nil)
        pool.answered(65537)
        #expect(pool.take(now: start + .seconds(2)) == nil)
        pool.free(6, .byPeer, now: start)  // waits its turn behind 5
        #expect(pool.take(now: start + .seconds(2)) == nil)
        pool.answered(65538)
        #expect(pool.take(now: start + .milliseconds(999)) == nil)
        #expect(pool.take(now: start + .seconds(1)) == 5)
        #expect(pool.take(now: start + .seconds(1)) == 6)
        #expect(pool.take(now: start + .seconds(100)) == nil)
        #expect(pool.take(now: start + .minutes(3)) == 7)
    }

    @Test func noStrayDataAcrossReuseOfAnID() throws {
        var client = try Client.loggedIn()
        var last = StreamID(0)
        for _ in 0..<65536 {
            last = try client.machine.open(Self.request, now: client.now)
            client.machine.reset(last, nil)
        }
        _ = client.drain()
        #expect(last == StreamID(65535))
        let now = client.now
        #expect(throws: StreamFault.limit) { try client.machine.open(Self.request, now: now) }
        for id in [UInt16(0), 9, 65535] { #expect(client.receive(.data(id, 100)) == []) }
    }

    @Test func resetDropsTheQueue() throws {
        var client = try Client.loggedIn()
        let stream = try client.open()
        client.machine.send(ByteBuffer(repeating: 1, count: 10), on: stream)
        client.machine.reset(stream, nil)
        #expect(client.written(client.drain()) == [.disconnect(id: 0)])
        client.machine.send(ByteBuffer(repeating: 1, count: 10), on: stream)
        client.machine.finish(stream)
        client.machine.consumed(5, on: stream)
        client.machine.reset(stream, .aborted)
        #expect(client.drain() == [])
    }

    @Test func holdsTheCarrierForAnUnreadStreamUntilHalfIsRead() throws {
        var client = try Client.loggedIn()
        let stream = try client.open()
        for _ in 0..<65 { _ = client.receive(.data(0, 4074)) }
        let unread = 65 * 4074
        #expect(!client.machine.wantsBytes)
        client.now = client.now + .seconds(3)
        client.machine.consumed(unread - (128 << 10) - 1, on: stream)
        #expect(!client.machine.wantsBytes)
        client.machine.consumed(1, on: stream)
        #expect(client.machine.wantsBytes)
        #expect(client.after(.seconds(10)) == [])
    }

    @Test func theOnlyStreamMayHoldTheSessionForAsLongAsItLikes() throws {
        var client = try Client.loggedIn()
        let stream = try client.open()
        for _ in 0..<65 { _ = client.receive(.data(0, 4074)) }
        #expect(client.after(.seconds(5)) == [])
        #expect(client.after(.seconds(500)) == [])
        #expect(!client.machine.wantsBytes)
        _ = try client.open()
        #expect(client.machine.wantsBytes)  // somebody else came
        #expect(client.after(.seconds(500)) == [])
        client.machine.reset(stream, nil)
    }

    /// A budget of 1 MiB: 257 full packets and a bit.
    private static func small() throws -> Client { try Client.loggedIn { $0.limits.budget = 1 << 20 } }

    @Test("what a reader does not take is kept up to the budget, and the reader that takes too little pays past it")
    func endsAReaderThatStalls() throws {
        var client = try Self.small()
        let stream = try client.open()
        let other = try client.open()
        for _ in 0..<257 { _ = client.receive(.data(0, 4074)) }
        #expect(client.machine.wantsBytes && client.machine.deadline == nil)
        _ = client.receive(.data(0, 4074))
        #expect(!client.machine.wantsBytes)
        #expect(client.machine.deadline == client.now + .seconds(3))
        for _ in 0..<5 {
            client.machine.consumed(1, on: stream)  // a trickle does not help
            #expect(client.after(.milliseconds(500)).events == [])
        }
        let actions = client.after(.milliseconds(500))
        #expect(actions.events == [.end(stream, .stalled)])
        #expect(client.written(actions) == [.disconnect(id: 0)])
        #expect(client.machine.wantsBytes && client.machine.deadline == nil)
        #expect(client.receive(.data(1, 9)).delivered(other).readableBytes == 9)
    }

    @Test("a reader that takes a sixteenth of the budget in time goes on") func aSlowReaderGoesOn() throws {
        var client = try Self.small()
        let stream = try client.open()
        _ = try client.open()
        for _ in 0..<258 { _ = client.receive(.data(0, 4074)) }
        for _ in 0..<20 {
            #expect(client.after(.milliseconds(2900)).events == [])
            client.machine.consumed(17 * 4074, on: stream)
            for _ in 0..<17 { _ = client.receive(.data(0, 4074)) }
        }
        #expect(client.after(.milliseconds(2999)).events == [])
        #expect(client.after(.milliseconds(1)).events == [.end(stream, .stalled)])
    }

    @Test func aHundredStalledReadersCostOneStall() throws {
        var client = try Self.small()
        let streams = try (0..<100).map { _ in try client.open() }
        _ = try client.open()
        for _ in 0..<3 { for stream in streams { _ = client.receive(.data(UInt16(stream.rawValue), 4074)) } }
        #expect(!client.machine.wantsBytes)
        #expect(client.after(.milliseconds(2999)).events == [])
        var ended: Set<StreamID> = []
        for case .end(let stream, .stalled) in client.after(.milliseconds(1)) { ended.insert(stream) }
        #expect(ended == Set(streams))
        #expect(client.machine.wantsBytes)
        let now = client.now
        #expect(throws: Never.self) { try client.machine.open(Self.request, now: now) }
    }

    @Test func carriesUDPInTheDocumentDialect() throws {
        var client = try Client.loggedIn(dialect: .document)
        var packets = client.packets
        packets.dialect = .document
        let stream = try client.machine.open(StreamRequest(.host(Host("192.0.2.1"), port: 53, .udp)), now: client.now)
        guard case .write(let bytes)? = client.drain().first else { return #expect(Bool(false), "nothing written") }
        let request = JProxy.ConnectRequest(id: 0, host: Host("192.0.2.1"), port: 53)
        #expect(try packets.messages(bytes, from: .client) == [.associate(request, localPort: 0)])
        #expect(
            client.receive(packets.packet(.associateReply(id: 0, isAccepted: true, localPort: 0))) == [.opened(stream)])
        client.machine.send(ByteBuffer(string: "query"), on: stream)
        client.machine.send(ByteBuffer(repeating: 1, count: 4075), on: stream)  // too long for one packet
        #expect(client.drain() == [.write(packets.packet(.datagram(id: 0, ByteBuffer(string: "query"))))])
        let answer = ByteBuffer(string: "answer")
        #expect(client.receive(packets.packet(.datagram(id: 0, answer))) == [.deliver(stream, answer)])
        client.machine.reset(stream, nil)
        #expect(client.drain() == [.write(packets.packet(.dissociate(id: 0)))])
    }
}

extension JProxy.Message {
    var isDisconnect: Bool { if case .disconnect = self { true } else { false } }
}
