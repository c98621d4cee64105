// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenTesting

@testable import WarrenSecureDatagrams

@Suite struct MovingTests {
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
}
