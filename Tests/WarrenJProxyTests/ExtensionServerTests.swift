// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenJProxy

@Suite("jProxy extension, server machine")
struct ExtensionServerTests {
    typealias Server = Harness<JProxy.ServerMachine>
    static let request = StreamRequest(.tcp(Host("192.0.2.1"), port: 80))
    static func open(_ id: UInt16, window: UInt32 = 1 << 20) -> JProxy.Message {
        .extended(.open(.init(id: id, host: Host("192.0.2.1"), port: 80), window: window))
    }
    /// What has to be taken before credit is given.
    static let part = 256 << 10

    static func violation(_ actions: [SessionAction]) -> String? {
        guard case .close(.violation(let error))? = actions.last else { return nil }
        return error.field
    }

    @Test("welcomes those who announced themselves", arguments: [0, 1, 9, 0xE0, 0xE1, 0xE2, 0xEF, 0xF1] as [UInt8])
    func welcomes(minor: UInt8) throws {
        let isAnnounced = (0xE1...0xEF).contains(minor)
        var (server, written) = try Server.announced(minor)
        #expect(written == (isAnnounced ? [.extended(.welcome(version: 1)), .extended(.ping(1))] : []))
        #expect((server.machine.deadline == nil) == !isAnnounced)
        let actions = server.receive(Self.open(3))
        #expect(actions == (isAnnounced ? [.open(StreamID(3), Self.request)] : []))
        for configuration in [
            JProxy.ServerConfiguration(usesExtension: false), .init(dialect: .document),
        ] {
            (server, written) = try Server.announced(minor, configuration)
            #expect(written == [] && server.machine.deadline == nil)
        }
    }

    @Test func aClientThatAnnouncedMayStillConnectWithoutWindows() throws {
        var server = try Server.extended()
        server.open(1)  // CONNECT, as sent before the welcome was seen
        server.machine.send(ByteBuffer(repeating: 1, count: 5), on: StreamID(1))
        server.machine.finish(StreamID(1))
        let actions = server.drain()
        #expect(server.written(actions) == [.data(1, 5, of: 1), .disconnect(id: 1)])
        #expect(actions.events == [.end(StreamID(1), nil)])
    }

