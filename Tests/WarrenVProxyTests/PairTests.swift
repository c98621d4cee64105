// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenVProxy

/// A client and a server, and whatever people may do to them in any order.
@Suite struct PairTests {
    @Test func nothingIsLostMixedUpOrLeftBehind() {
        for seed in 0..<UInt64(max(ModelRuns.count / 4, 1)) {
            var model = Model(seed: seed)
            if let problem = model.run() {
                Issue.record("seed \(seed): \(problem)")
                return
            }
        }
    }
}

/// One stream, as both ends see it. Every byte says whose it is, which way it goes, and where it stands.
private struct Stream {
    enum Life {
        case none
        case live
        case over
    }
    var life: [Bool: Life] = [true: .live, false: .none]
    /// The client, true, or the server: bytes given to it, and those that came out of it.
    var sent = [true: 0, false: 0]
    var got = [true: 0, false: 0]
    var unread = [true: 0, false: 0]
    /// What had come out when the carrier last acknowledged.
    var acknowledged = [true: 0, false: 0]
    var finished: Set<Bool> = []
    var sawFinish: Set<Bool> = []
    var isAccepted = false
    /// Somebody has left it before its time: what comes out may be less than what went in.
    var isBroken = false
}

private struct Model {
    typealias Pair = MachinePair<VProxy.ClientMachine, VProxy.ServerMachine>

    private var random: SeededRandom
    private var pair: Pair
    private var streams: [StreamID: Stream] = [:]
    private var isReady = false
    private var problem: String?
    /// The carrier tells what its other end has, now and then.
    private let acknowledges: Bool
    private let isExtended: Bool
    /// The server has no place for some of the streams.
    private let isCrowded: Bool

    init(seed: UInt64) {
        self.random = SeededRandom(seed)
        var limits = SessionLimits(streams: 6)
        limits.budget = 1 << 20
        limits.queuedPerStream = 4096
        limits.unreadPerStream = 8192
        limits.unreadWhenCrowded = 8192
        self.acknowledges = Bool.random(using: &self.random)
        let compression = VProxy.Compression.allCases.randomElement(using: &self.random) ?? .off
        let client = VProxy.Configuration(
            compression: compression, acknowledges: self.acknowledges,
            usesExtension: Bool.random(using: &self.random), limits: limits)
        self.isCrowded = Bool.random(using: &self.random)
        // As many as a run can ask for.
        if !self.isCrowded { limits.streams = 100 }
        let server = VProxy.Configuration(
            compression: compression, acknowledges: self.acknowledges,
            usesExtension: Int.random(in: 0..<4, using: &self.random) > 0, limits: limits)
        self.isExtended = client.usesExtension && server.usesExtension
        self.pair = Pair(
            VProxy.ClientMachine(client), VProxy.ServerMachine(server), seed: seed,
            mostChunk: Bool.random(using: &self.random) ? 30 : 9000)
    }

    mutating func run() -> String? {
        self.settle()
        for _ in 0..<80 where self.problem == nil {
            self.act()
            self.settle()
        }
        self.finishEverything()
        return self.problem
    }

    private mutating func complain(_ text: String) { self.problem = self.problem ?? text }

    // MARK: Acts

    private mutating func act() {
        switch Int.random(in: 0..<18, using: &self.random) {
        case 0, 1: self.open()
        case 2, 3: self.answer()
        case 4, 5, 6: self.send(true)
        case 7, 8, 9: self.send(false)
        case 10: self.finish(Bool.random(using: &self.random))
        case 11: self.leave(Bool.random(using: &self.random))
        case 12: self.pair.writable.toggle()
        case 13: self.acknowledge(Bool.random(using: &self.random))
        case 14: self.pair.now = self.pair.now + .milliseconds(Int64.random(in: 0...100, using: &self.random))
        default: self.take(Bool.random(using: &self.random))
        }
    }

    private mutating func open() {
        let live = self.streams.values.count { $0.life[true] == .live }
        do throws(StreamFault) {
            let id = try self.pair.client.open(fixed, now: self.pair.now)
            if self.streams[id] != nil { self.complain("\(id) once more") }
            self.streams[id] = Stream()
        } catch {
            if self.isReady, live == 0 { self.complain("opens nothing: \(error)") }
        }
    }

    private func pick(_ isClient: Bool, _ random: inout SeededRandom, _ condition: (Stream) -> Bool) -> StreamID? {
        self.streams.filter { $0.value.life[isClient] == .live && condition($0.value) }.keys
            .sorted { $0.rawValue < $1.rawValue }.randomElement(using: &random)
    }

