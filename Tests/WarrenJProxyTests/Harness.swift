// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenJProxy

/// A machine with a clock, a peer that the test speaks for, and a known session key.
struct Harness<Machine: SessionMachine> {
    var machine: Machine
    var now = NIODeadline.uptimeNanoseconds(1_000_000_000)
    var writable = true
    var packets: TestPackets

    init(_ machine: Machine, key: [UInt8]) {
        self.machine = machine
        self.packets = TestPackets(key: key)
        self.machine.start(now: self.now)
    }

    mutating func drain() -> [SessionAction] {
        var actions: [SessionAction] = []
        while let action = self.machine.next(now: self.now, writable: self.writable) { actions.append(action) }
        return actions
    }

    mutating func receive(_ bytes: ByteBuffer) -> [SessionAction] {
        self.machine.receive(bytes)
        return self.drain()
    }

    mutating func receive(_ messages: JProxy.Message...) -> [SessionAction] {
        self.receive(self.packets.packets(messages))
    }

    mutating func after(_ time: TimeAmount) -> [SessionAction] {
        self.now = self.now + time
        return self.drain()
    }
}

extension Harness<JProxy.ServerMachine> {
    static let key = Array(UInt8(1)...16)
    static let login = ByteBuffer(bytes: Array("jProxy".utf8) + [3, 0] + Array(repeating: 0xAB, count: 32))

    /// A server that has let in a client of this minor version, and what it wrote behind its login reply.
    static func announced(
        _ minor: UInt8, _ configuration: JProxy.ServerConfiguration = .init()
    ) throws -> (server: Harness, written: [JProxy.Message]) {
        var harness = Harness(
            JProxy.ServerMachine(configuration, random: ScriptedRandom(bytes: Self.key)), key: Self.key)
        harness.packets.isExtended = true
        var login = Self.login
        login.setInteger(minor, at: 7)
        _ = harness.receive(login)
        harness.machine.judged(.accepted(name: "alice", credential: try TestKeys.pair.user.publicKey))
        let actions = harness.drain()
        #expect(actions.dropFirst().first == .ready)
        return (harness, harness.written(Array(actions.dropFirst())))
    }

    /// A server with a Warren as its client.
    static func extended(_ configuration: JProxy.ServerConfiguration = .init()) throws -> Harness {
        let (harness, written) = try Self.announced(0xE1, configuration)
        #expect(written == [.extended(.welcome(version: 1)), .extended(.ping(1))])
        return harness
    }

    /// Opens and accepts a stream with windows; returns what the server lets the client send.
    @discardableResult
    mutating func openWindowed(_ id: UInt16, window: UInt32 = 1 << 20, granted: UInt32? = 1 << 20) -> Int {
        let request = JProxy.ConnectRequest(id: id, host: Host("192.0.2.1"), port: 80)
        _ = self.receive(.extended(.open(request, window: window)))
        self.machine.accept(StreamID(UInt32(id)))
        let reply = JProxy.ConnectReply(id: id, fault: nil, milliseconds: 0)
        let messages = self.written(self.drain())
        guard case .extended(.opened(reply, let window))? = messages.first, messages.count == 1 else {
            Issue.record("not opened: \(messages)")
            return 0
        }
        #expect(granted == nil || window == granted)
        return Int(window)
    }

    /// A server that has let a client in.
    static func loggedIn(_ configuration: JProxy.ServerConfiguration = .init()) throws -> Harness {
        var harness = Harness(
            JProxy.ServerMachine(configuration, random: ScriptedRandom(bytes: Self.key)), key: Self.key)
        _ = harness.receive(Self.login)
        harness.machine.judged(.accepted(name: "alice", credential: try TestKeys.pair.user.publicKey))
        let actions = harness.drain()
        #expect(actions.count == 2 && actions.last == .ready)
        return harness
    }

    /// Opens and accepts a stream.
    mutating func open(_ id: UInt16) {
        let request = JProxy.ConnectRequest(id: id, host: Host("192.0.2.1"), port: 80)
        _ = self.receive(.connect(request))
        self.machine.accept(StreamID(UInt32(id)))
        #expect(self.written(self.drain()) == [.connectReply(.init(id: id, fault: nil, milliseconds: 0))])
    }

    /// The messages of all writes.
    func written(_ actions: [SessionAction]) -> [JProxy.Message] { Self.messages(actions, self.packets, .server) }
}

