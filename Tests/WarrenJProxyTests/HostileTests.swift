// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenJProxy

/// Peers that send anything: no trap, no unbounded work, one close at most.
@Suite("jProxy hostile peers")
struct HostileTests {
    /// Drives a machine to the end of its input; returns how many steps it took.
    static func play(_ machine: inout some SessionMachine, _ bytes: ByteBuffer, _ random: inout SeededRandom) -> Int {
        var steps = 0
        var closes = 0
        for chunk in Chunks.random(bytes, most: 700, using: &random) + [nil] {
            if let chunk { machine.receive(chunk) } else { machine.receiveEnd() }
            while let action = machine.next(now: .uptimeNanoseconds(1), writable: true), steps < 100_000 {
                steps += 1
                switch action {
                case .authenticate: machine.judged(.denied)
                case .open(let stream, _) where steps % 3 == 0: machine.reset(stream, .refused)
                case .open(let stream, _): machine.accept(stream)
                case .deliver(let stream, let bytes):
                    machine.send(bytes, on: stream)
                    if steps % 2 == 0 { machine.consumed(bytes.readableBytes, on: stream) }
                    if steps % 5 == 0 { machine.finish(stream) }
                    if steps % 11 == 0 { machine.reset(stream, nil) }
                case .close: closes += 1
                default: break
                }
            }
        }
        #expect(closes == 1)
        return steps
    }

    @Test func mutatedHandshakes() throws {
        var random = SeededRandom(21)
        let client = try TestKeys.pair.client
        for _ in 0..<8000 {
            var bytes =
                Harness<JProxy.ServerMachine>.login.array + random.bytes(Int.random(in: 0...40, using: &random)).array
            for _ in 0..<Int.random(in: 0...3, using: &random) {
                bytes[Int.random(in: bytes.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            var server = JProxy.ServerMachine(.init())
            server.start(now: .uptimeNanoseconds(0))
            #expect(Self.play(&server, ByteBuffer(bytes: bytes), &random) <= 4)
            bytes[6] = UInt8.random(in: 0...1, using: &random)
            var machine = JProxy.ClientMachine(.init(key: client))
            machine.start(now: .uptimeNanoseconds(0))
            #expect(Self.play(&machine, ByteBuffer(bytes: bytes), &random) <= 4)
        }
    }

    @Test func mutatedPackets() throws {
        var random = SeededRandom(22)
        let server = try Harness<JProxy.ServerMachine>.loggedIn()
        let client = try Harness<JProxy.ClientMachine>.loggedIn()
        var opened = client
        for _ in 0..<4 { _ = try opened.open() }
        for round in 0..<12000 {
            var bytes = ByteBuffer()
            for _ in 0..<Int.random(in: 1...12, using: &random) {
                bytes.writeImmutableBuffer(Self.packet(server.packets, &random))
            }
            if round % 8 == 0 {
                let index = Int.random(in: 0..<bytes.readableBytes, using: &random)
                bytes.setInteger(UInt8.random(in: 0...255, using: &random), at: index)
            }
            if round % 2 == 0 {
                var machine = server.machine
                #expect(Self.play(&machine, bytes, &random) < 200)
            } else {
                var machine = opened.machine
                #expect(Self.play(&machine, bytes, &random) < 200)
            }
        }
    }

    /// A packet of a message that is nearly right.
    static func packet(_ packets: TestPackets, _ random: inout SeededRandom) -> ByteBuffer {
        let id = UInt16.random(in: 0...4, using: &random)
        let messages: [JProxy.Message] = [
            .connect(.init(id: id, host: Host("192.0.2.1"), port: 80)),
            .connect(.init(id: id, host: .name("host.example"), port: 80)),
            .connectReply(.init(id: id, fault: nil, milliseconds: 1)), .disconnect(id: id), .dissociate(id: id),
            .data(id: id, random.bytes(Int.random(in: 0...60, using: &random))), .datagram(id: id, random.bytes(3)),
            .associate(.init(id: id, host: Host("192.0.2.1"), port: 80), localPort: 1),
        ]
        var plain = ByteBuffer()
        plain.writeJProxyMessage(messages[Int.random(in: messages.indices, using: &random)], .deployed)
        var bytes = plain.array
        switch Int.random(in: 0..<6, using: &random) {
        case 0: bytes.removeLast(Int.random(in: 0...bytes.count, using: &random))
        case 1: bytes[Int.random(in: bytes.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
        case 2: bytes += random.bytes(Int.random(in: 0...20, using: &random)).array
        default: break
        }
        return packets.packet(plain: bytes)
    }

    @Test func mutatedExtensionMessages() throws {
        var random = SeededRandom(23)
        var server = try Harness<JProxy.ServerMachine>.extended()
        for id in 0...2 as ClosedRange<UInt16> { server.openWindowed(id, window: 3000) }
        server.open(3)
        var client = try Harness<JProxy.ClientMachine>.extended()
        for _ in 0..<3 { _ = try client.openWindowed(window: 3000) }
        _ = try client.machine.open(StreamRequest(.tcp(Host("192.0.2.1"), port: 80)), now: client.now)
        _ = client.drain()
        for round in 0..<20_000 {
            var bytes = ByteBuffer()
            for _ in 0..<Int.random(in: 1...12, using: &random) {
                bytes.writeImmutableBuffer(Self.extendedPacket(server.packets, &random))
            }
            if round % 2 == 0 {
                var machine = server.machine
                #expect(Self.play(&machine, bytes, &random) < 200)
            } else {
                var machine = client.machine
                #expect(Self.play(&machine, bytes, &random) < 200)
            }
        }
    }

    /// A packet of the extension, or of the deployed protocol, that is nearly right.
    static func extendedPacket(_ packets: TestPackets, _ random: inout SeededRandom) -> ByteBuffer {
        let id = UInt16.random(in: 0...5, using: &random)
        let window = [0, 1, 70_000, 1 << 31, .max][Int.random(in: 0..<5, using: &random)] as UInt32
        let fault = ExtensionWireTests.faults[Int.random(in: 0..<14, using: &random)]
        let messages: [JProxy.ExtendedMessage] = [
            .welcome(version: 1), .open(.init(id: id, host: Host("192.0.2.1"), port: 80), window: window),
            .opened(.init(id: id, fault: fault, milliseconds: 1), window: window), .credit(id: id, window),
            .credit(id: id, 100), .finish(id: id), .reset(id: id, fault), .ping(random.next()), .pong(1),
        ]
        guard Int.random(in: 0..<4, using: &random) > 0 else { return Self.packet(packets, &random) }
        var plain = ByteBuffer()
        plain.writeJProxyExtension(messages[Int.random(in: messages.indices, using: &random)])
        var bytes = plain.array
        switch Int.random(in: 0..<12, using: &random) {
        case 0: bytes.removeLast(Int.random(in: 0..<bytes.count, using: &random))
        case 1: bytes[Int.random(in: bytes.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
        case 2: bytes += random.bytes(Int.random(in: 0...20, using: &random)).array
        default: break
        }
        return packets.packet(plain: bytes)
    }

    @Test func aReadFullOfEmptyPacketsIsHarmless() throws {
        var server = try Harness<JProxy.ServerMachine>.loggedIn()
        #expect(server.receive(ByteBuffer(repeating: 0, count: 1 << 20)) == [])
        let tiny = server.packets.packet(.data(3, 1))
        let flood = ByteBuffer(bytes: (0..<3000).flatMap { _ in tiny.readableBytesView })
        #expect(server.receive(flood) == [])
        server.open(3)
        #expect(server.receive(flood).delivered(StreamID(3)).readableBytes == 3000)
    }
}
