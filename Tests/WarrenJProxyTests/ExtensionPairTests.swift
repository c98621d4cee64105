// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenJProxy

/// Two Warrens joined in memory, with readers that are late, stalled, or gone.
@Suite("jProxy extension, client with server")
struct ExtensionPairTests {
    typealias Pair = MachinePair<JProxy.ClientMachine, JProxy.ServerMachine>
    typealias End = Pair.End

    /// One end of one life of a stream.
    struct Half {
        var sent = 0
        var hasFinished = false
        var received = 0
        var unread = 0
        var heardFinish = false
        var end: StreamFault??
    }

    /// One stream from open to end; what is sent in it is a function of its number, the end and the position.
    struct Life {
        let number: Int
        var halves: [End: Half] = [.client: Half(), .server: Half()]
        var isOpened = false
        var isAccepted = false
        /// The reason that one end gave, if it did not come to an orderly end.
        var reset: (by: End, fault: StreamFault)?

        /// Random bytes, of which every life takes its own piece; they repeat, so that any piece is there.
        private static let period = 1 << 16
        private static let pool: ByteBuffer = {
            var random = SeededRandom(77)
            let once = random.bytes(Self.period)
            return ByteBuffer(bytes: (0..<16).flatMap { _ in once.readableBytesView })
        }()

        func bytes(_ from: End, _ start: Int, _ count: Int) -> ByteBuffer {
            let offset = start + self.number * 977 + (from == .client ? 0 : 31337)
            return Self.pool.getSlice(at: offset % Self.period, length: count) ?? ByteBuffer()
        }
    }

    struct World {
        var lives: [Life] = []
        /// The live streams as each end names them: an id may be free at one end earlier than at the other.
        var names: [End: [StreamID: Int]] = [.client: [:], .server: [:]]
        var paused: Set<String> = []
        let readsAtOnce: Bool

        mutating func handle(_ end: End, _ action: SessionAction, _ pair: inout Pair, _ publicKey: [UInt8]) {
            switch action {
            case .authenticate: pair.server.judged(.accepted(name: "alice", credential: publicKey))
            case .open(let stream, let request):
                guard case .host(_, let port, _) = request.destination else { return }
                #expect(self.names[.server]?[stream] == nil, "opened over a living stream")
                self.names[.server]?[stream] = Int(port)
                if port % 7 == 3 {
                    self.lives[Int(port)].reset = (.server, .notAllowed)
                    self.names[.server]?[stream] = nil
                    pair.server.reset(stream, .notAllowed)
                } else {
                    self.lives[Int(port)].isAccepted = true
                    pair.server.accept(stream)
                }
            case .opened(let stream):
                guard let life = self.names[.client]?[stream] else { return }
                self.lives[life].isOpened = true
            case .deliver(let stream, let bytes): self.deliver(end, stream, bytes, &pair)
            case .finish(let stream):
                guard let life = self.names[end]?[stream] else { return }
                #expect(self.lives[life].halves[end]?.heardFinish == false)
                self.lives[life].halves[end]?.heardFinish = true
            case .end(let stream, let fault):
                guard let life = self.names[end]?.removeValue(forKey: stream) else { return }
                #expect(self.lives[life].halves[end]?.end == nil)
                self.lives[life].halves[end]?.end = .some(fault)
            case .isolateWrites, .ready, .granted, .serve, .withdraw, .pause, .resume, .handOver, .write, .close: break
            }
        }

        private mutating func deliver(_ end: End, _ stream: StreamID, _ bytes: ByteBuffer, _ pair: inout Pair) {
            guard let life = self.names[end]?[stream] else {
                Issue.record("payload for a stream that is gone")
                return
            }
            let position = self.lives[life].halves[end]?.received ?? 0
            let from: End = end == .client ? .server : .client
            #expect(bytes == self.lives[life].bytes(from, position, bytes.readableBytes), "bytes of another life")
            self.lives[life].halves[end]?.received += bytes.readableBytes
            self.lives[life].halves[end]?.unread += bytes.readableBytes
            if self.readsAtOnce { self.read(end, stream, life, bytes.readableBytes, &pair) }
        }

