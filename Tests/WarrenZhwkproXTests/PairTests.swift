// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenZhwkproX

/// Inter-server and exit joined in memory: whatever is sent arrives once, whole, in order, at its own user.
@Suite("zhwkproX inter-server with exit")
struct PairTests {
    typealias Pair = MachinePair<ZhwkproX.InterMachine, ZhwkproX.ExitMachine>

    static func pair(_ isExtended: Bool, seed: UInt64, mostChunk: Int = 9000) -> Pair {
        Pair(
            ZhwkproX.InterMachine(.init(gap: .zero), random: SeededRandom(seed)),
            ZhwkproX.ExitMachine(.init(gap: .zero, usesExtension: isExtended), random: SeededRandom(seed)), seed: seed,
            mostChunk: mostChunk)
    }

    /// One user of the inter-server. Its destination sends back what it gets.
    struct User {
        var endpoint: Int
        var isOpened = false
        var sent = ByteBuffer()
        var received = ByteBuffer()
        var hasLeft = false
        var end: StreamFault??
        var isLive: Bool { !self.hasLeft && self.end == nil }
    }

    static func endpoint(_ number: Int) -> ZhwkproX.StreamAddress {
        number % 2 == 0
            ? ZhwkproX.StreamAddress(address: IPAddress(v4: 0x0A00_0001), port: UInt16(1000 + number))
            : ZhwkproX.StreamAddress(address: IPAddress(high: 1, low: 2), port: UInt16(1000 + number))
    }

