// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenZhwkproX

/// A machine with a clock and a peer that the test speaks for.
struct Harness<Machine: SessionMachine> {
    var machine: Machine
    var now = NIODeadline.uptimeNanoseconds(1_000_000_000)
    var writable = true

    init(_ machine: Machine) {
        self.machine = machine
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

    mutating func receive(hex: String) -> [SessionAction] { self.receive(ByteBuffer(hex: hex)) }

    mutating func after(_ time: TimeAmount) -> [SessionAction] {
        self.now = self.now + time
        return self.drain()
    }

    mutating func receive(_ messages: ZhwkproX.ExtendedMessage...) -> [SessionAction] {
        self.receive(Bytes.extended(messages))
    }
}

/// What a peer would send.
enum Bytes {
    static let cipher = MessageCipher(.deployed)
    static let v4 = ZhwkproX.StreamAddress(address: IPAddress(v4: 0xC000_0201), port: 80)
    static let v6 = ZhwkproX.StreamAddress(address: IPAddress(high: 0x2001_0DB8_0000_0000, low: 1), port: 443)

    /// A GET, or a reply, with this payload.
    static func get(_ endpoint: ZhwkproX.StreamAddress, _ plain: [UInt8] = []) -> ByteBuffer {
        var bytes = ByteBuffer()
        bytes.writeZhwkproXGet(endpoint, length: UInt32(plain.count))
        bytes.writeBytes(Self.cipher.encrypted(plain))
        return bytes
    }

    static func get(_ endpoint: ZhwkproX.StreamAddress, _ text: String) -> ByteBuffer {
        Self.get(endpoint, Array(text.utf8))
    }

    static func data(_ id: UInt32, _ plain: [UInt8]) -> ByteBuffer {
        var bytes = ByteBuffer()
        bytes.writeZhwkproXData(id: id, length: UInt32(plain.count))
        bytes.writeBytes(Self.cipher.encrypted(plain))
        return bytes
    }

    static func extended(_ messages: [ZhwkproX.ExtendedMessage]) -> ByteBuffer {
        messages.reduce(into: ByteBuffer()) { $0.writeZhwkproXExtension($1) }
    }

    static func request(_ endpoint: ZhwkproX.StreamAddress) -> StreamRequest { StreamRequest(endpoint.destination) }
}

extension [SessionAction] {
    /// All that was written, in one piece.
    var written: ByteBuffer {
        self.reduce(into: ByteBuffer()) { all, action in
            if case .write(let bytes) = action { all.writeImmutableBuffer(bytes) }
        }
    }

    var writes: Int { self.count { if case .write = $0 { true } else { false } } }
    var withoutWrites: [SessionAction] { self.filter { if case .write = $0 { false } else { true } } }

    /// All that was delivered to one stream.
    func delivered(_ stream: StreamID) -> ByteBuffer {
        self.reduce(into: ByteBuffer()) { all, action in
            if case .deliver(stream, let bytes) = action { all.writeImmutableBuffer(bytes) }
        }
    }

    /// What was written, read as a peer does: payload joined as it came.
    func incoming(_ format: ZhwkproX.Format = .plain) throws -> [Incoming] {
        var reader = MessageReader(self.written, format: format, cipher: Bytes.cipher, most: 1 << 20)
        var all: [Incoming] = []
        while let next = try reader.nextIncoming() { all.append(next) }
        #expect(!reader.isInsideMessage)
        return all
    }

    /// The messages of the extension that were written, pings left out, as they say nothing of streams.
    var extended: [ZhwkproX.ExtendedMessage] {
        get throws {
            try self.incoming(.extended).compactMap {
                if case .message(let message) = $0, !message.isPing { message } else { nil }
            }
        }
    }
}

extension ZhwkproX.ExtendedMessage {
    var isPing: Bool { if case .ping = self { true } else { false } }
}

extension Incoming: Equatable {
    static func == (a: Incoming, b: Incoming) -> Bool {
        switch (a, b) {
        case (.get(let a, let x), .get(let b, let y)): a == b && x == y
        case (.data(let a, let x), .data(let b, let y)): a == b && x == y
        case (.message(let a), .message(let b)): a == b
        default: false
        }
    }
}

extension Harness<ZhwkproX.ExitMachine> {
    /// An exit that has said hello and asked; and its challenge.
    static func asking(
        _ configuration: ZhwkproX.ExitConfiguration = .init(gap: .zero, usesExtension: false)
    ) throws -> (exit: Harness, challenge: [UInt8]) {
        var harness = Harness(ZhwkproX.ExitMachine(configuration, random: SeededRandom(1)))
        #expect(harness.drain() == [.write(ByteBuffer(hex: "800100"))])
        var asked = harness.receive(hex: "80").written
        let read = asked.readZhwkproXSized()
        let challenge = try #require(read)
        #expect(challenge.count == 22 && asked.readableBytes == 0)
        return (harness, challenge)
    }