        mutating func read(_ end: End, _ stream: StreamID, _ life: Int, _ count: Int, _ pair: inout Pair) {
            self.lives[life].halves[end]?.unread -= count
            if end == .client {
                pair.client.consumed(count, on: stream)
            } else {
                pair.server.consumed(count, on: stream)
            }
        }

        mutating func send(_ end: End, _ stream: StreamID, _ life: Int, _ count: Int, _ pair: inout Pair) {
            guard let half = self.lives[life].halves[end], !half.hasFinished else { return }
            let bytes = self.lives[life].bytes(end, half.sent, count)
            self.lives[life].halves[end]?.sent += count
            if end == .client { pair.client.send(bytes, on: stream) } else { pair.server.send(bytes, on: stream) }
        }

        mutating func finish(_ end: End, _ stream: StreamID, _ life: Int, _ pair: inout Pair) {
            self.lives[life].halves[end]?.hasFinished = true
            if end == .client { pair.client.finish(stream) } else { pair.server.finish(stream) }
        }

        mutating func reset(_ end: End, _ stream: StreamID, _ life: Int, _ fault: StreamFault, _ pair: inout Pair) {
            if self.lives[life].reset == nil { self.lives[life].reset = (end, fault) }
            self.names[end]?[stream] = nil
            if end == .client { pair.client.reset(stream, fault) } else { pair.server.reset(stream, fault) }
        }

        mutating func open(_ pair: inout Pair) throws {
            let life = Life(number: self.lives.count)
            let port = UInt16(life.number)
            let stream = try pair.client.open(StreamRequest(.tcp(.name("host.example"), port: port)), now: pair.now)
            #expect(self.names[.client]?[stream] == nil)
            self.names[.client]?[stream] = life.number
            self.lives.append(life)
        }

        /// Every living stream of an end, in a fixed order.
        func living(_ end: End) -> [(StreamID, Int)] {
            (self.names[end] ?? [:]).sorted { $0.key.rawValue < $1.key.rawValue }.map { ($0.key, $0.value) }
        }
    }

    static func pair(
        seed: UInt64, mostChunk: Int, _ change: (inout JProxy.ClientConfiguration) -> Void = { _ in }
    ) throws -> Pair {
        var client = JProxy.ClientConfiguration(key: try TestKeys.pair.client)
        change(&client)
        return Pair(JProxy.ClientMachine(client), JProxy.ServerMachine(.init()), seed: seed, mostChunk: mostChunk)
    }

    @Test("many lives on few ids never mix", arguments: 0..<16 as Range<UInt64>)
    func manyLives(seed: UInt64) throws {
        var random = SeededRandom(seed)
        let publicKey = try TestKeys.pair.user.publicKey
        var pair = try Self.pair(seed: seed, mostChunk: [1 << 20, 9000, 500, 60][Int(seed % 4)]) { $0.ids = 12 }
        var world = World(readsAtOnce: seed % 2 == 0)
        let handle: (End, SessionAction, inout Pair) -> Void = { world.handle($0, $1, &$2, publicKey) }
        pair.run(handle)
        for _ in 0..<120 {
            for _ in 0..<3 where world.living(.client).count < 8 { try? world.open(&pair) }
            for end in [End.client, .server] {
                for (stream, life) in world.living(end) {
                    let unread = world.lives[life].halves[end]?.unread ?? 0
                    switch Int.random(in: 0..<16, using: &random) {
                    case 0: world.reset(end, stream, life, [.aborted, .idle, .timedOut][life % 3], &pair)
                    case 1, 2: world.finish(end, stream, life, &pair)
                    case 3...6: world.send(end, stream, life, .random(in: 0...9000, using: &random), &pair)
                    case 7: world.send(end, stream, life, .random(in: 0...40, using: &random), &pair)
                    case 8...12 where unread > 0:
                        world.read(end, stream, life, .random(in: 1...unread, using: &random), &pair)
                    default: break
                    }
                }
            }
            pair.advance(.milliseconds(20), handle)
        }
        // Everybody reads and finishes.
        for _ in 0..<50 {
            for end in [End.client, .server] {
                for (stream, life) in world.living(end) {
                    let unread = world.lives[life].halves[end]?.unread ?? 0
                    if unread > 0 { world.read(end, stream, life, unread, &pair) }
                    if world.lives[life].halves[end]?.hasFinished == false { world.finish(end, stream, life, &pair) }
                }
            }
            pair.advance(.milliseconds(20), handle)
        }
        #expect(pair.closed.isEmpty)
        #expect(world.living(.client).isEmpty && world.living(.server).isEmpty)
        #expect(world.lives.count > 40)
        Self.check(world.lives)
    }

