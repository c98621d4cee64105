// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenTesting

@testable import WarrenSecureDatagrams

@Suite(.everyWay) struct HandshakeTests {
    @Test(arguments: Mode.allCases) func comesUpAndCarriesPayloadBothWays(mode: Mode) {
        let world = World(mode.keys)
        #expect(world.client.state == .handshaking)
        #expect(!world.clientSends(payload(0)))
        world.run(.seconds(1))
        #expect(world.client.state == .up)
        #expect(world.clientEvents == [.up])
        #expect(world.server.count == 1)
        guard case .up(_, let from, let client) = world.serverEvents.first else {
            Issue.record("no session")
            return
        }
        #expect(from == world.address)
        #expect((client != nil) == (mode == .pair))
        #expect(world.clientSends(payload(1)))
        #expect(world.serverSends(payload(2)))
        world.run(.seconds(1))
        #expect(world.serverGot == [payload(1)])
        #expect(world.clientGot == [payload(2)])
    }

    @Test(arguments: Mode.allCases) func answersWithLessThanItWasAsked(mode: Mode) {
        for always in [false, true] {
            var limits = SD.Limits()
            limits.alwaysCookies = always
            let world = World(mode.keys, limits: limits)
            world.pump()
            let request = world.sentByClient[0].readableBytes
            #expect(request == (mode == .shared ? 114 : 162))
            world.run(.milliseconds(1))
            #expect(world.sentByServer.map(\.readableBytes) == [always ? 49 : 74])
        }
    }

    @Test func overheadIsWhatItSays() {
        let world = World(Mode.shared.keys)
        world.run(.seconds(1))
        for length in [0, 1, 16, 1200, SD.longestPayload] {
            var datagram = ByteBuffer()
            let isSealed = world.client.seal(
                ByteBuffer(repeating: 1, count: length), into: &datagram, now: world.now)
            #expect(isSealed)
            #expect(datagram.readableBytes == length + 29)
        }
        var datagram = ByteBuffer()
        let tooLong = ByteBuffer(repeating: 1, count: SD.longestPayload + 1)
        let isTooLongSealed = world.client.seal(tooLong, into: &datagram, now: world.now)
        #expect(!isTooLongSealed && datagram.readableBytes == 0)
    }

    @Test(arguments: Mode.allCases) func aWrongKeyGetsNoAnswerAndAClearEnd(mode: Mode) {
        let (right, wrong) = (mode.keys, mode.keys)
        let world = World((wrong.client, right.server))
        world.run(.seconds(60))
        #expect(world.sentByServer.isEmpty)
        #expect(world.clientEvents == [.failed(.noAnswer)])
        #expect(world.client.deadline == nil)
        #expect(world.sentByClient.count < 12)
        #expect(world.server.clients.isEmpty && world.server.counters.strangers == world.sentByClient.count)
    }

    @Test func aClientThatIsNotInTheListGetsNoAnswer() {
        let (stranger, known, server) = (SD.PrivateKey(), SD.PrivateKey(), SD.PrivateKey())
        let world = World(
            (.pair(own: stranger, server: server.publicKey), .pair(own: server, clients: [known.publicKey])))
        world.run(.seconds(60))
        #expect(world.sentByServer.isEmpty)
        #expect(world.clientEvents == [.failed(.noAnswer)])
        #expect(world.server.counters.refused == world.sentByClient.count)
    }

    /// The first six datagrams of both ends, each lost or not.
    @Test func comesUpWhateverIsLostOfTheFirstSix() {
        let keys = Mode.shared.keys
        for mask in 0..<64 {
            let world = World(keys, seed: UInt64(mask))
            world.passes = { $0 >= 6 || mask & (1 << $0) == 0 }
            world.run(.seconds(29))
            #expect(world.client.state == .up, "mask \(mask)")
            // Payload that is lost stays lost; it may be among the first six.
            world.passes = { _ in true }
            #expect(world.clientSends(payload(1)))
            world.run(.seconds(1))
            #expect(world.serverSends(payload(2)))
            world.run(.seconds(1))
            #expect(world.serverGot.last == payload(1) && world.clientGot.last == payload(2), "mask \(mask)")
        }
    }

