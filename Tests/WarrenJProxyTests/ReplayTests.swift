// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenJProxy

/// Recorded sessions through our machines: what a deployed peer sent, and what comes of it.
@Suite("jProxy recorded sessions")
struct ReplayTests {
    /// Opens, closed streams and payload, by stream and in order; nothing that depends on how the bytes were cut.
    struct Story: Equatable {
        var opens: [SessionAction] = []
        var payload: [String] = []
        var ends = 0
        var close: CloseReason?
        var written = ByteBuffer()
        var claim: Claim?
    }

    /// Plays the client's side of a recording to a server that accepts every login and every stream.
    static func serve(
        _ recording: Recording, _ chunks: [ByteBuffer], accepts: Bool = true, usesExtension: Bool = true
    ) throws -> Story {
        let random = ScriptedRandom(bytes: recording.sessionKey)
        var harness = Harness(
            JProxy.ServerMachine(.init(usesExtension: usesExtension), random: random),
            key: accepts ? recording.sessionKey : Harness<JProxy.ServerMachine>.key)
        let publicKey = accepts ? try recording.publicKey : []
        var story = Story()
        var index: [StreamID: Int] = [:]
        for chunk in chunks + [nil] {
            if let chunk {
                harness.machine.receive(chunk)
            } else {
                // A long silence first: whoever was told of the extension would be asked now if it is there.
                #expect(!accepts || harness.after(.minutes(1)) == [])
                harness.machine.receiveEnd()
            }
            while let action = harness.machine.next(now: harness.now, writable: true) {
                switch action {
                case .authenticate(let claim):
                    story.claim = claim
                    harness.machine.judged(accepts ? .accepted(name: "alice", credential: publicKey) : .denied)
                case .open(let stream, _):
                    story.opens.append(action)
                    story.payload.append("")
                    index[stream] = story.payload.count - 1
                    harness.machine.accept(stream)
                case .deliver(let stream, let bytes):
                    if let index = index[stream] { story.payload[index] += bytes.hex }
                    harness.machine.consumed(bytes.readableBytes, on: stream)
                case .end: story.ends += 1
                case .close(let reason): story.close = reason
                case .write(let bytes): story.written.writeImmutableBuffer(bytes)
                default: break
                }
            }
        }
        return story
    }

    static func expected(_ recording: Recording) -> Story {
        var story = Story()
        var index: [UInt16: Int] = [:]
        for entry in recording.packets where entry.dir == "c2s" {
            var plain = ByteBuffer(hex: entry.plaintext ?? "")
            switch try? plain.readJProxyMessage(.deployed, from: .client) {
            case .connect(let request):
                if let host = request.host {
                    let stream = StreamID(UInt32(request.id))
                    if index[request.id] != nil { story.ends += 1 }
                    story.opens.append(.open(stream, StreamRequest(.tcp(host, port: request.port))))
                    story.payload.append("")
                    index[request.id] = story.payload.count - 1
                }
            case .data(let id, let bytes):
                if let index = index[id] { story.payload[index] += bytes.hex }
            case .disconnect(let id):
                if index.removeValue(forKey: id) != nil { story.ends += 1 }
            default: break
            }
        }
        return story
    }

    static let served = Recording.all.filter { $0.hasPrefix("probe") || $0 == "session-full" || $0.hasPrefix("accept") }