    static func check(_ lives: [Life]) {
        for life in lives {
            guard let client = life.halves[.client], let server = life.halves[.server] else { continue }
            #expect(client.received <= server.sent && server.received <= client.sent)
            switch life.reset {
            case nil:
                #expect(client.received == server.sent && server.received == client.sent)
                #expect(client.heardFinish && server.heardFinish)
                #expect(client.end == .some(nil) && server.end == .some(nil))
            case (.client, let fault)?:
                // The server never knew of it, had finished with it, or heard the reason.
                #expect(!life.isAccepted || server.end == .some(fault) || server.end == .some(nil) || server.end == nil)
            case (.server, let fault)?:
                #expect(client.end == .some(fault) || client.end == .some(nil) || client.end == nil)
            }
        }
        #expect(lives.contains { $0.halves[.client]?.end == .some(.some(.notAllowed)) })
        #expect(lives.contains { $0.halves[.client]?.end == .some(.none) })
    }

    @Test("stalled readers beside busy ones", arguments: [1, 2] as [UInt64])
    func stalledReaders(seed: UInt64) throws {
        let publicKey = try TestKeys.pair.user.publicKey
        var pair = try Self.pair(seed: seed, mostChunk: 256 << 10)
        let chunk = ByteBuffer(repeating: 1, count: 32 << 10)
        var (unread, got, paused): ([StreamID: Int], [StreamID: Int], Set<StreamID>) = ([:], [:], [])
        func handle(_ end: End, _ action: SessionAction, _ pair: inout Pair) {
            switch action {
            case .authenticate: pair.server.judged(.accepted(name: "alice", credential: publicKey))
            case .open(let stream, _): pair.server.accept(stream)
            case .deliver(let stream, let bytes) where stream.rawValue < 100:
                unread[stream, default: 0] += bytes.readableBytes
            case .deliver(let stream, let bytes):
                got[stream, default: 0] += bytes.readableBytes
                pair.client.consumed(bytes.readableBytes, on: stream)
            case .pause(let stream): paused.insert(stream)
            case .resume(let stream): paused.remove(stream)
            case .end(_, let fault): Issue.record("ended: \(String(describing: fault))")
            default: break
            }
        }
        pair.run(handle)
        let streams = try (0..<110).map { _ in
            try pair.client.open(StreamRequest(.tcp(.name("host.example"), port: 80)), now: pair.now)
        }
        pair.run(handle)
        for _ in 0..<40 {
            for stream in streams {
                for _ in 0..<4 where pair.server.hasRoom(on: stream) { pair.server.send(chunk, on: stream) }
            }
            pair.advance(.milliseconds(1), handle)
            #expect(pair.client.wantsBytes && pair.server.wantsBytes)
        }
        #expect(unread.count == 100 && (48 << 20)...(64 << 20) ~= unread.values.reduce(0, +))
        #expect(paused.count == 100)
        for stream in streams.suffix(10) { #expect(got[stream] == 40 * 4 * chunk.readableBytes) }
        // One of them wakes up and has the rest.
        let late = streams[0]
        pair.client.consumed(1 << 20, on: late)
        unread[late] = 0
        pair.run(handle)
        #expect(unread[late] == 128 << 10 && !paused.contains(late))
        #expect(pair.closed.isEmpty)
    }

    @Test func pressureReachesTheSourceAndOnlyThatOne() throws {
        let publicKey = try TestKeys.pair.user.publicKey
        var pair = try Self.pair(seed: 5, mostChunk: 65536)
        var received: [StreamID: Int] = [:]
        var paused: Set<StreamID> = []
        func handle(_ end: End, _ action: SessionAction, _ pair: inout Pair) {
            switch action {
            case .authenticate: pair.server.judged(.accepted(name: "alice", credential: publicKey))
            case .open(let stream, _): pair.server.accept(stream)
            case .pause(let stream): paused.insert(stream)
            case .resume(let stream): paused.remove(stream)
            case .deliver(let stream, let bytes): received[stream, default: 0] += bytes.readableBytes
            default: break
            }
        }
        pair.run(handle)
        let streams = try (0..<2).map { _ in
            try pair.client.open(StreamRequest(.tcp(.name("host.example"), port: 80)), now: pair.now)
        }
        pair.run(handle)
        while !paused.contains(streams[0]) {
            pair.client.send(ByteBuffer(repeating: 1, count: 10000), on: streams[0])
            pair.run(handle)
        }
        #expect(received[streams[0]] == 1 << 20)  // nothing was consumed: the window, and not a byte more
        pair.client.send(ByteBuffer(repeating: 1, count: 10000), on: streams[1])
        pair.run(handle)
        #expect(received[streams[1]] == 10000 && pair.server.wantsBytes)
        pair.server.consumed(1 << 20, on: streams[0])
        pair.run(handle)
        #expect(paused.isEmpty && received[streams[0]] ?? 0 > 1 << 20)
    }

    @Test func mixedVersionsSpeakTheDeployedProtocol() throws {
        let publicKey = try TestKeys.pair.user.publicKey
        for (clientUses, serverUses) in [(true, false), (false, true), (false, false)] {
            var pair = Pair(
                JProxy.ClientMachine(.init(key: try TestKeys.pair.client, usesExtension: clientUses)),
                JProxy.ServerMachine(.init(usesExtension: serverUses)), seed: 3)
            var ended: [End: StreamFault?] = [:]
            func handle(_ end: End, _ action: SessionAction, _ pair: inout Pair) {
                switch action {
                case .authenticate: pair.server.judged(.accepted(name: "alice", credential: publicKey))
                case .open(let stream, _): pair.server.accept(stream)
                case .end(_, let fault): ended[end] = fault
                default: break
                }
            }
            pair.run(handle)
            let stream = try pair.client.open(StreamRequest(.tcp(.name("host.example"), port: 80)), now: pair.now)
            pair.run(handle)
            pair.server.finish(stream)
            pair.run(handle)
            #expect(ended == [.client: nil, .server: nil])
            #expect(pair.client.deadline == nil && pair.server.deadline == nil)
        }
    }

    @Test func aPairThatIsSilentForAnHourKeepsItself() throws {
        let publicKey = try TestKeys.pair.user.publicKey
        var pair = try Self.pair(seed: 9, mostChunk: 100)
        let handle: (End, SessionAction, inout Pair) -> Void = { _, action, pair in
            if case .authenticate = action { pair.server.judged(.accepted(name: "alice", credential: publicKey)) }
        }
        pair.run(handle)
        let end = pair.now + .hours(1)
        var steps = 0
        while pair.now < end, pair.closed.isEmpty {
            let due = min(pair.client.deadline ?? .distantFuture, pair.server.deadline ?? .distantFuture)
            pair.advance(due - pair.now, handle)
            steps += 1
        }
        #expect(pair.closed.isEmpty && steps < 500)
    }
}