    /// Seeded: lost, doubled, overtaken, with payload both ways over several changes of keys.
    @Test func carriesEachPayloadOnceOrNever() {
        var timing = SD.Timing()
        timing.rekeyAfter = .seconds(20)
        timing.rejectAfter = .seconds(60)
        let runs = UInt64(max(ModelRuns.count / 10, 1))
        var wentDown = 0
        for seed in 0..<runs {
            let world = World(Mode.allCases[Int(seed % 2)].keys, seed: seed, timing: timing)
            world.loss = Int(seed * 7 % 31)
            world.doubles = Int(seed * 11 % 31)
            world.longestDelay = [1, 50, 700][Int(seed % 3)]
            var number = 0
            for _ in 0..<70 {
                for _ in 0..<2 {
                    number += 1
                    if Bool.random(using: &world.random) { world.clientSends(payload(number)) }
                    if Bool.random(using: &world.random) { world.serverSends(payload(number)) }
                }
                world.run(.seconds(1))
            }
            for got in [world.serverGot, world.clientGot] { #expect(Set(got).count == got.count, "seed \(seed)") }
            (world.loss, world.doubles, world.longestDelay) = (0, 0, 1)
            world.run(.seconds(40))
            guard world.client.state == .up else {
                // An end is told, and only a network that lost a lot brings it.
                #expect(world.clientEvents.last == .failed(.noAnswer) || world.clientEvents.last == .failed(.forgotten))
                wentDown += 1
                continue
            }
            let before = (world.serverGot.count, world.clientGot.count)
            #expect(world.clientSends(payload(9001)) && world.serverSends(payload(9002)))
            world.run(.seconds(1))
            #expect(Array(world.serverGot.dropFirst(before.0)) == [payload(9001)], "seed \(seed)")
            #expect(Array(world.clientGot.dropFirst(before.1)) == [payload(9002)], "seed \(seed)")
            #expect(world.server.indices.count <= 3 * world.server.clients.count)
        }
        #expect(wentDown <= runs / 20)
    }

    @Test func endsWhoIsNotAllowedAnyMore() throws {
        let (client, server, other) = (SD.PrivateKey(), SD.PrivateKey(), SD.PrivateKey().publicKey)
        let keys: (client: SD.InitiatorKey, server: SD.ListenerKey) = (
            .pair(own: client, server: server.publicKey), .pair(own: server, clients: [client.publicKey])
        )
        let world = World(keys)
        world.run(.seconds(1))
        let id = try #require(world.session)
        world.server.allow([client.publicKey, other])
        #expect(world.clientSends(payload(1)))
        world.run(.seconds(1))
        #expect(world.serverGot == [payload(1)])
        world.server.allow([other])
        world.pump()
        #expect(world.serverEvents.last == .ended(id, .closed) && world.server.count == 0)
        // It asks, hears nothing, and gives up.
        world.run(.seconds(200))
        #expect(world.server.counters.refused > 0 && world.server.count == 0)
    }

    @Test("asks as often as it is told before it is up, so that a network that comes back is found soon")
    func asksOftenInTheDark() {
        var timing = SD.Timing()
        timing.longestFirstRetry = .milliseconds(1300)
        let world = World(Mode.shared.keys, timing: timing)
        var isDark = true
        world.passes = { _ in !isDark }
        world.run(.seconds(5))
        #expect(world.sentByClient.count == 5)  // after 0, 1, 2.3, 3.6 and 4.9 s
        isDark = false
        world.run(.milliseconds(1300))
        #expect(world.client.state == .up)
        // New keys of a session that is up have time: its datagrams pass meanwhile.
        isDark = true
        let before = world.sentByClient.count
        world.run(.seconds(130))
        let (asked, left) = (world.sentByClient.count - before, Int64(10))
        #expect(world.client.state == .rekeying && asked <= 3 + left / 5 + 2)
    }
}