    /// An exit that a deployed inter-server has convinced.
    static func loggedIn(
        _ configuration: ZhwkproX.ExitConfiguration = .init(gap: .zero, usesExtension: false)
    ) throws -> Harness {
        var (harness, challenge) = try Self.asking(configuration)
        let actions = harness.receive(Self.proof(challenge, Array("fake rand strings".utf8)))
        #expect(actions == [.write(ByteBuffer(hex: "01")), .isolateWrites, .ready])
        return harness
    }

    static func proof(_ challenge: [UInt8], _ suffix: [UInt8]) -> ByteBuffer {
        var bytes = ByteBuffer()
        bytes.writeZhwkproXSized(Bytes.cipher.encrypted(challenge + suffix))
        return bytes
    }

    /// An exit with a Warren as its inter-server.
    static func extended(_ configuration: ZhwkproX.ExitConfiguration = .init()) throws -> Harness {
        var (harness, challenge) = try Self.asking(configuration)
        let suffix = ZhwkproX.Extension.suffix(random: [1, 2, 3], to: challenge, key: .deployed)
        let actions = harness.receive(Self.proof(challenge, suffix))
        #expect(actions.withoutWrites == [.ready])
        #expect(actions.written == ByteBuffer(hex: "01 e70000000000000001"))
        #expect(harness.machine.isExtended)
        return harness
    }

    /// Opens and accepts a stream by a GET.
    mutating func open(_ endpoint: ZhwkproX.StreamAddress = Bytes.v4) -> StreamID {
        let actions = self.receive(Bytes.get(endpoint))
        guard case .open(let stream, Bytes.request(endpoint))? = actions.first, actions.count == 1 else {
            Issue.record("not opened: \(actions)")
            return StreamID(0)
        }
        self.machine.accept(stream)
        #expect(self.drain() == [])
        return stream
    }

    mutating func openExtended(_ id: UInt32, window: UInt32 = 1 << 20) throws -> StreamID {
        #expect(
            self.receive(.open(id: id, Bytes.v4, window: window))
                == [.open(StreamID(id), Bytes.request(Bytes.v4))])
        self.machine.accept(StreamID(id))
        #expect(try self.drain().extended == [.opened(id: id, nil, window: 1 << 20)])
        return StreamID(id)
    }
}

extension Harness<ZhwkproX.InterMachine> {
    static let deployed = ZhwkproX.InterConfiguration(gap: .zero, usesExtension: false)

    /// An inter-server that a deployed exit has let in.
    ///
    /// - Parameter roundTrip: from its proof to the exit's verdict.
    static func loggedIn(
        _ configuration: ZhwkproX.InterConfiguration = Self.deployed, roundTrip: TimeAmount = .milliseconds(1)
    ) -> Harness {
        var harness = Harness(ZhwkproX.InterMachine(configuration, random: SeededRandom(1)))
        #expect(harness.receive(hex: "800100") == [.write(ByteBuffer(hex: "80"))])
        #expect(harness.receive(hex: "0178").writes == 1)
        harness.now = harness.now + roundTrip
        #expect(harness.receive(hex: "01") == [.isolateWrites, .ready])
        return harness
    }

    /// An inter-server with a Warren as its exit.
    static func extended(_ configuration: ZhwkproX.InterConfiguration = .init()) throws -> Harness {
        var harness = Harness(ZhwkproX.InterMachine(configuration, random: SeededRandom(1)))
        let challenge = ZhwkproX.Extension.challenge(random: Array(0..<14), key: .deployed)
        _ = harness.receive(hex: "800100")
        var asked = ByteBuffer()
        asked.writeZhwkproXSized(challenge)
        _ = harness.receive(asked)
        let actions = harness.receive(hex: "01")
        #expect(actions.withoutWrites == [.ready])
        #expect(actions.written == ByteBuffer(hex: "e70000000000000001"))
        #expect(harness.machine.isExtended)
        return harness
    }

    /// Opens a stream that finds its destination free, and lets the exit be told of it.
    mutating func open(_ endpoint: ZhwkproX.StreamAddress = Bytes.v4) throws -> StreamID {
        let stream = try self.machine.open(Bytes.request(endpoint), now: self.now)
        #expect(self.drain() == [.opened(stream), .write(Bytes.get(endpoint))])
        return stream
    }

    mutating func openExtended(window: UInt32 = 1 << 20) throws -> StreamID {
        let stream = try self.machine.open(Bytes.request(Bytes.v4), now: self.now)
        #expect(try self.drain().extended == [.open(id: stream.rawValue, Bytes.v4, window: 1 << 20)])
        #expect(self.receive(.opened(id: stream.rawValue, nil, window: window)) == [.opened(stream)])
        return stream
    }
}
