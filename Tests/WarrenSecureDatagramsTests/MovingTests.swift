// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenTesting

@testable import WarrenSecureDatagrams

@Suite(.everyWay) struct MovingTests {
    @Test func followsAClientWhoseAddressChanges() throws {
        let world = World(Mode.shared.keys)
        world.run(.seconds(1))
        let id = try #require(world.session)
        world.address = address(2, port: 9)
        #expect(world.clientSends(payload(1)))
        world.run(.seconds(1))
        #expect(Array(world.serverEvents.suffix(2)) == [.moved(id, to: address(2, port: 9)), .payload(id, payload(1))])
        var datagram = ByteBuffer()
        let to = world.server.seal(payload(2), for: id, into: &datagram, now: world.now)
        #expect(to == address(2, port: 9))
    }

    @Test func doesNotFollowWhatCameLateOrTwiceOrForged() {
        let world = World(Mode.shared.keys)
        world.run(.seconds(1))
        var datagrams = [ByteBuffer(), ByteBuffer()]
        for at in datagrams.indices { _ = world.client.seal(payload(at), into: &datagrams[at], now: world.now) }
        world.server.input(datagrams[1], from: world.address, now: world.now)
        // Overtaken, from elsewhere: the payload counts, the address does not.
        world.server.input(datagrams[0], from: address(7), now: world.now)
        world.server.input(datagrams[1], from: address(8), now: world.now)
        var forged = ByteBuffer()
        _ = world.client.seal(payload(3), into: &forged, now: world.now)
        let last = forged.getInteger(at: forged.writerIndex - 1, as: UInt8.self) ?? 0
        forged.setInteger(last ^ 1, at: forged.writerIndex - 1)
        world.server.input(forged, from: address(9), now: world.now)
        world.pump()
        #expect(world.serverGot == [payload(1), payload(0)])
        #expect(!world.serverEvents.contains { if case .moved = $0 { true } else { false } })
        #expect(world.server.clients.values.map(\.address) == [world.address])
        #expect(world.server.counters.replayed == 1 && world.server.counters.forged == 1)
    }

    @Test func followsAcrossNewKeys() {
        let world = World(Mode.shared.keys)
        world.run(.seconds(119))
        world.address = address(3)
        world.run(.seconds(5))
        #expect(world.serverEvents.contains { if case .moved(_, let to) = $0 { to == address(3) } else { false } })
        #expect(world.serverSends(payload(1)))
        world.run(.seconds(1))
        #expect(world.clientGot == [payload(1)] && world.server.count == 1)
    }

    @Test("a client that comes to another listener of the port is passed on, with payload and for new keys")
    func comesToAnotherPart() throws {
        let keys = Mode.pair.keys
        var parts = (0..<3).map { number in
            SD.Listener(
                key: keys.server, part: .init(number, of: 3), random: SeededRandom(UInt64(number)), now: start)
        }
        var client = SD.Initiator(key: keys.client, random: SeededRandom(9), now: start)
        var (now, got, passed) = (start, [ByteBuffer](), 0)

        /// - Parameter part: to which all that the client says comes.
        func turn(at part: Int, saying payload: ByteBuffer? = nil) {
            var datagrams: [ByteBuffer] = []
            while let datagram = client.poll(now: now) { datagrams.append(datagram) }
            var sealed = ByteBuffer()
            if let payload, client.seal(payload, into: &sealed, now: now) { datagrams.append(sealed) }
            for datagram in datagrams {
                parts[part].input(datagram, from: address(1), now: now)
                while let event = parts[part].nextEvent() {
                    if case .payload(_, let bytes) = event { got.append(bytes) }
                    guard case .elsewhere(let other) = event else { continue }
                    passed += 1
                    parts[other].input(datagram, from: address(1), isPassedOn: true, now: now)
                    while let event = parts[other].nextEvent() {
                        if case .payload(_, let bytes) = event { got.append(bytes) }
                        #expect(event != .elsewhere(part))
                    }
                }
            }
            for number in parts.indices {
                while let outgoing = parts[number].poll(now: now) { client.input(outgoing.datagram, now: now) }
            }
            while client.nextEvent() != nil {}
        }

        for _ in 0..<4 { turn(at: 1) }
        #expect(client.state == .up && parts.map(\.count) == [0, 1, 0])
        turn(at: 2, saying: payload(1))
        #expect(got == [payload(1)] && passed == 1)
        // Past two ends of keys, all of it by way of another.
        for second in 1...400 {
            now = start + .seconds(Int64(second))
            turn(at: 0, saying: payload(2))
        }
        #expect(client.state == .up && parts.map(\.count) == [0, 1, 0])
        #expect(got.count == 401 && passed > 401)
    }
}
