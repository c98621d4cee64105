// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenJProxy

@Suite("jProxy extension, client machine")
struct ExtensionClientTests {
    typealias Client = Harness<JProxy.ClientMachine>
    static let request = StreamRequest(.tcp(Host("192.0.2.1"), port: 80))
    static func opened(_ id: UInt16, _ fault: StreamFault? = nil, window: UInt32 = 1 << 20) -> JProxy.Message {
        .extended(.opened(.init(id: id, fault: fault, milliseconds: 0), window: window))
    }
    static func violation(_ actions: [SessionAction]) -> String? { ExtensionServerTests.violation(actions) }

    @Test func opensWithAWindowAndIsAnswered() throws {
        var client = try Client.extended()
        let stream = try client.machine.open(Self.request, now: client.now)
        let open = JProxy.ExtendedMessage.open(.init(id: 0, host: Host("192.0.2.1"), port: 80), window: 1 << 20)
        #expect(client.written(client.drain()) == [.extended(open)])
        client.machine.send(ByteBuffer(string: "early"), on: stream)
        let actions = client.receive(Self.opened(0, window: 3))
        #expect(actions.events == [.opened(stream)])
        #expect(client.written(actions) == [.data(id: 0, ByteBuffer(string: "ear"))])
        #expect(
            client.written(client.receive(.extended(.credit(id: 0, 9)))) == [.data(id: 0, ByteBuffer(string: "ly"))])
    }

    @Test("hears why a stream was refused or ended", arguments: ExtensionWireTests.faults)
    func reasons(fault: StreamFault?) throws {
        var client = try Client.extended()
        let stream = try client.openWindowed()
        #expect(client.receive(.extended(.reset(id: 0, fault))) == [.end(stream, fault)])
        guard let fault else { return }
        let refused = try client.machine.open(Self.request, now: client.now)
        _ = client.drain()
        #expect(client.receive(Self.opened(1, fault)) == [.end(refused, fault)])
        let left = try client.openWindowed()
        let last = ByteBuffer(string: "last")
        client.machine.send(last, on: left)
        client.machine.reset(left, fault)
        let sent: [JProxy.Message] = fault.comesBehindBytes ? [.data(id: 2, last)] : []
        #expect(client.written(client.drain()) == sent + [.extended(.reset(id: 2, fault))])
    }

    @Test func streamsBeforeTheWelcomeKeepTheDeployedRules() throws {
        var client = try Client.loggedIn()
        client.packets.isExtended = true
        let plain = try client.open()
        let asked = try client.machine.open(Self.request, now: client.now)
        #expect(client.written(client.drain()) == [.connect(.init(id: 1, host: Host("192.0.2.1"), port: 80))])
        #expect(client.machine.deadline == client.now + .seconds(30))
        let actions = client.receive(.extended(.welcome(version: 1)))
        #expect(client.written(actions) == [.extended(.ping(1))] && actions.events == [])
        #expect(client.receive(.extended(.welcome(version: 1))) == [])
        _ = try client.openWindowed()
        #expect(client.receive(.connectReply(.init(id: 1, fault: nil, milliseconds: 0))) == [.opened(asked)])
        client.machine.finish(plain)
        #expect(client.drain() == [])
        #expect(client.machine.deadline == client.now + .seconds(5))
        #expect(client.written(client.after(.seconds(5))) == [.disconnect(id: 0)])
        #expect(client.receive(.disconnect(id: 1), .disconnect(id: 2)) == [.end(asked, nil)])
        for _ in 0..<65 { _ = client.receive(.data(1, 4074)) }
    }

    @Test func takesNoWelcomeThatItDidNotAskFor() throws {
        for (usesExtension, version) in [(false, 1), (true, 0), (true, 2)] as [(Bool, UInt8)] {
            var client = try Client.loggedIn { $0.usesExtension = usesExtension }
            #expect(client.receive(.extended(.welcome(version: version)), .extended(.ping(1))) == [])
            _ = try client.machine.open(Self.request, now: client.now)
            #expect(client.written(client.drain()).map(\.isConnect) == [true])
            #expect(client.machine.deadline == client.now + .seconds(30))
        }
    }

    @Test func whatComesWithTheLoginAndIsNoWelcomeIsNotLost() throws {
        var client = Client(
            JProxy.ClientMachine(.init(key: try TestKeys.pair.client)), key: Client.key)
        _ = client.drain()
        let encrypted = JProxy.SessionKey.encrypt(Client.key, publicKey: try TestKeys.pair.user.publicKey) ?? []
        var reply = ByteBuffer(bytes: Array("jProxy".utf8) + [0, 0] + encrypted)
        reply.writeImmutableBuffer(
            client.packets.packets([.connectReply(.init(id: 0, fault: nil, milliseconds: 0)), .data(0, 9)]))
        client.machine.receive(reply)
        let hash = ByteBuffer(bytes: try TestKeys.pair.client.hash)
        #expect(client.machine.next(now: client.now, writable: true) == .write(hash))
        #expect(client.machine.next(now: client.now, writable: true) == .ready)
        let stream = try client.machine.open(Self.request, now: client.now)
        let payload = ByteBuffer(repeating: 7, count: 9)
        #expect(client.drain().events.prefix(2) == [.opened(stream), .deliver(stream, payload)])
    }

    @Test("only a deployed peer may hold a message back") func whoHoldsBack() throws {
        #expect(try Client.loggedIn().machine.peerHoldsBack)
        #expect(try !Client.extended().machine.peerHoldsBack)
    }

    @Test func halfCloseBothOrders() throws {
        var client = try Client.extended()
        let first = try client.openWindowed()
        client.machine.send(ByteBuffer(string: "request"), on: first)
        client.machine.finish(first)
        #expect(
            client.written(client.drain()) == [
                .data(id: 0, ByteBuffer(string: "request")), .extended(.finish(id: 0)),
            ])
        #expect(client.after(.seconds(14)) == [])
        #expect(client.receive(.data(0, 9), .extended(.finish(id: 0))).suffix(2) == [.finish(first), .end(first, nil)])
        let second = try client.openWindowed()
        #expect(client.receive(.extended(.finish(id: 1))) == [.finish(second)])
        client.machine.finish(second)
        #expect(client.drain().events == [.end(second, nil)])
    }

    @Test func givesUpAfterAWhileAndKeepsTheIDUntilTheAnswer() throws {
        var client = try Client.extended { $0.ids = 2 }
        let slow = try client.machine.open(Self.request, now: client.now)
        let left = try client.machine.open(Self.request, now: client.now)
        _ = client.drain()
        client.machine.reset(left, .aborted)
        #expect(client.written(client.drain()) == [.extended(.reset(id: 1, .aborted))])
        _ = client.receive(.extended(.pong(1)))
        client.now = client.now + .seconds(29)
        _ = client.receive(.extended(.ping(7)))
        let actions = client.after(.seconds(1))
        #expect(actions.events == [.end(slow, .timedOut)])
        #expect(client.written(actions) == [.extended(.reset(id: 0, .timedOut))])
        let later = client.now + .minutes(9)
        #expect(throws: StreamFault.limit) { try client.machine.open(Self.request, now: later) }
        // The answers were under way; one of them with payload behind it.
        #expect(client.receive(Self.opened(0), .data(0, 9), Self.opened(1, .aborted)) == [])
        #expect(try client.machine.open(Self.request, now: client.now) == StreamID(0))
        _ = client.drain()
        // What is left of the old life means nothing to the new one.
        #expect(
            client.receive(
                .data(0, 9), .extended(.finish(id: 0)), .extended(.credit(id: 0, 9)), .extended(.reset(id: 0, .idle)),
                .disconnect(id: 0), .connectReply(.init(id: 0, fault: .refused, milliseconds: 0))) == [])
        client.machine.send(ByteBuffer(repeating: 1, count: 9), on: StreamID(0))
        let opened = client.receive(Self.opened(0, window: 5), .data(0, 3))
        #expect(opened.delivered(StreamID(0)).readableBytes == 3)
        #expect(client.written(opened) == [.data(0, 5, of: 1)])
    }

    @Test func anOrderlyEndSendsTheQueue() throws {
        var client = try Client.extended()
        let stream = try client.openWindowed()
        client.machine.send(ByteBuffer(repeating: 1, count: 10), on: stream)
        client.machine.reset(stream, nil)
        #expect(client.written(client.drain()) == [.data(0, 10, of: 1), .extended(.reset(id: 0, nil))])
        client.machine.consumed(5, on: stream)
        client.machine.finish(stream)
        #expect(client.drain() == [])
    }

    // MARK: Windows that grow

    /// A client whose round trip takes so long.
    static func client(
        roundTrip: TimeAmount, _ change: (inout JProxy.ClientConfiguration) -> Void = { _ in }
    ) throws -> Client {
        var client = try Client.extended(change)
        client.now = client.now + roundTrip
        #expect(client.receive(.extended(.pong(1))) == [])
        return client
    }

    /// The server fills the stream's window, the reader takes it; returns the credit given for it.
    static func useWindow(_ client: inout Client, _ stream: StreamID, _ window: Int, in time: TimeAmount) -> Int {
        let id = UInt16(stream.rawValue)
        var credit = 0
        for part in 0..<16 {
            _ = client.receive(
                client.packets.packets((0..<window / 16384).map { _ in .data(id, 1024) }))
            if part == 15 { client.now = client.now + time }
            client.machine.consumed(window / 16, on: stream)
            for case .extended(.credit(id, let bytes)) in client.written(client.drain()) { credit += Int(bytes) }
        }
        return credit
    }

    @Test func growsWhileTheReaderIsFasterThanTwoRoundTrips() throws {
        var client = try Self.client(roundTrip: .milliseconds(100))
        let stream = try client.openWindowed()
        var window = 1 << 20
        while window < 16 << 20 {
            #expect(Self.useWindow(&client, stream, window, in: .milliseconds(199)) == 2 * window)
            window *= 2
        }
        #expect(Self.useWindow(&client, stream, window, in: .milliseconds(10)) == window)
    }

    @Test func staysSmallForASlowReaderAndOnAShortPath() throws {
        var client = try Self.client(roundTrip: .milliseconds(100))
        let stream = try client.openWindowed()
        #expect(Self.useWindow(&client, stream, 1 << 20, in: .milliseconds(200)) == 1 << 20)
        client = try Self.client(roundTrip: .microseconds(50))
        let near = try client.openWindowed()
        #expect(Self.useWindow(&client, near, 1 << 20, in: .milliseconds(2)) == 1 << 20)
        #expect(Self.useWindow(&client, near, 1 << 20, in: .microseconds(1999)) == 2 << 20)
    }

    @Test func measuresTheRoundTripAgainNowAndThen() throws {
        var client = try Self.client(roundTrip: .milliseconds(1))
        let stream = try client.openWindowed()
        func pings(after time: TimeAmount, _ client: inout Client) -> [UInt64] {
            client.now = client.now + time
            _ = client.receive(client.packets.packets((0..<128).map { _ in .data(0, 2048) }))
            client.machine.consumed(256 << 10, on: stream)
            return client.written(client.drain()).compactMap {
                if case .extended(.ping(let number)) = $0 { number } else { nil }
            }
        }
        #expect(pings(after: .milliseconds(1), &client) == [])
        #expect(pings(after: .microseconds(7_999), &client) == [])
        #expect(pings(after: .microseconds(1), &client) == [2])
        #expect(pings(after: .milliseconds(50), &client) == [])  // not yet answered
        _ = client.receive(.extended(.pong(1)), .extended(.pong(2)))
        #expect(pings(after: .milliseconds(349), &client) == [])
        #expect(pings(after: .milliseconds(1), &client) == [3])
    }

    @Test func crowdedSessionsGrantLess() throws {
        func windows(_ client: inout Client, _ count: Int) throws -> [UInt32] {
            for _ in 0..<count { _ = try client.machine.open(Self.request, now: client.now) }
            return client.written(client.drain()).compactMap {
                if case .extended(.open(_, let window)) = $0 { window } else { nil }
            }
        }
        // Pools of 4 MiB for first windows and 2 MiB for growth: a new stream gets a sixteenth of what the first has left.
        var client = try Self.client(roundTrip: .milliseconds(100)) { $0.limits.unreadPerSession = 2 << 20 }
        let stream = try client.openWindowed()
        let granted = try windows(&client, 40)
        #expect(granted.prefix(2) == [240 << 10, 225 << 10] && granted.last == 64 << 10)
        #expect(zip(granted, granted.dropFirst()).allSatisfy { $0 >= $1 })
        // One that reads grows all the same, to half of what the other pool has left.
        #expect(Self.useWindow(&client, stream, 256 << 10, in: .milliseconds(1)) == 512 << 10)
        #expect(Self.useWindow(&client, stream, 512 << 10, in: .milliseconds(1)) == 1 << 20)
        #expect(Self.useWindow(&client, stream, 1 << 20, in: .milliseconds(1)) == 1 << 20)
        // Streams that end make room for new ones.
        for id in 1...40 as ClosedRange<UInt16> { _ = client.receive(Self.opened(id, .refused)) }
        #expect(try windows(&client, 1) == [240 << 10])
    }

    @Test func aLargeWindowThatIsNotUsedMakesRoomForOthers() throws {
        var client = try Self.client(roundTrip: .milliseconds(100)) { $0.limits.unreadPerSession = 8 << 20 }
        let stream = try client.openWindowed()
        #expect(Self.useWindow(&client, stream, 1 << 20, in: .milliseconds(1)) == 2 << 20)
        #expect(Self.useWindow(&client, stream, 2 << 20, in: .milliseconds(1)) == 4 << 20)
        // Less than half of what there is to grow by is given away: nobody needs it.
        #expect(Self.useWindow(&client, stream, 4 << 20, in: .milliseconds(801)) == 4 << 20)
        let other = try client.openWindowed()
        for _ in 0..<6 { _ = Self.useWindow(&client, other, 512 << 10, in: .milliseconds(1)) }
        #expect(Self.useWindow(&client, stream, 4 << 20, in: .milliseconds(790)) == 4 << 20)
        // Halved: what is granted already stands, and the next credit is less by the rest.
        #expect(Self.useWindow(&client, stream, 4 << 20, in: .milliseconds(801)) == 3840 << 10)
        #expect(Self.useWindow(&client, stream, 2 << 20, in: .milliseconds(400)) == 256 << 10)
    }

    @Test func keepsTheWindowOfAFinishedStreamOnlyForWhatIsUnread() throws {
        var client = try Self.client(roundTrip: .milliseconds(100)) { $0.limits.unreadPerSession = 512 << 10 }
        let first = try client.openWindowed()
        _ = client.receive(.data(0, 1000), .extended(.finish(id: 0)))
        client.machine.consumed(600, on: first)
        #expect(client.drain() == [])  // no credit for one who will send no more
        #expect(Self.violation(client.receive(.data(0, 1))) == "window")
    }

    // MARK: Keep-alive

    @Test func asksASilentServerTwiceThenCloses() throws {
        var client = try Self.client(roundTrip: .milliseconds(1))
        #expect(client.machine.deadline == client.now + .seconds(15))
        #expect(client.after(.milliseconds(14_999)) == [])
        #expect(client.written(client.after(.milliseconds(1))) == [.extended(.ping(2))])
        #expect(client.machine.deadline == client.now + .seconds(10))
        #expect(client.after(.milliseconds(9_999)) == [])
        #expect(client.written(client.after(.milliseconds(1))) == [.extended(.ping(3))])
        #expect(client.after(.milliseconds(9_999)) == [])
        var dead = client
        #expect(dead.after(.milliseconds(1)) == [.close(.timedOut(phase: "keep-alive"))])
        #expect(dead.machine.deadline == nil && dead.after(.seconds(99)) == [])
        // Any byte is an answer, even one that is only seen too late.
        client.now = client.now + .seconds(30)
        #expect(client.receive(ByteBuffer(bytes: [0])) == [])
        #expect(client.machine.deadline == client.now + .seconds(15))
        #expect(client.written(client.after(.seconds(15))) == [.extended(.ping(4))])
        #expect(client.receive(.extended(.pong(4))) == [])
        #expect(client.machine.deadline == client.now + .seconds(15))
    }

    @Test func answersPings() throws {
        var client = try Client.extended()
        #expect(client.written(client.receive(.extended(.ping(77)))) == [.extended(.pong(77))])
        #expect(client.receive(.extended(.pong(77))) == [])
        var deployed = try Client.loggedIn()
        #expect(deployed.receive(.extended(.ping(77))) == [] && deployed.machine.deadline == nil)
    }

    @Test("what is too short closes the session", arguments: ["510001", "520001", "53", "540001", "55", "56", "5e"])
    func short(hex: String) throws {
        var client = try Client.extended()
        let actions = client.receive(client.packets.packet(plain: ByteBuffer(hex: hex).array))
        #expect(Self.violation(actions) != nil)
        var deployed = try Client.loggedIn()
        #expect(deployed.receive(deployed.packets.packet(plain: ByteBuffer(hex: hex).array)) == [])
    }
}

extension JProxy.Message {
    var isConnect: Bool { if case .connect = self { true } else { false } }
}
