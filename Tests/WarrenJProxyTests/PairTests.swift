// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenJProxy

/// Client and server joined in memory: whatever is sent arrives once, whole, in order, on its own stream.
@Suite("jProxy client with server")
struct PairTests {
    typealias Pair = MachinePair<JProxy.ClientMachine, JProxy.ServerMachine>

    /// One stream as both ends see it; content is a function of its number, so that a mix-up shows.
    struct Life {
        var isAccepted = false
        var isReset = false
        var toServer = ByteBuffer()
        var toClient = ByteBuffer()
        var atServer = ByteBuffer()
        var atClient = ByteBuffer()
        var ends: [Pair.End: StreamFault?] = [:]
        var isLive: Bool { self.ends.isEmpty && !self.isReset }
    }

    @Test("many streams both ways", arguments: 0..<12 as Range<UInt64>)
    func manyStreams(seed: UInt64) throws {
        var random = SeededRandom(seed)
        let mostChunk = [1 << 20, 9000, 500][Int(seed % 3)]
        let publicKey = try TestKeys.pair.user.publicKey
        let client = JProxy.ClientConfiguration(
            key: try TestKeys.pair.client, dialect: seed % 4 == 3 ? .document : .deployed, usesExtension: false)
        let server = JProxy.ServerConfiguration(dialect: client.dialect)
        var pair = Pair(JProxy.ClientMachine(client), JProxy.ServerMachine(server), seed: seed, mostChunk: mostChunk)
        var lives: [StreamID: Life] = [:]

        func handle(_ end: Pair.End, _ action: SessionAction, _ pair: inout Pair) {
            switch action {
            case .authenticate:
                pair.server.judged(.accepted(name: "alice", credential: publicKey))
            case .open(let stream, _):
                pair.server.accept(stream)
                lives[stream]?.isAccepted = true
            case .deliver(let stream, let bytes) where end == .client:
                lives[stream]?.atClient.writeImmutableBuffer(bytes)
                pair.client.consumed(bytes.readableBytes, on: stream)
            case .deliver(let stream, let bytes):
                lives[stream]?.atServer.writeImmutableBuffer(bytes)
                pair.server.consumed(bytes.readableBytes, on: stream)
            case .end(let stream, let fault):
                #expect(lives[stream]?.ends[end] == nil, "ended twice")
                lives[stream]?.ends[end] = fault
            default: break
            }
        }
        pair.run(handle)
        for _ in 0..<60 {
            for _ in 0..<3 {
                let stream = try pair.client.open(StreamRequest(.tcp(.name("host.example"), port: 80)), now: pair.now)
                lives[stream] = Life()
            }
            for stream in lives.keys.sorted(by: { $0.rawValue < $1.rawValue }) {
                guard let isAccepted = lives[stream]?.isAccepted, lives[stream]?.isLive == true else { continue }
                let bytes = random.bytes(Int.random(in: 0...(Bool.random(using: &random) ? 20 : 12000), using: &random))
                switch Int.random(in: 0..<12, using: &random) {
                case 0:
                    pair.client.reset(stream, .aborted)
                    lives[stream]?.isReset = true
                case 1 where isAccepted:
                    pair.server.reset(stream, .aborted)
                    lives[stream]?.isReset = true
                case 2...6 where isAccepted:
                    pair.server.send(bytes, on: stream)
                    lives[stream]?.toClient.writeImmutableBuffer(bytes)
                case 7...11:
                    pair.client.send(bytes, on: stream)
                    lives[stream]?.toServer.writeImmutableBuffer(bytes)
                default: break
                }
            }
            pair.advance(.milliseconds(20), handle)
        }
        for stream in lives.filter({ $0.value.isLive }).keys { pair.server.finish(stream) }
        pair.advance(.milliseconds(20), handle)
        Self.check(lives)
        #expect(lives.values.contains { !$0.isReset && $0.atClient.readableBytes > 10_000 })
        #expect(pair.closed.isEmpty)
        #expect(pair.client.deadline == nil && pair.server.deadline == nil)
    }

    static func check(_ lives: [StreamID: Life]) {
        for life in lives.values {
            guard life.isReset else {
                #expect(life.atServer == life.toServer && life.atClient == life.toClient)
                #expect(life.ends == [.client: nil, .server: nil])
                continue
            }
            #expect(life.toServer.getSlice(at: 0, length: life.atServer.readableBytes) == life.atServer)
            #expect(life.toClient.getSlice(at: 0, length: life.atClient.readableBytes) == life.atClient)
        }
    }

    @Test func backPressureReachesTheSource() throws {
        let publicKey = try TestKeys.pair.user.publicKey
        var configuration = JProxy.ServerConfiguration()
        configuration.limits.budget = 256 << 10
        var pair = Pair(
            JProxy.ClientMachine(.init(key: try TestKeys.pair.client, usesExtension: false)),
            JProxy.ServerMachine(configuration), seed: 1, mostChunk: 65536)
        var (sent, received, paused) = (0, 0, false)
        func handle(_ end: Pair.End, _ action: SessionAction, _ pair: inout Pair) {
            switch action {
            case .authenticate: pair.server.judged(.accepted(name: "alice", credential: publicKey))
            case .open(let stream, _): pair.server.accept(stream)
            case .pause: paused = true
            case .resume: paused = false
            case .deliver(_, let bytes): received += bytes.readableBytes
            default: break
            }
        }
        pair.run(handle)
        let stream = try pair.client.open(StreamRequest(.tcp(.name("host.example"), port: 80)), now: pair.now)
        pair.run(handle)
        pair.writable = false
        while !paused {
            pair.client.send(ByteBuffer(repeating: 1, count: 10000), on: stream)
            sent += 10000
            pair.run(handle)
        }
        #expect(sent == 140_000 && received == 0)
        pair.writable = true
        pair.run(handle)
        #expect(!paused && received == sent)
        #expect(pair.server.wantsBytes)
        for _ in 0..<20 { pair.client.send(ByteBuffer(repeating: 1, count: 10000), on: stream) }
        pair.run(handle)
        #expect(!pair.server.wantsBytes)  // nothing was consumed
        #expect(received <= (256 << 10) + 65536)
        pair.server.consumed(received, on: stream)
        pair.run(handle)
        #expect(received == 340_000)
    }
}
