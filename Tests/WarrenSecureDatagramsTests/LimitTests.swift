// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenSecureDatagrams

@Suite(.everyWay) struct LimitTests {
    /// A request of a new client.
    private func request(_ key: SD.InitiatorKey, seed: UInt64 = 1) -> ByteBuffer {
        var client = SD.Initiator(key: key, random: SeededRandom(seed), now: start)
        return client.poll(now: start) ?? ByteBuffer()
    }

    @Test(arguments: Mode.allCases) func keepsNothingBeforeTheCookie(mode: Mode) {
        var limits = SD.Limits()
        limits.alwaysCookies = true
        let world = World(mode.keys, limits: limits)
        world.pump()
        world.server.input(world.sentByClient[0], from: world.address, now: world.now)
        #expect(world.server.clients.isEmpty && world.server.indices.isEmpty)
        #expect(world.server.counters.cookies == 1)
        world.run(.seconds(1))
        #expect(world.client.state == .up && world.server.count == 1)
        // Without a pause: the cookie is answered at once.
        #expect(world.sentByClient.filter { SD.Kind(of: $0) == .request }.count == 2)
        world.run(.seconds(600))
        #expect(world.client.state == .up)
    }

    @Test func takesACookieFromItsAddressOnlyAndForFourMinutesAtMost() {
        let keys = Mode.shared.keys
        var limits = SD.Limits()
        limits.alwaysCookies = true
        let world = World(keys, limits: limits)
        world.pump()
        world.server.input(world.sentByClient[0], from: world.address, now: world.now)
        while let outgoing = world.server.poll(now: world.now) {
            world.client.input(outgoing.datagram, now: world.now)
        }
        world.pump()
        let second = world.sentByClient[1]
        for (from, later, isTaken) in [
            (address(2), 0, false), (address(1, port: 4001), 0, false), (address(1), 0, true), (address(1), 200, true),
            (address(1), 241, false), (address(1), 1000, false),
        ] {
            var server = world.server
            // The secret changes when it is asked for.
            for asked in stride(from: 0, through: Int64(later), by: 50) {
                server.input(world.sentByClient[0], from: address(3), now: world.now + .seconds(asked))
            }
            let before = server.clients.count
            server.input(second, from: from, now: world.now + .seconds(Int64(later)))
            #expect((server.clients.count > before) == isTaken, "\(from) after \(later)")
        }
    }

    @Test func asksForCookiesWhenManyCome() {
        let keys = Mode.shared.keys
        var limits = SD.Limits()
        limits.handshakesBeforeCookies = 10
        var server = SD.Listener(key: keys.server, limits: limits, random: SeededRandom(3), now: start)
        for number in 0..<UInt32(30) {
            server.input(self.request(keys.client, seed: UInt64(number)), from: address(number), now: start)
        }
        #expect(server.clients.count == 10 && server.counters.cookies == 20)
        server.input(self.request(keys.client, seed: 99), from: address(99), now: start + .seconds(1))
        #expect(server.clients.count == 11)
    }

    @Test func aForgedCookieCostsOneRequest() {
        let world = World(Mode.pair.keys)
        world.pump()
        for _ in 0..<50 {
            var forged = ByteBuffer(integer: SD.Kind.cookie.rawValue)
            forged.writeImmutableBuffer(world.sentByClient[0].getSlice(at: 1, length: 4) ?? ByteBuffer())
            forged.writeBytes(world.random.bytes(44).readableBytesView)
            world.client.input(forged, now: world.now)
        }
        world.pump()
        #expect(world.sentByClient.count == 1 && world.client.counters.forged == 50)
    }

    @Test func limitsHandshakesBySource() {
        let keys = Mode.shared.keys
        var server = SD.Listener(key: keys.server, random: SeededRandom(3), now: start)
        for number in 0..<30 {
            server.input(self.request(keys.client, seed: UInt64(number)), from: address(1), now: start)
        }
        #expect(server.clients.count == 20 && server.counters.limited == 10)
        server.input(self.request(keys.client, seed: 77), from: address(2), now: start)
        #expect(server.clients.count == 21)
        let later = start + .seconds(1)
        for number in 100..<130 {
            server.input(self.request(keys.client, seed: UInt64(number)), from: address(1), now: later)
        }
        #expect(server.clients.count == 26)
    }

    @Test func countsAnIPv6NetworkAsOneSource() {
        var random = Random(SeededRandom(5))
        var limiter = SourceLimiter(SD.Limits(), &random)
        let admitted = (0..<1000).filter { limiter.admits(IPAddress(high: 7, low: UInt64($0)), now: start) }.count
        #expect(admitted == 20)
        let isOtherAdmitted = limiter.admits(IPAddress(high: 8, low: 0), now: start)
        #expect(isOtherAdmitted)
    }

    @Test func countsAnyNumberOfSourcesInATableOfOneSize() {
        var random = Random(SeededRandom(5))
        var limiter = SourceLimiter(SD.Limits(), &random)
        #expect(limiter.count == 4096)
        for number in 0..<UInt32(100_000) { _ = limiter.admits(IPAddress(v4: number &* 2_654_435_761), now: start) }
        #expect(limiter.count == 4096)
        var odd = SD.Limits()
        for (asked, count) in [(-1, 1), (0, 1), (3, 4), (Int.max, 1 << 20)] {
            odd.sourceTable = asked
            #expect(SourceLimiter(odd, &random).count == count)
        }
    }

    @Test func limitsSessions() {
        let keys = Mode.shared.keys
        var limits = SD.Limits()
        limits.sessions = 3
        var server = SD.Listener(key: keys.server, limits: limits, random: SeededRandom(3), now: start)
        for number in 0..<UInt32(5) {
            server.input(self.request(keys.client, seed: UInt64(number)), from: address(number), now: start)
        }
        #expect(server.pending == 3 && server.counters.limited == 2)
        while server.poll(now: start) != nil {}
        let later = start + .seconds(31)
        while server.poll(now: later) != nil {}
        // Nobody has confirmed; nothing is kept, and nothing was told.
        #expect(server.clients.isEmpty && server.indices.isEmpty && server.pending == 0)
        #expect(server.nextEvent() == nil && server.deadline == nil)
    }

    @Test func theQueueOfAnswersIsBounded() {
        let keys = Mode.shared.keys
        var limits = SD.Limits()
        limits.alwaysCookies = true
        var server = SD.Listener(key: keys.server, limits: limits, random: SeededRandom(3), now: start)
        let request = self.request(keys.client)
        for _ in 0..<1100 { server.input(request, from: address(1), now: start) }
        #expect(server.datagrams.count == 1024)
    }
}