    @Test(
        "users who share destinations never see each other's bytes", arguments: 0..<6 as Range<UInt64>, [true, false])
    func users(seed: UInt64, isExtended: Bool) throws {
        var random = SeededRandom(seed)
        var pair = Self.pair(isExtended, seed: seed, mostChunk: [1 << 20, 9000, 500][Int(seed % 3)])
        var users: [StreamID: User] = [:]
        var connections: Set<StreamID> = []
        func handle(_ end: Pair.End, _ action: SessionAction, _ pair: inout Pair) {
            switch (end, action) {
            case (.server, .open(let stream, _)):
                pair.server.accept(stream)
                connections.insert(stream)
            case (.server, .deliver(let stream, let bytes)):
                pair.server.consumed(bytes.readableBytes, on: stream)
                pair.server.send(bytes, on: stream)
            case (.server, .finish(let stream)): pair.server.finish(stream)
            case (.server, .end(let stream, _)): connections.remove(stream)
            case (.client, .opened(let stream)): users[stream]?.isOpened = true
            case (.client, .deliver(let stream, let bytes)):
                users[stream]?.received.writeImmutableBuffer(bytes)
                pair.client.consumed(bytes.readableBytes, on: stream)
            case (.client, .end(let stream, let fault)):
                #expect(users[stream]?.end == nil, "ended twice")
                users[stream]?.end = fault
            default: break
            }
        }
        pair.run(handle)
        #expect(pair.client.isExtended == isExtended && pair.server.isExtended == isExtended)
        for _ in 0..<50 {
            let number = Int.random(in: 0..<4, using: &random)
            let stream = try pair.client.open(Bytes.request(Self.endpoint(number)), now: pair.now)
            users[stream] = User(endpoint: number)
            for stream in users.filter({ $0.value.isLive }).keys.sorted(by: { $0.rawValue < $1.rawValue }) {
                switch Int.random(in: 0..<10, using: &random) {
                case 0:
                    pair.client.reset(stream, Bool.random(using: &random) ? nil : .aborted)
                    users[stream]?.hasLeft = true
                case 1...7:
                    let most = Bool.random(using: &random) ? 30 : 8000
                    let bytes = random.bytes(Int.random(in: 0...most, using: &random))
                    users[stream]?.sent.writeImmutableBuffer(bytes)
                    pair.client.send(bytes, on: stream)
                default: break
                }
            }
            if Int.random(in: 0..<3, using: &random) == 0,
                let stream = connections.min(by: { $0.rawValue < $1.rawValue })
            {
                pair.server.reset(stream, .aborted)
                connections.remove(stream)
            }
            pair.advance(.milliseconds(Int64.random(in: 1...200, using: &random)), handle)
        }
        pair.advance(.milliseconds(150), handle)  // the last ends
        for user in users.values {
            #expect(user.sent.getSlice(at: 0, length: user.received.readableBytes) == user.received)
            if user.isLive && user.isOpened { #expect(user.received == user.sent) }
        }
        #expect(users.values.contains { $0.received.readableBytes > 8000 })
        #expect(pair.closed.isEmpty)
    }

    @Test("a long transfer in both directions", arguments: [true, false], 0..<4 as Range<UInt64>)
    func longTransfer(isExtended: Bool, seed: UInt64) throws {
        var pair = Self.pair(isExtended, seed: seed, mostChunk: 100_000)
        var (up, down) = (ByteBuffer(), ByteBuffer())
        var connection = StreamID(0)
        func handle(_ end: Pair.End, _ action: SessionAction, _ pair: inout Pair) {
            switch (end, action) {
            case (.server, .open(let stream, _)):
                connection = stream
                pair.server.accept(stream)
            case (.server, .deliver(let stream, let bytes)):
                up.writeImmutableBuffer(bytes)
                pair.server.consumed(bytes.readableBytes, on: stream)
            case (.client, .deliver(let stream, let bytes)):
                down.writeImmutableBuffer(bytes)
                pair.client.consumed(bytes.readableBytes, on: stream)
            default: break
            }
        }
        pair.run(handle)
        let stream = try pair.client.open(Bytes.request(Self.endpoint(1)), now: pair.now)
        pair.run(handle)
        var random = SeededRandom(seed)
        let (sentUp, sentDown) = (random.bytes(700_001), random.bytes(900_003))
        for chunk in Chunks.random(sentUp, most: 60_000, using: &random) {
            pair.client.send(chunk, on: stream)
            pair.run(handle)
        }
        for chunk in Chunks.random(sentDown, most: 60_000, using: &random) {
            pair.server.send(chunk, on: connection)
            pair.run(handle)
        }
        #expect(up == sentUp && down == sentDown)
    }

    @Test("the user's half-close, and the answer behind it", arguments: [true, false])
    func halfClose(isExtended: Bool) throws {
        var pair = Self.pair(isExtended, seed: 1)
        var finished = false
        var answer = ByteBuffer()
        var ends: [Pair.End: StreamFault?] = [:]
        var connection = StreamID(0)
        func handle(_ end: Pair.End, _ action: SessionAction, _ pair: inout Pair) {
            switch (end, action) {
            case (.server, .open(let stream, _)):
                connection = stream
                pair.server.accept(stream)
            case (.server, .finish): finished = true
            case (.client, .deliver(_, let bytes)): answer.writeImmutableBuffer(bytes)
            case (_, .end(_, let fault)): ends[end] = fault
            default: break
            }
        }
        pair.run(handle)
        let stream = try pair.client.open(Bytes.request(Self.endpoint(0)), now: pair.now)
        pair.client.send(ByteBuffer(string: "question"), on: stream)
        pair.client.finish(stream)
        pair.run(handle)
        #expect(finished == isExtended)  // the deployed protocol has no word for it
        pair.server.send(ByteBuffer(string: "answer"), on: connection)
        pair.server.finish(connection)
        pair.run(handle)
        #expect(answer == ByteBuffer(string: "answer"))
        pair.advance(.milliseconds(150), handle)
        #expect(ends == [.client: nil, .server: nil])
    }

    @Test("a destination that refuses", arguments: [true, false])
    func refusal(isExtended: Bool) throws {
        var pair = Self.pair(isExtended, seed: 1)
        var ends: [Pair.End: StreamFault?] = [:]
        func handle(_ end: Pair.End, _ action: SessionAction, _ pair: inout Pair) {
            if case .open(let stream, _) = action { pair.server.reset(stream, .refused) }
            if case .end(_, let fault) = action { ends[end] = fault }
        }
        pair.run(handle)
        _ = try pair.client.open(Bytes.request(Self.endpoint(0)), now: pair.now)
        pair.run(handle)
        pair.advance(.milliseconds(150), handle)
        #expect(ends == [.client: .refused])
    }

    @Test("the exit's idle time frees a destination whose user has left")
    func idleTime() throws {
        var pair = Self.pair(false, seed: 1)
        var (opened, ended): ([StreamID], [StreamID: StreamFault?]) = ([], [:])
        func handle(_ end: Pair.End, _ action: SessionAction, _ pair: inout Pair) {
            switch (end, action) {
            case (.server, .open(let stream, _)): pair.server.accept(stream)
            case (.client, .opened(let stream)): opened.append(stream)
            case (.server, .end(let stream, let fault)): ended[stream] = fault
            default: break
            }
        }
        pair.run(handle)
        let first = try pair.client.open(Bytes.request(Self.endpoint(0)), now: pair.now)
        pair.run(handle)
        pair.client.reset(first, .aborted)
        pair.advance(.seconds(15), handle)
        let second = try pair.client.open(Bytes.request(Self.endpoint(0)), now: pair.now)
        pair.advance(.milliseconds(4999), handle)
        #expect(opened == [first])
        pair.advance(.milliseconds(1), handle)
        #expect(ended == [StreamID(1): .idle])
        pair.advance(.milliseconds(150), handle)
        #expect(opened == [first, second])
    }

    @Test("back pressure reaches the source", arguments: [true, false])
    func backPressure(isExtended: Bool) throws {
        var pair = Self.pair(isExtended, seed: 1, mostChunk: 65536)
        var (sent, received, paused) = (0, 0, false)
        var connection = StreamID(0)
        func handle(_ end: Pair.End, _ action: SessionAction, _ pair: inout Pair) {
            switch action {
            case .open(let stream, _):
                connection = stream
                pair.server.accept(stream)
            case .pause: paused = true
            case .resume: paused = false
            case .deliver(_, let bytes): received += bytes.readableBytes
            default: break
            }
        }
        pair.run(handle)
        let stream = try pair.client.open(Bytes.request(Self.endpoint(0)), now: pair.now)
        pair.run(handle)
        while !paused, sent < 8 << 20, pair.client.wantsBytes {
            pair.server.send(ByteBuffer(repeating: 1, count: 10000), on: connection)
            sent += 10000
            pair.run(handle)
        }
        #expect(received < 2 << 20)  // nothing was taken
        pair.client.consumed(received, on: stream)
        pair.run(handle)
        #expect(received == sent && !paused)
    }
}