    @Test func sendsNoMoreThanTheWindowAllowsAndOthersGoOn() throws {
        var server = try Server.extended()
        server.openWindowed(1, window: 10_000)
        server.openWindowed(2, window: 1_000_000)
        server.machine.send(ByteBuffer(repeating: 1, count: 10_001), on: StreamID(1))
        server.machine.send(ByteBuffer(repeating: 2, count: 9_000), on: StreamID(2))
        func sent(_ actions: [SessionAction], _ id: UInt16) -> Int {
            server.written(actions).reduce(0) { sum, message in
                if case .data(id, let bytes) = message { sum + bytes.readableBytes } else { sum }
            }
        }
        var actions = server.drain()
        #expect(sent(actions, 1) == 10_000 && sent(actions, 2) == 9_000)
        server.machine.send(ByteBuffer(repeating: 1, count: 100), on: StreamID(1))
        #expect(server.drain() == [])
        server.machine.send(ByteBuffer(repeating: 2, count: 100), on: StreamID(2))
        actions = server.drain()
        #expect(sent(actions, 1) == 0 && sent(actions, 2) == 100)
        #expect(sent(server.receive(.extended(.credit(id: 1, 1))), 1) == 1)
        #expect(server.receive(.extended(.credit(id: 1, 0))) == [])
        #expect(sent(server.receive(.extended(.credit(id: 1, 60))), 1) == 60)
        #expect(sent(server.receive(.extended(.credit(id: 1, 1000))), 1) == 40)
        server.machine.send(ByteBuffer(repeating: 1, count: 1000), on: StreamID(1))
        #expect(sent(server.drain(), 1) == 960)
        #expect(server.receive(.extended(.credit(id: 9, 1000))) == [])
        #expect(
            Self.violation(server.receive(.extended(.credit(id: 1, 1 << 31)), .extended(.credit(id: 1, 1))))
                == "credit.bytes")
    }

    @Test func pausesTheSourceOfAStreamWithoutWindow() throws {
        var server = try Server.extended()
        server.openWindowed(1, window: 0)
        server.machine.send(ByteBuffer(repeating: 1, count: 128 << 10), on: StreamID(1))
        #expect(!server.machine.hasRoom(on: StreamID(1)))
        #expect(server.drain() == [.pause(StreamID(1))])
        let actions = server.receive(.extended(.credit(id: 1, (64 << 10) + 1)))
        #expect(actions.events == [.resume(StreamID(1))])
        #expect(server.machine.hasRoom(on: StreamID(1)))
    }

    @Test func givesCreditForWhatWasTakenToTheByte() throws {
        var server = try Server.extended()
        server.openWindowed(1)
        _ = server.receive(.data(1, 4000))
        for _ in 0..<127 { _ = server.receive(.data(1, 4074)) }
        server.machine.consumed(Self.part - 1, on: StreamID(1))
        #expect(server.drain() == [])
        server.machine.consumed(1, on: StreamID(1))
        #expect(server.machine.wantsTurn)
        server.writable = false
        #expect(server.drain() == [] && !server.machine.wantsTurn)
        server.machine.consumed(7, on: StreamID(1))
        server.writable = true
        let credit = JProxy.ExtendedMessage.credit(id: 1, UInt32(Self.part + 7))
        #expect(server.written(server.drain()) == [.extended(credit)])
        #expect(!server.machine.wantsTurn)
        // A reader that claims more than it got is not believed.
        server.machine.consumed(1 << 30, on: StreamID(1))
        let sent = 4000 + 127 * 4074
        let rest = UInt32(sent - Self.part - 7)
        #expect(rest < Self.part)
        #expect(server.drain() == [])
        server.now = server.now + .seconds(1)  // so slow a reader needs no larger window
        _ = server.receive(.data(1, 4000))
        server.machine.consumed(4000, on: StreamID(1))
        let second = JProxy.ExtendedMessage.credit(id: 1, rest + 4000)
        #expect(server.written(server.drain()).first == .extended(second))
    }

    @Test("a peer that sends beyond its window is closed", arguments: [0, 1])
    func violation(excess: Int) throws {
        var server = try Server.extended()
        server.openWindowed(1)
        for _ in 0..<257 { _ = server.receive(.data(1, 4074)) }
        #expect(server.machine.wantsBytes)  // nothing was taken, and nobody waits for it
        let actions = server.receive(.data(1, (1 << 20) - 257 * 4074 + excess))
        #expect(Self.violation(actions) == (excess > 0 ? "window" : nil))
    }

    @Test func dataBeforeTheAnswerIsAViolation() throws {
        var server = try Server.extended()
        #expect(Self.violation(server.receive(Self.open(1), .data(1, 1))) == "window")
        server = try Server.extended()
        #expect(Self.violation(server.receive(Self.open(1), .extended(.finish(id: 1)))) == "finish")
    }

    @Test func aHundredStalledReadersHoldTheirWindowsAndNobodyElse() throws {
        var server = try Server.extended()
        var granted: [Int] = []
        for id in 0..<100 as Range<UInt16> {
            granted.append(server.openWindowed(id, granted: nil))
            var left = granted[Int(id)]
            while left > 0 {
                let packets = (0..<min(64, (left + 4073) / 4074)).map {
                    JProxy.Message.data(id, min(4074, left - $0 * 4074))
                }
                _ = server.receive(server.packets.packets(packets))
                left -= packets.count * 4074
            }
        }
        #expect(granted.prefix(48).allSatisfy { $0 == 1 << 20 })
        #expect(granted.reduce(0, +) < 64 << 20)
        #expect(server.machine.wantsBytes)
        #expect(server.after(.seconds(6)) == [])  // no stall
        server.openWindowed(100, granted: 64 << 10)
        #expect(server.receive(.data(100, 9)).delivered(StreamID(100)).readableBytes == 9)
    }

    @Test func halfCloseOursFirst() throws {
        var server = try Server.extended()
        server.openWindowed(1)
        server.machine.send(ByteBuffer(repeating: 1, count: 5000), on: StreamID(1))
        server.machine.finish(StreamID(1))
        server.machine.send(ByteBuffer(repeating: 1, count: 5), on: StreamID(1))
        #expect(
            server.written(server.drain()) == [.data(1, 4074, of: 1), .data(1, 926, of: 1), .extended(.finish(id: 1))])
        #expect(server.after(.seconds(14)) == [])  // no linger
        let actions = server.receive(.data(1, 9), .extended(.finish(id: 1)), .data(1, 9), .extended(.finish(id: 1)))
        let payload = ByteBuffer(repeating: 7, count: 9)
        #expect(
            actions == [.deliver(StreamID(1), payload), .finish(StreamID(1)), .end(StreamID(1), nil)])
        server.openWindowed(1)
    }

    @Test func halfCloseTheirsFirst() throws {
        var server = try Server.extended()
        server.openWindowed(1)
        #expect(server.receive(.data(1, 9), .extended(.finish(id: 1))).events.last == .finish(StreamID(1)))
        server.machine.send(ByteBuffer(repeating: 1, count: 50), on: StreamID(1))
        #expect(server.written(server.drain()) == [.data(1, 50, of: 1)])
        server.machine.consumed(9, on: StreamID(1))
        server.machine.finish(StreamID(1))
        let actions = server.drain()
        #expect(server.written(actions) == [.extended(.finish(id: 1))])
        #expect(actions.events == [.end(StreamID(1), nil)])
        server.openWindowed(1)
        _ = server.receive(.extended(.finish(id: 1)))
        #expect(Self.violation(server.receive(.data(1, 1))) == "window")
        server = try Server.extended()
        server.openWindowed(1)
        #expect(Self.violation(server.receive(.extended(.finish(id: 1)), .extended(.finish(id: 1)))) == "finish")
    }

    @Test func finishesRightAfterTheAnswer() throws {
        var server = try Server.extended()
        _ = server.receive(Self.open(1))
        server.machine.accept(StreamID(1))
        server.machine.finish(StreamID(1))
        let opened = JProxy.ExtendedMessage.opened(.init(id: 1, fault: nil, milliseconds: 0), window: 1 << 20)
        #expect(server.written(server.drain()) == [.extended(opened), .extended(.finish(id: 1))])
    }

    @Test("says why a stream was refused, ended, or left", arguments: ExtensionWireTests.faults)
    func reasons(fault: StreamFault?) throws {
        var server = try Server.extended()
        _ = server.receive(Self.open(1))
        server.now = server.now + .milliseconds(70)
        server.machine.reset(StreamID(1), fault)
        let hasTime = [.refused, .timedOut, .unreachable].contains(fault)
        let reply = JProxy.ConnectReply(id: 1, fault: fault ?? .failed, milliseconds: hasTime ? 70 : 0xFFFF)
        #expect(server.written(server.drain()) == [.extended(.opened(reply, window: 0))])

        server.openWindowed(1)
        server.machine.send(ByteBuffer(repeating: 1, count: 50), on: StreamID(1))
        server.machine.reset(StreamID(1), fault)
        server.machine.reset(StreamID(1), .aborted)
        let sent: [JProxy.Message] = fault?.comesBehindBytes ?? true ? [.data(1, 50, of: 1)] : []
        #expect(server.written(server.drain()) == sent + [.extended(.reset(id: 1, fault))])
        #expect(server.receive(.data(1, 9), .extended(.finish(id: 1)), .extended(.reset(id: 1, nil))) == [])

        server.openWindowed(1)
        server.machine.send(ByteBuffer(repeating: 1, count: 50), on: StreamID(1))
        server.writable = false
        #expect(server.receive(.extended(.reset(id: 1, fault)), .data(1, 9)) == [.end(StreamID(1), fault)])
        server.writable = true
        #expect(server.drain() == [])
    }

    @Test func aResetWaitsForNoWindow() throws {
        var server = try Server.extended()
        let reset = JProxy.Message.extended(.reset(id: 1, .aborted))
        server.openWindowed(1, window: 10)
        server.machine.send(ByteBuffer(repeating: 1, count: 15), on: StreamID(1))
        server.machine.reset(StreamID(1), .aborted)
        #expect(server.written(server.drain()) == [.data(1, 10, of: 1), reset])
        server.openWindowed(1, window: 10)
        server.machine.send(ByteBuffer(repeating: 1, count: 15), on: StreamID(1))
        #expect(server.written(server.drain()) == [.data(1, 10, of: 1)])
        server.machine.reset(StreamID(1), .aborted)
        #expect(server.written(server.drain()) == [reset])
        server.openWindowed(1, window: 10)
    }

    @Test func anOrderlyEndWaitsForTheWindow() throws {
        var server = try Server.extended()
        server.openWindowed(1, window: 10)
        server.machine.send(ByteBuffer(repeating: 1, count: 15), on: StreamID(1))
        server.machine.reset(StreamID(1), nil)
        #expect(server.written(server.drain()) == [.data(1, 10, of: 1)])
        #expect(server.receive(.data(1, 9)) == [])
        let last = server.receive(.extended(.credit(id: 1, 100)))
        #expect(server.written(last) == [.data(1, 5, of: 1), .extended(.reset(id: 1, nil))])
        #expect(last.events == [])
    }

    @Test func answersEveryOpenOnce() throws {
        var server = try Server.extended()
        // Left before the target was reached.
        let actions = server.receive(Self.open(1), .extended(.reset(id: 1, .timedOut)))
        #expect(actions.events == [.open(StreamID(1), Self.request), .end(StreamID(1), .timedOut)])
        let left = JProxy.ConnectReply(id: 1, fault: .aborted, milliseconds: 0xFFFF)
        #expect(server.written(actions) == [.extended(.opened(left, window: 0))])
        // Lost between the accept and its answer.
        _ = server.receive(Self.open(1))
        server.machine.accept(StreamID(1))
        server.machine.reset(StreamID(1), .aborted)
        let opened = JProxy.ConnectReply(id: 1, fault: nil, milliseconds: 0)
        #expect(
            server.written(server.drain()) == [
                .extended(.opened(opened, window: 0)), .extended(.reset(id: 1, .aborted)),
            ])
        // Makes no sense, or is one too many.
        let senseless = server.receive(.extended(.open(.init(id: 4, host: nil, port: 1), window: 1)))
        let unsupported = JProxy.ConnectReply(id: 4, fault: .unsupported, milliseconds: 0xFFFF)
        #expect(server.written(senseless) == [.extended(.opened(unsupported, window: 0))])
        var limits = SessionLimits()
        limits.streams = 1
        server = try Server.extended(.init(limits: limits))
        server.openWindowed(1)
        let full = JProxy.ConnectReply(id: 2, fault: .limit, milliseconds: 0xFFFF)
        #expect(server.written(server.receive(Self.open(2))) == [.extended(.opened(full, window: 0))])
    }

    @Test func refusesToMixLives() throws {
        let connect = JProxy.Message.connect(.init(id: 1, host: Host("192.0.2.1"), port: 80))
        var server = try Server.extended()
        server.openWindowed(1)
        #expect(server.receive(.disconnect(id: 1)) == [])
        #expect(Self.violation(server.receive(connect)) == "connect.id")
        server = try Server.extended()
        server.openWindowed(1)
        #expect(Self.violation(server.receive(Self.open(1))) == "open.id")
        server = try Server.extended()
        server.open(1)
        #expect(Self.violation(server.receive(Self.open(1))) == "open.id")
    }

    @Test(
        "what is too short, or too much, closes the session",
        arguments: [
            "510001", "520001", "53", "540001", "55", "56", "51000100508000000101047f000001",
        ])
    func short(hex: String) throws {
        var server = try Server.extended()
        let actions = server.receive(server.packets.packet(plain: ByteBuffer(hex: hex).array))
        #expect(Self.violation(actions) != nil)
        var deployed = try Server.loggedIn()
        #expect(deployed.receive(deployed.packets.packet(plain: ByteBuffer(hex: hex).array)) == [])
    }

    @Test func readsEverySplit() throws {
        let start = try Server.extended()
        let stream = start.packets.packets([
            Self.open(1), Self.open(2, window: 10), .extended(.ping(9)), .extended(.pong(1)),
            .extended(.reset(id: 2, .idle)), .extended(.open(.init(id: 7, host: nil, port: 1), window: 0)),
        ])
        var expected: [SessionAction]?
        for chunks in Chunks.everySplit(of: stream) {
            var server = start
            var actions: [SessionAction] = []
            for chunk in chunks { actions += server.receive(chunk) }
            expected = expected ?? actions.events
            #expect(actions.events == expected && actions.events.count == 3)
            #expect(server.written(actions).count == 3)
        }
    }
}
