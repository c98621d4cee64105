// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenTesting

@testable import WarrenSecureDatagrams

@Suite(.everyWay) struct RekeyTests {
    @Test(arguments: Mode.allCases) func losesNothingWhileKeysChange(mode: Mode) {
        let world = World(mode.keys)
        world.run(.seconds(1))
        let first = world.client.session.current?.local
        let session = world.session
        world.longestDelay = 40
        for number in 0..<6000 {
            #expect(world.clientSends(payload(number)) && world.serverSends(payload(number)))
            world.run(.milliseconds(100))
        }
        world.run(.seconds(1))
        #expect(Set(world.serverGot).count == 6000 && world.serverGot.count == 6000)
        #expect(Set(world.clientGot).count == 6000 && world.clientGot.count == 6000)
        #expect(world.client.session.current?.local != first)
        // Requests: the first, and one every 120 s.
        #expect(world.sentByClient.filter { SD.Kind(of: $0) == .request }.count == 6)
        #expect(world.session == session && world.server.count == 1)
        #expect(world.clientEvents.filter { $0 == .up }.count == 1)
    }

    @Test func staysUpWithoutPayload() {
        let world = World(Mode.shared.keys)
        world.run(.hours(1))
        #expect(world.client.state == .up && world.server.count == 1)
        #expect(world.server.indices.count <= 3)
    }

    @Test func changesKeysThatWereUsedOften() {
        var timing = SD.Timing()
        timing.rekeyAfterDatagrams = 50
        timing.rejectAfterDatagrams = 60
        let world = World(Mode.shared.keys, timing: timing)
        world.run(.seconds(1))
        for number in 0..<500 {
            #expect(world.clientSends(payload(number)))
            world.run(.milliseconds(10))
        }
        #expect(world.serverGot.count == 500)
        #expect(world.sentByClient.filter { SD.Kind(of: $0) == .request }.count >= 9)
        // The network has gone: the old keys are used up, and nothing more is sealed with them.
        world.passes = { _ in false }
        var sealed = 0
        while sealed < 1000, world.clientSends(payload(0)) { sealed += 1 }
        #expect(sealed <= 60)
    }

    @Test func tellsSilenceFromAge() {
        var timing = SD.Timing()
        timing.silence = .seconds(5)
        let world = World(Mode.shared.keys, timing: timing)
        world.run(.seconds(1))
        world.run(timing.rekeyAfter)
        // New keys by age, and nothing was said.
        #expect(!world.client.hearsNothing(now: world.now))
        world.passes = { _ in false }
        #expect(world.clientSends(payload(1)))
        world.run(.milliseconds(5999))
        #expect(!world.client.hearsNothing(now: world.now))
        world.run(.milliseconds(1))
        #expect(world.client.hearsNothing(now: world.now) && world.client.state == .rekeying)
        world.passes = { _ in true }
        world.run(.seconds(6))
        #expect(!world.client.hearsNothing(now: world.now) && world.client.state == .up)
    }

    @Test func aServersPayloadCountsToo() {
        var timing = SD.Timing()
        timing.rekeyAfterDatagrams = 50
        let world = World(Mode.shared.keys, timing: timing)
        world.run(.seconds(1))
        for number in 0..<200 {
            #expect(world.serverSends(payload(number)))
            world.run(.milliseconds(10))
        }
        #expect(world.clientGot.count == 200)
        #expect(world.sentByClient.filter { SD.Kind(of: $0) == .request }.count >= 4)
    }

    @Test func opensWhatWasSealedWithTheOldKeysForAWhile() {
        let world = World(Mode.shared.keys)
        world.run(.seconds(1))
        var (early, late) = (ByteBuffer(), ByteBuffer())
        _ = world.client.seal(payload(1), into: &early, now: world.now)
        _ = world.client.seal(payload(2), into: &late, now: world.now)
        // Nothing answers what was sealed: new keys are asked for after 15 s, and the old ones open for 30 s more.
        world.run(.seconds(16))
        #expect(world.server.clients.values.first?.session.current?.local != SD.Header(of: early)?.index)
        world.server.input(early, from: world.address, now: world.now)
        world.pump()
        #expect(world.serverGot == [payload(1)])
        world.run(.seconds(31))
        world.server.input(late, from: world.address, now: world.now)
        world.pump()
        #expect(world.serverGot == [payload(1)])
        #expect(world.server.counters.unknown == 1)
    }

    @Test func aRepeatedRequestForNewKeysChangesNothing() {
        let world = World(Mode.pair.keys)
        world.run(.seconds(122))
        let requests = world.sentByClient.filter { SD.Kind(of: $0) == .request }
        #expect(requests.count == 2)
        let (clients, indices, sent) = (world.server.clients.count, world.server.indices, world.sentByServer.count)
        world.server.input(requests[1], from: world.address, now: world.now)
        world.pump()
        #expect(world.server.clients.count == clients && world.server.indices == indices)
        #expect(world.sentByServer.count == sent && world.server.counters.replayed == 1)
    }

    @Test func isToldThatTheServerHasForgotten() {
        let keys = Mode.pair.keys
        let world = World(keys)
        world.run(.seconds(1))
        world.server = SD.Listener(key: keys.server, now: world.now)
        #expect(world.clientSends(payload(1)))
        world.run(.seconds(14))
        #expect(world.client.state == .up)
        world.run(.seconds(2))
        #expect(world.clientEvents.last == .failed(.forgotten))
        #expect(world.server.clients.isEmpty)
        #expect(!world.clientSends(payload(2)))
    }

    @Test func bothEndAfterTheNetworkHasGone() {
        let world = World(Mode.shared.keys)
        world.run(.seconds(1))
        let session = world.session
        world.passes = { _ in false }
        #expect(world.clientSends(payload(1)))
        world.run(.seconds(44))
        #expect(world.client.state == .rekeying)
        world.run(.seconds(2))
        #expect(world.client.state == .dead(.noAnswer))
        world.run(.seconds(180))
        #expect(world.serverEvents.last == session.map { SD.Listener.Event.ended($0, .expired) })
        #expect(world.server.clients.isEmpty && world.server.indices.isEmpty && world.server.deadline == nil)
    }

    @Test func aListenerIsHeardThoughItHasNothingToSay() {
        let world = World(Mode.shared.keys)
        world.run(.seconds(1))
        for number in 0..<60 {
            #expect(world.clientSends(payload(number)))
            world.run(.seconds(1))
        }
        // Keep-alives came every 10 s, so the client had no reason to ask.
        #expect(world.client.state == .up)
        #expect(world.sentByClient.filter { SD.Kind(of: $0) == .request }.count == 1)
    }

    @Test func closingIsFinal() throws {
        let world = World(Mode.shared.keys)
        world.run(.seconds(1))
        let id = try #require(world.session)
        world.server.close(id)
        world.client.close()
        world.run(.seconds(300))
        #expect(world.serverEvents.last == .ended(id, .closed) && world.clientEvents.last == .failed(.closed))
        #expect(!world.serverSends(payload(1)) && !world.clientSends(payload(1)))
        #expect(world.server.indices.isEmpty && world.server.pending == 0)
    }
}