    private mutating func answer() {
        guard let id = self.pick(false, &self.random, { !$0.isAccepted }) else { return }
        if Int.random(in: 0..<5, using: &self.random) == 0 {
            self.streams[id]?.isBroken = true
            self.streams[id]?.life[false] = .over
            self.pair.server.reset(id, .refused)
        } else {
            self.streams[id]?.isAccepted = true
            self.pair.server.accept(id)
        }
    }

    private mutating func send(_ isClient: Bool) {
        guard let id = self.pick(isClient, &self.random, { !$0.finished.contains(isClient) }) else { return }
        guard isClient || self.streams[id]?.isAccepted == true else { return }
        let start = self.streams[id]?.sent[isClient] ?? 0
        let count = Int.random(in: 1...(Bool.random(using: &self.random) ? 20 : 6000), using: &self.random)
        let bytes = ByteBuffer(bytes: (start..<start + count).map { Self.byte($0, id, isClient) })
        self.streams[id]?.sent[isClient] = start + count
        if isClient { self.pair.client.send(bytes, on: id) } else { self.pair.server.send(bytes, on: id) }
    }

    private static func byte(_ place: Int, _ id: StreamID, _ isClient: Bool) -> UInt8 {
        UInt8(truncatingIfNeeded: place / 7 + Int(id.rawValue) * 31 + (isClient ? 0 : 128))
    }

    private mutating func finish(_ isClient: Bool) {
        guard let id = self.pick(isClient, &self.random, { !$0.finished.contains(isClient) }) else { return }
        guard isClient || self.streams[id]?.isAccepted == true else { return }
        self.streams[id]?.finished.insert(isClient)
        if isClient { self.pair.client.finish(id) } else { self.pair.server.finish(id) }
    }

    private mutating func leave(_ isClient: Bool) {
        guard let id = self.pick(isClient, &self.random, { isClient || $0.isAccepted }) else { return }
        let faults: [StreamFault?] = [nil, .aborted, .stalled]
        let fault = faults.randomElement(using: &self.random) ?? nil
        self.streams[id]?.isBroken = true
        self.streams[id]?.life[isClient] = .over
        if isClient { self.pair.client.reset(id, fault) } else { self.pair.server.reset(id, fault) }
    }

    private mutating func take(_ isClient: Bool) {
        guard let id = self.pick(isClient, &self.random, { $0.unread[isClient] ?? 0 > 0 }) else { return }
        let unread = self.streams[id]?.unread[isClient] ?? 0
        self.take(Int.random(in: 1...unread, using: &self.random), id, isClient)
    }

    private mutating func take(_ count: Int, _ id: StreamID, _ isClient: Bool) {
        self.streams[id]?.unread[isClient, default: 0] -= count
        if isClient { self.pair.client.consumed(count, on: id) } else { self.pair.server.consumed(count, on: id) }
    }

    /// What an end was given, its peer learns; not while bytes may lie unread, as then nobody here knows which.
    private mutating func acknowledge(_ isClient: Bool) {
        guard self.acknowledges, isClient ? self.pair.client.wantsBytes : self.pair.server.wantsBytes else { return }
        if isClient {
            self.pair.server.acknowledged(upTo: self.pair.carried[.client] ?? 0)
        } else {
            self.pair.client.acknowledged(upTo: self.pair.carried[.server] ?? 0)
        }
        for (id, stream) in self.streams { self.streams[id]?.acknowledged[isClient] = stream.got[isClient] }
    }

    // MARK: Steps

    private mutating func settle() {
        var said: [(Bool, SessionAction)] = []
        self.pair.run { end, action, _ in said.append((end == .client, action)) }
        for (isClient, action) in said { self.saw(action, isClient) }
        if !self.pair.closed.isEmpty { self.complain("closed: \(self.pair.closed)") }
    }

