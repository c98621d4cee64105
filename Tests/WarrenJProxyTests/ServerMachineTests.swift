// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenJProxy

@Suite("jProxy server machine")
struct ServerMachineTests {
    typealias Server = Harness<JProxy.ServerMachine>
    static let request = StreamRequest(.tcp(Host("192.0.2.1"), port: 80))
    static func connect(_ id: UInt16) -> JProxy.Message { .connect(.init(id: id, host: Host("192.0.2.1"), port: 80)) }

    @Test("accepts a login in chunks of any size", arguments: 1...40)
    func login(chunk: Int) throws {
        var server = Server(JProxy.ServerMachine(.init(), random: ScriptedRandom(bytes: Server.key)), key: Server.key)
        let actions = Chunks.of(chunk, Server.login).flatMap { server.receive($0) }
        #expect(
            actions == [
                .write(ByteBuffer(bytes: Array("jProxy".utf8) + [0])),
                .authenticate(Claim(identity: Array(repeating: 0xAB, count: 32))),
            ])
        server.machine.judged(.accepted(name: "alice", credential: try TestKeys.pair.user.publicKey))
        guard case .write(let reply)? = server.machine.next(now: server.now, writable: false) else {
            return #expect(Bool(false), "no reply")
        }
        #expect(reply.readableBytes == 257 && reply.getInteger(at: 0, as: UInt8.self) == 0)
        #expect(server.drain() == [.ready])
        #expect(server.machine.deadline == nil)
    }

    @Test func takesPacketsThatCameBehindTheLogin() throws {
        var server = Server(JProxy.ServerMachine(.init(), random: ScriptedRandom(bytes: Server.key)), key: Server.key)
        var early = Server.login
        early.writeImmutableBuffer(server.packets.packets([Self.connect(3), .data(3, 20000 / 8)]))
        #expect(server.receive(early).count == 2)
        server.machine.judged(.accepted(name: "alice", credential: try TestKeys.pair.user.publicKey))
        #expect(server.drain().events == [.ready, .open(StreamID(3), Self.request)])
    }

    @Test func waitsWithReadingWhileTheJudgeThinks() throws {
        var server = Server(JProxy.ServerMachine(.init()), key: Server.key)
        _ = server.receive(Server.login)
        #expect(server.machine.wantsBytes)
        _ = server.receive(ByteBuffer(repeating: 0, count: 16 << 10))
        #expect(!server.machine.wantsBytes)
    }

    @Test func denies() {
        var server = Server(JProxy.ServerMachine(.init()), key: Server.key)
        _ = server.receive(Server.login)
        server.machine.judged(.denied)
        #expect(server.drain() == [.write(ByteBuffer(bytes: [1])), .close(.denied)])
        #expect(server.receive(Server.login) == [])
    }

    @Test func closesWhenHelloOrLoginTakesTooLong() {
        var server = Server(JProxy.ServerMachine(.init()), key: Server.key)
        #expect(server.machine.deadline == server.now + .seconds(10))
        #expect(server.after(.milliseconds(9999)) == [])
        #expect(server.receive(ByteBuffer(bytes: Array("jProxy".utf8) + [3, 9])).count == 1)
        #expect(server.machine.hello.minor == 9)
        #expect(server.after(.milliseconds(9999)) == [])
        #expect(server.after(.milliseconds(1)) == [.close(.timedOut(phase: "login"))])
        #expect(server.machine.deadline == nil)
        var silent = Server(JProxy.ServerMachine(.init()), key: Server.key)
        #expect(silent.after(.seconds(10)) == [.close(.timedOut(phase: "hello"))])
    }

    @Test func reportsTheTimeOfTheConnect() throws {
        var server = try Server.loggedIn()
        #expect(server.receive(Self.connect(9)) == [.open(StreamID(9), Self.request)])
        server.now = server.now + .milliseconds(1234)
        server.machine.accept(StreamID(9))
        #expect(server.written(server.drain()) == [.connectReply(.init(id: 9, fault: nil, milliseconds: 1234))])
    }

    @Test(
        "answers a failed connect, then forgets it",
        arguments: [
            (.refused, .refused, 70), (.timedOut, .timedOut, 70), (.unreachable, .unreachable, 70),
            (.unknownHost, .unknownHost, 65535), (.limit, .limit, 65535), (.notAllowed, .failed, 65535),
        ] as [(StreamFault, StreamFault, UInt16)])
    func failedConnect(fault: StreamFault, told: StreamFault, milliseconds: UInt16) throws {
        var server = try Server.loggedIn()
        _ = server.receive(Self.connect(9), .data(9, 5))
        server.now = server.now + .milliseconds(70)
        server.machine.reset(StreamID(9), fault)
        #expect(
            server.written(server.drain()) == [.connectReply(.init(id: 9, fault: told, milliseconds: milliseconds))])
        #expect(server.receive(.data(9, 5)) == [])
        #expect(server.receive(Self.connect(9)) == [.open(StreamID(9), Self.request)])
    }

    @Test func answersASenselessAddressWithFailure() throws {
        var server = try Server.loggedIn()
        let actions = server.receive(.connect(.init(id: 4, host: nil, port: 1)))
        #expect(server.written(actions) == [.connectReply(.init(id: 4, fault: .failed, milliseconds: 0xFFFF))])
    }

    @Test func keepsEarlyDataUntilTheTargetIsThere() throws {
        var server = try Server.loggedIn()
        #expect(server.receive(Self.connect(1), .data(1, 3), .data(1, 4)).count == 1)
        server.machine.accept(StreamID(1))
        #expect(server.drain().delivered(StreamID(1)).readableBytes == 7)
        #expect(server.receive(.data(1, 2)).delivered(StreamID(1)).readableBytes == 2)
    }

    @Test func stopsReadingWhenEarlyDataPilesUpAndEndsTheStreamAfterAWhile() throws {
        var configuration = JProxy.ServerConfiguration()
        configuration.limits.budget = 1 << 20
        var server = try Server.loggedIn(configuration)
        _ = server.receive(Self.connect(1))
        _ = server.receive(Self.connect(2))
        for _ in 0..<257 { _ = server.receive(.data(1, 4074)) }
        #expect(server.machine.wantsBytes)
        _ = server.receive(.data(1, 4074))
        #expect(!server.machine.wantsBytes)
        #expect(server.after(.milliseconds(2999)) == [])
        let actions = server.after(.milliseconds(1))
        #expect(actions.events == [.end(StreamID(1), .stalled)])
        #expect(server.written(actions) == [.connectReply(.init(id: 1, fault: .failed, milliseconds: 0xFFFF))])
        #expect(server.machine.wantsBytes)
    }

    @Test func sendsWhatIsQueuedBeforeTheDisconnect() throws {
        var server = try Server.loggedIn()
        server.open(1)
        server.machine.send(ByteBuffer(repeating: 1, count: 5000), on: StreamID(1))
        server.machine.finish(StreamID(1))
        let actions = server.drain()
        #expect(server.written(actions) == [.data(1, 4074, of: 1), .data(1, 926, of: 1), .disconnect(id: 1)])
        #expect(actions.events == [.end(StreamID(1), nil)])
        server.open(1)
        server.machine.send(ByteBuffer(repeating: 1, count: 50), on: StreamID(1))
        server.machine.reset(StreamID(1), nil)
        #expect(server.receive(.data(1, 1)).events == [])
        server.open(2)
    }

    @Test func orderlyEndAndResetSendTheQueueAndAnotherFaultDropsIt() throws {
        var server = try Server.loggedIn()
        for (fault, expected) in [
            (nil, [.data(1, 50, of: 1), .disconnect(id: 1)]),
            (.aborted, [.data(1, 50, of: 1), .disconnect(id: 1)]),
            (.idle, [.disconnect(id: 1)]),
        ] as [(StreamFault?, [JProxy.Message])] {
            server.open(1)
            server.machine.send(ByteBuffer(repeating: 1, count: 50), on: StreamID(1))
            server.machine.reset(StreamID(1), fault)
            let actions = server.drain()
            #expect(server.written(actions) == expected)
            #expect(actions.events == [])
        }
    }

    @Test func lingersForTheClientIfTold() throws {
        var server = try Server.loggedIn(.init(linger: .seconds(2)))
        server.open(1)
        server.machine.finish(StreamID(1))
        #expect(server.drain() == [])
        #expect(server.after(.seconds(1)) == [])
        #expect(server.receive(.data(1, 5)).events.count == 1)
        #expect(server.after(.milliseconds(1999)) == [])
        let actions = server.after(.milliseconds(1))
        #expect(actions.events == [.end(StreamID(1), nil)])
        #expect(server.written(actions) == [.disconnect(id: 1)])
    }

    @Test func disconnectFromTheClientEndsAfterItsDataAndGetsNoAnswer() throws {
        var server = try Server.loggedIn()
        server.open(1)
        server.writable = false
        server.machine.send(ByteBuffer(repeating: 1, count: 50), on: StreamID(1))
        let actions = server.receive(.data(1, 5), .disconnect(id: 1), .data(1, 6), .disconnect(id: 1))
        #expect(actions == [.deliver(StreamID(1), ByteBuffer(repeating: 7, count: 5)), .end(StreamID(1), nil)])
        server.writable = true
        #expect(server.drain() == [])
    }

    @Test func connectOnALiveIDReplacesTheStream() throws {
        var server = try Server.loggedIn()
        server.open(1)
        server.writable = false
        server.machine.send(ByteBuffer(repeating: 1, count: 50), on: StreamID(1))
        server.machine.receive(server.packets.packets([.data(1, 5), Self.connect(1), .data(1, 6)]))
        #expect(server.machine.next(now: server.now, writable: false)?.isDelivery == true)
        #expect(server.machine.next(now: server.now, writable: false) == .end(StreamID(1), nil))
        // Late commands for the old stream do not touch the new one.
        server.machine.reset(StreamID(1), .aborted)
        server.machine.send(ByteBuffer(repeating: 2, count: 50), on: StreamID(1))
        server.writable = true
        #expect(server.drain() == [.open(StreamID(1), Self.request)])
        server.machine.accept(StreamID(1))
        let actions = server.drain()
        #expect(server.written(actions) == [.connectReply(.init(id: 1, fault: nil, milliseconds: 0))])
        #expect(actions.delivered(StreamID(1)).readableBytes == 6)
    }

    @Test func pausesAndResumesTheSource() throws {
        var server = try Server.loggedIn()
        server.open(1)
        server.writable = false
        server.machine.send(ByteBuffer(repeating: 1, count: (128 << 10) - 1), on: StreamID(1))
        #expect(server.drain() == [])
        server.machine.send(ByteBuffer(repeating: 1, count: 1), on: StreamID(1))
        #expect(server.drain() == [.pause(StreamID(1))])
        server.writable = true
        let actions = server.drain()
        #expect(actions.events == [.resume(StreamID(1))])
        #expect(server.written(actions).count == 33)
    }

    @Test func controlGoesBeforeBulk() throws {
        var server = try Server.loggedIn()
        server.open(1)
        server.machine.send(ByteBuffer(repeating: 1, count: 100_000), on: StreamID(1))
        _ = server.receive(Self.connect(2)).count
        server.machine.send(ByteBuffer(repeating: 1, count: 300_000), on: StreamID(1))
        server.machine.accept(StreamID(2))
        server.machine.send(ByteBuffer(repeating: 2, count: 10), on: StreamID(2))
        let messages = server.written(server.drain())
        #expect(messages.first == .connectReply(.init(id: 2, fault: nil, milliseconds: 0)))
        #expect((messages.firstIndex(of: .data(2, 10, of: 2)) ?? 99) <= 9)
    }

    @Test func doesNotReadOnFromAPeerThatDoesNotRead() throws {
        var server = try Server.loggedIn()
        server.writable = false
        for _ in 0..<4000 {
            guard server.machine.wantsBytes else { break }
            #expect(server.receive(.connect(.init(id: 4, host: nil, port: 1))) == [])
        }
        #expect(!server.machine.wantsBytes)
        server.writable = true
        #expect(server.drain().count == 1)
        #expect(server.machine.wantsBytes)
    }

    @Test func endsWithTheCarrier() throws {
        var server = try Server.loggedIn()
        server.open(1)
        server.machine.receive(server.packets.packet(.data(1, 5)))
        server.machine.receiveEnd()
        #expect(server.drain() == [.deliver(StreamID(1), ByteBuffer(repeating: 7, count: 5)), .close(.finished)])
        var cut = try Server.loggedIn()
        _ = cut.receive(ByteBuffer(bytes: [2, 1, 2, 3]))
        cut.machine.receiveEnd()
        #expect(cut.drain() == [.close(.violation(WireError(.truncated, in: "packet")))])
        var early = Server(JProxy.ServerMachine(.init()), key: Server.key)
        early.machine.receiveEnd()
        #expect(early.drain() == [.close(.carrierLost("the client left in hello"))])
    }

    @Test(
        "lenient by default, strict on demand",
        arguments: [
            ("00", "packet.blocks"), ("msg:21000100324444", "data.length"), ("msg:99", "message.type"),
            ("msg:4100", "disconnect.id"),
            ("msg:02", "message.type"), ("msg:22000100014444", "message.type"),
        ])
    func strictness(input: String, field: String) throws {
        for strict in [false, true] {
            var server = try Server.loggedIn(.init(strict: strict))
            let bytes = ByteBuffer(hex: input.hasPrefix("msg:") ? String(input.dropFirst(4)) : input)
            let actions = server.receive(input.hasPrefix("msg:") ? server.packets.packet(plain: bytes.array) : bytes)
            guard strict else {
                #expect(actions == [])
                server.open(1)
                continue
            }
            guard case .close(.violation(let error))? = actions.last else {
                Issue.record("not closed")
                continue
            }
            #expect(error.field == field)
        }
    }

    @Test func carriesUDPInTheDocumentDialect() throws {
        var server = try Server.loggedIn(.init(dialect: .document))
        var packets = server.packets
        packets.dialect = .document
        let request = JProxy.ConnectRequest(id: 258, host: Host("192.0.2.1"), port: 53)
        let stream = StreamID(258)
        let open = server.receive(packets.packets([.associate(request, localPort: 7)]))
        #expect(open == [.open(stream, StreamRequest(.host(Host("192.0.2.1"), port: 53, .udp)))])
        server.machine.accept(stream)
        for size in [3, 4] { server.machine.send(ByteBuffer(repeating: 1, count: size), on: stream) }
        guard case .write(let bytes)? = server.drain().first else { return #expect(Bool(false), "nothing written") }
        #expect(
            try packets.messages(bytes, from: .server) == [
                .associateReply(id: 258, isAccepted: true, localPort: 7),
                .datagram(id: 258, ByteBuffer(repeating: 1, count: 3)),
                .datagram(id: 258, ByteBuffer(repeating: 1, count: 4)),
            ])
        let one = ByteBuffer(string: "one")
        let actions = server.receive(
            packets.packets([
                .datagram(id: 258, one), .datagram(id: 258, one), .dissociate(id: 258), .datagram(id: 258, one),
            ]))
        #expect(actions == [.deliver(stream, one), .deliver(stream, one), .end(stream, nil)])
    }
}

extension SessionAction {
    var isDelivery: Bool { if case .deliver = self { true } else { false } }
}