extension Harness<JProxy.ClientMachine> {
    static let key = Array(UInt8(1)...16)

    /// A client that was let in.
    static func loggedIn(
        dialect: JProxy.Dialect = .deployed, _ change: (inout JProxy.ClientConfiguration) -> Void = { _ in }
    ) throws -> Harness {
        var configuration = JProxy.ClientConfiguration(key: try TestKeys.pair.client, dialect: dialect)
        change(&configuration)
        var harness = Harness(JProxy.ClientMachine(configuration), key: Self.key)
        _ = harness.drain()
        let encrypted = JProxy.SessionKey.encrypt(Self.key, publicKey: try TestKeys.pair.user.publicKey) ?? []
        let reply = ByteBuffer(bytes: Array("jProxy".utf8) + [0, 0] + encrypted)
        #expect(harness.receive(reply).events == [.ready])
        return harness
    }

    /// A client with a Warren as its server.
    static func extended(_ change: (inout JProxy.ClientConfiguration) -> Void = { _ in }) throws -> Harness {
        var configuration = JProxy.ClientConfiguration(key: try TestKeys.pair.client)
        change(&configuration)
        var harness = Harness(JProxy.ClientMachine(configuration), key: Self.key)
        harness.packets.isExtended = true
        _ = harness.drain()
        let encrypted = JProxy.SessionKey.encrypt(Self.key, publicKey: try TestKeys.pair.user.publicKey) ?? []
        var reply = ByteBuffer(bytes: Array("jProxy".utf8) + [0, 0] + encrypted)
        reply.writeImmutableBuffer(harness.packets.packet(.extended(.welcome(version: 1))))
        let actions = harness.receive(reply)
        #expect(actions.events == [.ready] && harness.written(actions) == [.extended(.ping(1))])
        return harness
    }

    /// Opens a stream with windows and lets the server say yes.
    mutating func openWindowed(window: UInt32 = 1 << 20) throws -> StreamID {
        let stream = try self.machine.open(StreamRequest(.tcp(Host("192.0.2.1"), port: 80)), now: self.now)
        _ = self.drain()
        let reply = JProxy.ConnectReply(id: UInt16(stream.rawValue), fault: nil, milliseconds: 0)
        #expect(self.receive(.extended(.opened(reply, window: window))).events == [.opened(stream)])
        return stream
    }

    /// Opens a stream and lets the server say yes.
    mutating func open() throws -> StreamID {
        let stream = try self.machine.open(StreamRequest(.tcp(Host("192.0.2.1"), port: 80)), now: self.now)
        _ = self.drain()
        let id = UInt16(stream.rawValue)
        #expect(self.receive(.connectReply(.init(id: id, fault: nil, milliseconds: 0))) == [.opened(stream)])
        return stream
    }

    func written(_ actions: [SessionAction]) -> [JProxy.Message] { Self.messages(actions, self.packets, .client) }
}

extension Harness {
    fileprivate static func messages(
        _ actions: [SessionAction], _ packets: TestPackets, _ side: JProxy.Side
    ) -> [JProxy.Message] {
        actions.flatMap { action -> [JProxy.Message] in
            guard case .write(let bytes) = action else { return [] }
            return (try? packets.messages(bytes, from: side)) ?? []
        }
    }
}

extension [SessionAction] {
    /// Everything but writes.
    var events: [SessionAction] {
        self.filter { if case .write = $0 { false } else { true } }
    }

    /// Bytes delivered to a stream, joined.
    func delivered(_ stream: StreamID) -> ByteBuffer {
        ByteBuffer(
            bytes: self.flatMap { action -> [UInt8] in
                if case .deliver(stream, let bytes) = action { bytes.array } else { [] }
            })
    }
}

extension JProxy.Message {
    /// A packet of so many equal bytes.
    static func data(_ id: UInt16, _ count: Int, of byte: UInt8 = 7) -> Self {
        .data(id: id, ByteBuffer(repeating: byte, count: count))
    }
}

/// One RSA key for all tests: making one takes the processor a while.
enum TestKeys {
    private static let made = Result {
        var random = SeededRandom(1)
        return try JProxy.KeyPair.generate(name: "alice", using: &random)
    }
    static var pair: JProxy.KeyPair { get throws { try Self.made.get() } }
}