    private mutating func saw(_ action: SessionAction, _ isClient: Bool) {
        switch action {
        case .ready: if isClient { self.isReady = true }
        case .open(let id, let request):
            guard !isClient, request == fixed, self.streams[id]?.life[false] == Stream.Life.none else {
                return self.complain("\(action)")
            }
            self.streams[id]?.life[false] = .live
        case .opened(let id): self.check(id, isClient && self.streams[id]?.life[true] == .live, action)
        case .deliver(let id, let bytes): self.delivered(bytes, id, isClient)
        case .finish(let id):
            self.check(id, self.isLive(id, isClient), action)
            // This is how a server without a place says no.
            if self.isCrowded, isClient, self.streams[id]?.life[false] == Stream.Life.none {
                self.streams[id]?.isBroken = true
            }
            guard let stream = self.streams[id] else { return }
            if self.acknowledges, !self.isExtended, isClient, stream.got[true] != stream.acknowledged[true] {
                self.complain("\(id) ends before its payload is acknowledged: \(stream)")
            }
            if stream.sawFinish.contains(isClient) { self.complain("\(id) ends twice") }
            if !stream.isBroken, !stream.finished.contains(!isClient) || stream.got[isClient] != stream.sent[!isClient]
            {
                self.complain("\(id) ends early: \(stream)")
            }
            self.streams[id]?.sawFinish.insert(isClient)
        case .end(let id, let fault):
            self.check(id, self.isLive(id, isClient), action)
            if fault == nil, self.streams[id]?.isBroken == false, self.streams[id]?.sawFinish.contains(isClient) != true
            {
                self.complain("\(id) is over early")
            }
            if fault != nil, self.streams[id]?.isBroken == false, !isClient || self.streams[id]?.life[false] == .live {
                self.complain("\(id) is over without a reason: \(action)")
            }
            self.streams[id]?.life[isClient] = .over
        case .pause(let id), .resume(let id): self.check(id, self.isLive(id, isClient), action)
        case .write, .isolateWrites, .authenticate, .granted, .serve, .withdraw, .handOver, .close:
            self.complain("\(action)")
        }
    }

    private func isLive(_ id: StreamID, _ isClient: Bool) -> Bool { self.streams[id]?.life[isClient] == .live }

    private mutating func check(_ id: StreamID, _ isRight: Bool, _ action: SessionAction) {
        // A step of the same turn may have been on its way when the stream was left.
        if !isRight, self.streams[id]?.isBroken != true { self.complain("\(action) of \(id)") }
    }

    private mutating func delivered(_ bytes: ByteBuffer, _ id: StreamID, _ isClient: Bool) {
        guard let stream = self.streams[id], self.isLive(id, isClient) else {
            return self.complain("stray bytes of \(id)")
        }
        if !isClient, !stream.isAccepted { self.complain("\(id): payload before its target is reached") }
        if stream.sawFinish.contains(isClient) { self.complain("\(id): payload behind the end") }
        let start = stream.got[isClient] ?? 0
        for (offset, byte) in bytes.readableBytesView.enumerated()
        where byte != Self.byte(start + offset, id, !isClient) {
            return self.complain("\(id): wrong byte \(start + offset)")
        }
        self.streams[id]?.got[isClient] = start + bytes.readableBytes
        self.streams[id]?.unread[isClient, default: 0] += bytes.readableBytes
    }

    // MARK: The end

    private mutating func finishEverything() {
        self.pair.writable = true
        for _ in 0..<400 where self.problem == nil {
            self.settle()
            for (id, stream) in self.streams.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
                if stream.life[false] == .live, !stream.isAccepted {
                    self.streams[id]?.isAccepted = true
                    self.pair.server.accept(id)
                }
                for isClient in [true, false] where stream.life[isClient] == .live {
                    if let unread = stream.unread[isClient], unread > 0 { self.take(unread, id, isClient) }
                    guard !stream.finished.contains(isClient), isClient || stream.isAccepted else { continue }
                    self.streams[id]?.finished.insert(isClient)
                    if isClient { self.pair.client.finish(id) } else { self.pair.server.finish(id) }
                }
            }
            for isClient in [true, false] { self.acknowledge(isClient) }
            let isOver = self.streams.values.allSatisfy { !$0.life.values.contains(.live) }
            // What was left with payload under way goes on without anybody.
            if isOver, self.pair.client.mayEndInOrder, self.pair.server.mayEndInOrder { break }
            self.pair.now = self.pair.now + .milliseconds(60)
        }
        for (id, stream) in self.streams where !stream.isBroken {
            if stream.got[true] != stream.sent[false] || stream.got[false] != stream.sent[true] {
                self.complain("\(id) lost bytes: \(stream)")
            }
            if stream.life != [true: .over, false: .over] { self.complain("\(id) was left behind: \(stream)") }
        }
        for (id, stream) in self.streams where stream.life.values.contains(.live) {
            self.complain("\(id) lives on: \(stream)")
        }
        if self.problem == nil, !self.pair.client.mayEndInOrder { self.complain("the client holds a stream") }
        if self.problem == nil, !self.pair.server.mayEndInOrder { self.complain("the server holds a stream") }
    }
}
