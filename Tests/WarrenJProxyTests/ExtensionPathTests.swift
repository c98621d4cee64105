// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenJProxy

/// Two Warrens with a long path between them: how fast windows grow, and that nobody waits for time to pass.
@Suite("jProxy extension, over a path")
struct ExtensionPathTests {
    typealias End = MachinePair<JProxy.ClientMachine, JProxy.ServerMachine>.End

    /// A link of that many bytes per millisecond and that delay each way, and readers that take all at once.
    struct Path {
        let rate: Int
        let delay: TimeAmount
        var client: JProxy.ClientMachine
        var server: JProxy.ServerMachine
        var now = NIODeadline.uptimeNanoseconds(1_000_000_000)
        /// Written by the server, and not yet on the link: what a system's socket holds.
        private var backlog = ByteBuffer()
        private var toClient = CircularBuffer<(due: NIODeadline, bytes: ByteBuffer)>()
        private var toServer = CircularBuffer<(due: NIODeadline, bytes: ByteBuffer)>()
        var received: [StreamID: Int] = [:]

        init(rate: Int, delay: TimeAmount) throws {
            self.rate = rate
            self.delay = delay
            self.client = JProxy.ClientMachine(.init(key: try TestKeys.pair.client))
            self.server = JProxy.ServerMachine(.init())
            self.client.start(now: self.now)
            self.server.start(now: self.now)
        }

        /// One millisecond.
        mutating func tick(_ sending: [StreamID], _ publicKey: [UInt8]) {
            self.now = self.now + .milliseconds(1)
            while let (due, bytes) = self.toServer.first, due <= self.now {
                self.toServer.removeFirst()
                self.server.receive(bytes)
                self.drainServer(publicKey)
            }
            self.send(sending, publicKey)
            if let bytes = self.backlog.readSlice(length: min(self.rate, self.backlog.readableBytes)) {
                self.toClient.append((self.now + self.delay, bytes))
            }
            while let (due, bytes) = self.toClient.first, due <= self.now {
                self.toClient.removeFirst()
                self.client.receive(bytes)
            }
            self.drainClient()
        }

        /// Sources that always have more.
        private mutating func send(_ streams: [StreamID], _ publicKey: [UInt8]) {
            var isBusy = true
            while isBusy {
                isBusy = false
                for stream in streams where self.server.hasRoom(on: stream) {
                    self.server.send(ExtensionPathTests.chunk, on: stream)
                    isBusy = true
                }
                self.drainServer(publicKey)
            }
        }

        private mutating func drainServer(_ publicKey: [UInt8]) {
            while let action = self.server.next(now: self.now, writable: self.backlog.readableBytes < 2 * self.rate) {
                switch action {
                case .write(let bytes): self.backlog.writeImmutableBuffer(bytes)
                case .authenticate: self.server.judged(.accepted(name: "alice", credential: publicKey))
                case .open(let stream, _): self.server.accept(stream)
                case .close(let reason): Issue.record("closed: \(reason)")
                default: break
                }
            }
        }

        private mutating func drainClient() {
            while let action = self.client.next(now: self.now, writable: true) {
                switch action {
                case .write(let bytes): self.toServer.append((self.now + self.delay, bytes))
                case .deliver(let stream, let bytes):
                    self.received[stream, default: 0] += bytes.readableBytes
                    self.client.consumed(bytes.readableBytes, on: stream)
                case .end(_, let fault): Issue.record("ended: \(String(describing: fault))")
                case .close(let reason): Issue.record("closed: \(reason)")
                default: break
                }
            }
        }
    }

    static let chunk = ByteBuffer(repeating: 7, count: 64 << 10)

    @Test("fills a path with a round trip of 100 ms", arguments: [(1, 120_000), (10, 120_000), (1, 20_000)])
    func fills(streams: Int, rate: Int) throws {
        let publicKey = try TestKeys.pair.user.publicKey
        var path = try Path(rate: rate, delay: .milliseconds(50))
        for _ in 0..<250 { path.tick([], publicKey) }
        let request = StreamRequest(.tcp(.name("host.example"), port: 80))
        let opened = try (0..<streams).map { _ in try path.client.open(request, now: path.now) }
        for _ in 0..<110 { path.tick([], publicKey) }
        var perRoundTrip: [Int] = []
        for _ in 0..<12 {
            let before = path.received.values.reduce(0, +)
            for _ in 0..<100 { path.tick(opened, publicKey) }
            perRoundTrip.append(path.received.values.reduce(0, +) - before)
        }
        let most = 100 * rate * Packet.mostData / Packet.mostBytes
        // After the first bytes have come, and one doubling in each round trip: full speed.
        #expect(perRoundTrip.dropFirst(6).allSatisfy { $0 >= most * 97 / 100 }, "\(perRoundTrip) of \(most)")
        // Ten seconds would lose no more than this.
        let lost = perRoundTrip.reduce(0) { $0 + max(most - $1, 0) }
        #expect(lost < most * 100 * 6 / 100)
    }

    /// A request that ends, an answer that goes on behind it: whole both ways, and no time passes.
    @Test func halfClosedEchoesAreWholeAndWaitForNothing() throws {
        let publicKey = try TestKeys.pair.user.publicKey
        var pair = try ExtensionPairTests.pair(seed: 31, mostChunk: 64 << 10)
        var echoed: [StreamID: Int] = [:]
        var ended: [End: Int] = [:]
        func handle(_ end: End, _ action: SessionAction, _ pair: inout ExtensionPairTests.Pair) {
            switch action {
            case .authenticate: pair.server.judged(.accepted(name: "alice", credential: publicKey))
            case .open(let stream, _): pair.server.accept(stream)
            case .deliver(let stream, let bytes) where end == .server:
                pair.server.send(bytes, on: stream)
                pair.server.consumed(bytes.readableBytes, on: stream)
            case .deliver(let stream, let bytes):
                echoed[stream, default: 0] += bytes.readableBytes
                pair.client.consumed(bytes.readableBytes, on: stream)
            case .finish(let stream) where end == .server: pair.server.finish(stream)
            case .end(_, let fault):
                #expect(fault == nil)
                ended[end, default: 0] += 1
            default: break
            }
        }
        pair.run(handle)
        let start = pair.now
        let request = StreamRequest(.tcp(.name("host.example"), port: 80))
        for round in 0..<20 {
            var sizes: [StreamID: Int] = [:]
            echoed = [:]
            for number in 0..<50 {
                let stream = try pair.client.open(request, now: pair.now)
                sizes[stream] = 1 + (round * 50 + number) * 37 % 40_000
                pair.client.send(ByteBuffer(repeating: 1, count: sizes[stream] ?? 0), on: stream)
                pair.client.finish(stream)
            }
            pair.run(handle)
            #expect(echoed == sizes)
            #expect(ended == [.client: 50 * (round + 1), .server: 50 * (round + 1)])
        }
        #expect(pair.now == start && pair.closed.isEmpty)
    }
}
