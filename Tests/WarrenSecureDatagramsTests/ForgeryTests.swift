// SPDX-License-Identifier: Apache-2.0

import Crypto
import NIOCore
import Testing
import WarrenTesting

@testable import WarrenSecureDatagrams

@Suite(.everyWay) struct ForgeryTests {
    /// Changes bytes, cuts, lengthens, mixes two datagrams, or makes one up.
    private func mutate(_ corpus: [ByteBuffer], _ random: inout SeededRandom) -> ByteBuffer {
        var bytes = corpus.randomElement(using: &random)?.array ?? []
        switch Int.random(in: 0..<6, using: &random) {
        case 0: bytes = Array(bytes.prefix(Int.random(in: 0..<max(bytes.count, 1), using: &random)))
        case 1: bytes += random.bytes(Int.random(in: 1...40, using: &random)).array
        case 2: bytes = random.bytes(Int.random(in: 0...200, using: &random)).array
        case 3:
            let other = corpus.randomElement(using: &random)?.array ?? []
            let cut = Int.random(in: 1...13, using: &random)
            bytes = Array(other.prefix(cut)) + Array(bytes.dropFirst(cut))
        default:
            for _ in 0..<Int.random(in: 1...3, using: &random) where !bytes.isEmpty {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] ^= UInt8.random(in: 1...255, using: &random)
            }
        }
        return ByteBuffer(bytes: bytes)
    }

    @Test(arguments: Mode.allCases) func forgedDatagramsChangeNothing(mode: Mode) {
        let world = World(mode.keys, seed: 9)
        world.run(.seconds(1))
        for number in 0..<4 {
            world.clientSends(payload(number))
            world.serverSends(payload(number))
        }
        world.run(.seconds(1))
        let corpus = world.sentByClient + world.sentByServer
        // A request is the same with another mac2: nobody asked for one.
        func essence(_ datagram: ByteBuffer) -> ByteBuffer {
            guard SD.Kind(of: datagram) == .request else { return datagram }
            return datagram.getSlice(at: datagram.readerIndex, length: max(datagram.readableBytes - 16, 0)) ?? datagram
        }
        let genuine = Set(corpus.map(essence))
        var random = SeededRandom(1)
        let (events, sent) = ((world.serverEvents, world.clientEvents), world.sentByServer.count)
        let (indices, state) = (world.server.indices, world.client.state)
        for _ in 0..<50 * ModelRuns.count {
            let datagram = self.mutate(corpus, &random)
            if genuine.contains(essence(datagram)) { continue }
            world.server.input(datagram, from: address(66), now: world.now)
            world.client.input(datagram, now: world.now)
        }
        world.pump()
        #expect(world.serverEvents == events.0 && world.clientEvents == events.1)
        #expect(world.sentByServer.count == sent && world.server.indices == indices)
        #expect(world.client.state == state && world.server.clients.values.map(\.address) == [world.address])
        // And what is genuine still arrives.
        #expect(world.clientSends(payload(77)) && world.serverSends(payload(78)))
        world.run(.seconds(1))
        #expect(world.serverGot.last == payload(77) && world.clientGot.last == payload(78))
    }

    @Test(arguments: Mode.allCases) func forgedAnswersDoNotHinderAHandshake(mode: Mode) {
        for seed in 0..<UInt64(20) {
            let world = World(mode.keys, seed: seed)
            world.pump()
            world.server.input(world.sentByClient[0], from: world.address, now: world.now)
            guard let answer = world.server.poll(now: world.now)?.datagram else {
                Issue.record("no answer")
                return
            }
            var random = SeededRandom(seed)
            for _ in 0..<50 {
                let forged = self.mutate([answer], &random)
                if forged != answer { world.client.input(forged, now: world.now) }
            }
            #expect(world.client.state == .handshaking)
            world.client.input(answer, now: world.now)
            #expect(world.client.state == .up)
        }
    }

    @Test func whatOneEndSealedTheOtherDoesNotTakeForItsOwn() {
        let world = World(Mode.shared.keys)
        world.run(.seconds(1))
        var datagram = ByteBuffer()
        _ = world.client.seal(payload(1), into: &datagram, now: world.now)
        // Sent back to the client, as if it were the server's.
        let index = world.client.session.current?.local ?? 0
        datagram.setInteger(index, at: datagram.readerIndex + 1)
        datagram.setInteger(UInt64(9), at: datagram.readerIndex + 5)
        world.client.input(datagram, now: world.now)
        #expect(world.client.nextEvent() == nil && world.client.counters.forged == 1)
    }

    @Test func anotherClientOfTheSameKeyCannotTakeASessionOver() {
        let keys = Mode.shared.keys
        let world = World(keys)
        world.run(.seconds(1))
        // It knows the key and has seen the index, and asks for new keys; it has not the old ones.
        var thief = SD.Initiator(key: keys.client, random: SeededRandom(4), now: world.now)
        guard case .shared(let shared) = keys.client, let index = world.client.session.current?.remote else {
            Issue.record("no session")
            return
        }
        let noise = SD.Suite(SD.InitiatorKey.shared(shared)).handshake(
            isInitiator: true, index: 1, ephemeral: .init())
        thief.session.adopt(
            SD.TransportKeys(noise, isInitiator: true, local: 1, remote: index, born: world.now), now: world.now)
        guard let request = thief.poll(now: world.now) else {
            Issue.record("no request")
            return
        }
        let before = world.server.indices
        world.server.input(request, from: address(5), now: world.now)
        #expect(world.server.indices == before)
        #expect(world.server.clients.values.first?.session.next == nil)
        while let outgoing = world.server.poll(now: world.now) { thief.input(outgoing.datagram, now: world.now) }
        #expect(thief.state == .dead(.forgotten))
    }
}