    @Test("server, every split of the small ones and random cuts", arguments: Self.served)
    func server(name: String) throws {
        let recording = try Recording.load(name)
        let stream = recording.c2sStream.map { ByteBuffer(hex: $0) } ?? recording.stream("c2s")
        var random = SeededRandom(11)
        let cuts =
            stream.readableBytes < 400
            ? Chunks.everySplit(of: stream)
            : (0..<10).map { _ in Chunks.random(stream, using: &random) } + [Chunks.of(1, stream)]
        let expected = Self.expected(recording)
        for chunks in cuts {
            let story = try Self.serve(recording, chunks)
            #expect(story.opens == expected.opens)
            #expect(story.payload == expected.payload)
            #expect(story.ends == expected.ends)
            #expect(
                story.close
                    == (name == "probe-bad-padding" ? .violation(WireError(.badPadding, in: "packet")) : .finished))
            #expect(story.written.hex.hasPrefix("6a50726f78790000"))
            // All but the session key under RSA, whose padding is random.
            let without = try Self.serve(recording, chunks, usesExtension: false)
            #expect(story.written.array.dropFirst(264) == without.written.array.dropFirst(264))
            #expect(story.written.array.prefix(8) == without.written.array.prefix(8))
        }
    }

    @Test func serverRefusesAsDeployedOnesDo() throws {
        for (name, reason) in [
            ("reject-magic", CloseReason.violation(WireError(.badMagic, in: "hello.magic"))),
            ("reject-version-major", .violation(WireError(.badValue, in: "hello.major"))),
            ("reject-key", .denied),
        ] {
            let recording = try Recording.load(name)
            for chunks in Chunks.everySplit(of: recording.stream("c2s")) {
                let story = try Self.serve(recording, chunks, accepts: false)
                #expect(story.written == recording.stream("s2c"), "\(name)")
                #expect(story.close == reason)
            }
        }
    }

    @Test("client in place of the recorded one", arguments: 0..<6 as Range<UInt64>)
    func client(seed: UInt64) throws {
        let recording = try Recording.load("session-full")
        let stream = ByteBuffer(hex: recording.s2cStream ?? "")
        var random = SeededRandom(seed)
        // The deployed client reuses id 0 at once; ours does not, so only the first life of each id is compared.
        var expected: [UInt16: String] = [:]
        var ended: Set<UInt16> = []
        for entry in recording.packets where entry.dir == "s2c" {
            var plain = ByteBuffer(hex: entry.plaintext ?? "")
            switch try plain.readJProxyMessage(.deployed, from: .server) {
            case .data(let id, let bytes) where !ended.contains(id): expected[id, default: ""] += bytes.hex
            case .disconnect(let id): ended.insert(id)
            default: break
            }
        }
        var machine = JProxy.ClientMachine(.init(key: try recording.clientKey))
        let now = NIODeadline.uptimeNanoseconds(0)
        machine.start(now: now)
        var got: [UInt16: String] = [:]
        var opened: [StreamID] = []
        var close: CloseReason?
        for chunk in (seed == 0 ? Chunks.of(1, stream) : Chunks.random(stream, using: &random)) + [nil] {
            if let chunk { machine.receive(chunk) } else { machine.receiveEnd() }
            while let action = machine.next(now: now, writable: true) {
                switch action {
                case .ready:
                    for _ in 0..<2 {
                        _ = try machine.open(StreamRequest(.tcp(Host("127.0.0.1"), port: 18090)), now: now)
                    }
                case .opened(let stream): opened.append(stream)
                case .deliver(let stream, let bytes): got[UInt16(stream.rawValue), default: ""] += bytes.hex
                case .close(let reason): close = reason
                default: break
                }
            }
        }
        #expect(got == expected)
        #expect(opened.first == StreamID(0))
        #expect(close == .finished)
    }

    @Test func clientSaysWhatTheRecordedOneSaid() throws {
        let recording = try Recording.load("session-full")
        let said = { what in ByteBuffer(hex: recording.messages.first { $0.what == what }?.hex ?? "") }
        for usesExtension in [false, true] {
            var machine = JProxy.ClientMachine(.init(key: try recording.clientKey, usesExtension: usesExtension))
            machine.start(now: .now())
            var hello = said("handshake")
            if usesExtension { hello.setInteger(UInt8(0xE1), at: 7) }  // the minor version, and nothing else
            #expect(machine.next(now: .now(), writable: true) == .write(hello))
            machine.receive(ByteBuffer(bytes: Array("jProxy".utf8) + [0]))
            #expect(machine.next(now: .now(), writable: true) == .write(said("auth_hash")))
        }
    }

    /// All that a client says to a recorded server, with two streams that are used and left.
    static func clientBytes(_ recording: Recording, usesExtension: Bool, seed: UInt64) throws -> [UInt8] {
        var random = SeededRandom(seed)
        var machine = JProxy.ClientMachine(.init(key: try recording.clientKey, usesExtension: usesExtension))
        var now = NIODeadline.uptimeNanoseconds(0)
        machine.start(now: now)
        var written: [UInt8] = []
        let chunks = Chunks.random(ByteBuffer(hex: recording.s2cStream ?? ""), using: &random)
        for chunk in chunks + Array(repeating: ByteBuffer(), count: 10) {
            if chunk.readableBytes > 0 { machine.receive(chunk) } else { now = now + .seconds(60) }
            while let action = machine.next(now: now, writable: true) {
                switch action {
                case .write(let bytes): written += bytes.array
                case .ready:
                    for _ in 0..<2 { _ = try machine.open(StreamRequest(.tcp(Host("127.0.0.1"), port: 1)), now: now) }
                case .opened(let stream): machine.send(random.bytes(5000), on: stream)
                case .deliver(let stream, let bytes):
                    machine.consumed(bytes.readableBytes, on: stream)
                    if Int.random(in: 0..<20, using: &random) == 0 { machine.finish(stream) }
                default: break
                }
            }
        }
        return written
    }

    @Test("a deployed server sees nothing of the extension but the minor version", arguments: 0..<8 as Range<UInt64>)
    func deployedServerSeesNothing(seed: UInt64) throws {
        let recording = try Recording.load("session-full")
        let without = try Self.clientBytes(recording, usesExtension: false, seed: seed)
        var with = try Self.clientBytes(recording, usesExtension: true, seed: seed)
        #expect(without.count > 5000 && without[7] == 0 && with[7] == 0xE1)
        with[7] = 0
        #expect(with == without)
    }

    @Test func clientIsRejected() throws {
        for (name, reason) in [
            ("client-key-rejected", "unknown key"), ("client-version-rejected", "unsupported version"),
        ] {
            let recording = try Recording.load(name)
            for chunks in Chunks.everySplit(of: recording.stream("s2c")) {
                var machine = JProxy.ClientMachine(.init(key: try TestKeys.pair.client))
                machine.start(now: .now())
                var actions: [SessionAction] = []
                for chunk in chunks {
                    machine.receive(chunk)
                    while let action = machine.next(now: .now(), writable: true) { actions.append(action) }
                }
                #expect(actions.events == [.close(.rejected(reason))])
            }
        }
    }

    struct ConnectionLimit: Decodable {
        struct Reply: Decodable {
            var plaintext: String
        }
        var counts: [String: Int]
        var firstLimitReply: Reply
    }

    @Test func connectionLimit() throws {
        let recorded: ConnectionLimit = try Fixture.load("probe-connection-limit")
        var harness = try Harness<JProxy.ServerMachine>.loggedIn()
        let connects = (0..<1030).map {
            JProxy.Message.connect(.init(id: UInt16($0), host: Host("127.0.0.1"), port: 18090))
        }
        for action in harness.receive(harness.packets.packets(connects)) {
            if case .open(let stream, _) = action { harness.machine.accept(stream) }
            guard case .write(let bytes) = action else { continue }
            let first = try #require(harness.packets.messages(bytes, from: .server).first)
            var plain = ByteBuffer()
            plain.writeJProxyMessage(first, .deployed)
            #expect(plain.hex == recorded.firstLimitReply.plaintext)
            #expect(bytes.readableBytes == 17 * (recorded.counts["6"] ?? 0))
        }
        #expect(harness.written(harness.drain()).count == recorded.counts["0"])
    }
}
