// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore

@testable import WarrenRuntime

/// Mutated and truncated requests, in random pieces, with random answers of the runtime: whatever comes, a server
/// neither traps nor speaks after its end, and holds no more than it may.
@Suite("Proxy servers and hostile input") struct ProxyServerFuzzTests {
    static let rounds = 10_000

    static let socks5: [[UInt8]] =
        SOCKS5ServerTests.good.map { [5, 2, 0, 2] + $0.request + "early" }
        + SOCKS5ServerTests.good.map { [5, 1, 2] + SOCKS5ServerTests.login + $0.request }
    static let socks4 = SOCKS4ServerTests.good.map { $0.0 + "early" }
    static let http: [[UInt8]] =
        (HTTPProxyServerTests.tunnels.map(\.0) + HTTPProxyServerTests.bad.map(\.0)
        + HTTPForwardTests.exchanges.map(\.request)
        + HTTPBodyTests.good.map { "POST http://a/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + $0 }
        + [HTTPUpgradeTests.request + "frames"]).map { Array($0.utf8) }

    @Test func socks5Holds() { Self.fuzz(Self.socks5, seed: 5) { SOCKS5Server($0) } }
    @Test func socks4Holds() { Self.fuzz(Self.socks4, seed: 4) { SOCKS4Server($0) } }
    @Test func httpHolds() { Self.fuzz(Self.http, seed: 80) { HTTPProxyServer($0) } }

    static func fuzz<Machine: SessionMachine>(
        _ corpus: [[UInt8]], seed: UInt64, _ make: (ProxyServerConfiguration) -> Machine
    ) {
        var random = ProxyServerFuzzGenerator(seed: seed)
        for round in 0..<Self.rounds {
            let bytes = Self.mutate(corpus[round % corpus.count], with: corpus, &random)
            let configuration = ProxyServerConfiguration(requiresLogin: Bool.random(using: &random))
            var runtime = FuzzRuntime(make(configuration), random)
            runtime.talk(bytes)
            random = runtime.random
            #expect(runtime.complaint == nil, "round \(round): \(bytes)")
            if runtime.complaint != nil { return }
        }
    }

    static func mutate(_ seed: [UInt8], with corpus: [[UInt8]], _ random: inout ProxyServerFuzzGenerator) -> [UInt8] {
        var bytes = seed
        for _ in 0..<Int.random(in: 0...4, using: &random) where !bytes.isEmpty {
            let index = Int.random(in: bytes.indices, using: &random)
            switch Int.random(in: 0..<6, using: &random) {
            case 0: bytes[index] = .random(in: 0...255, using: &random)
            case 1: bytes[index] ^= 1 << Int.random(in: 0..<8, using: &random)
            case 2: bytes.removeSubrange(index...)
            case 3: bytes.insert(contentsOf: bytes[..<index], at: index)
            case 4: bytes.insert(.random(in: 0...255, using: &random), at: index)
            default: bytes.insert(contentsOf: corpus.randomElement(using: &random) ?? [], at: index)
            }
        }
        return bytes
    }
}

/// The runtime at its most unkind: random order of events, answers to streams that are gone.
private struct FuzzRuntime<Machine: SessionMachine> {
    private var machine: Machine
    var random: ProxyServerFuzzGenerator
    private(set) var complaint: String?
    private var now = NIODeadline.uptimeNanoseconds(0)
    private var isOver = false
    private var stream = StreamID(0)

    init(_ machine: Machine, _ random: ProxyServerFuzzGenerator) {
        self.machine = machine
        self.random = random
        self.machine.start(now: self.now)
    }

    mutating func talk(_ bytes: [UInt8]) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = rest.prefix(.random(in: 1...40, using: &self.random))
            // As the driver does: no bytes while none are wanted.
            if self.machine.wantsBytes { self.machine.receive(ByteBuffer(bytes: piece)) }
            rest = rest.dropFirst(piece.count)
            self.interfere()
            self.pull()
        }
        if Int.random(in: 0..<10, using: &self.random) == 0 { self.flood() }
        self.machine.receiveEnd()
        self.pull()
        self.now = self.now + .seconds(10)
        self.pull()
        if let deadline = self.machine.deadline, deadline <= self.now {
            self.complaint = "still waiting after its deadline"
        }
    }

    /// However much comes, the machine stops asking for it.
    private mutating func flood() {
        let piece = ByteBuffer(repeating: UInt8(ascii: "a"), count: 16 << 10)
        for _ in 0..<64 where self.machine.wantsBytes && !self.isOver {
            self.machine.receive(piece)
            self.pull()
        }
        if !self.isOver && self.machine.wantsBytes { self.complaint = "takes bytes without end" }
    }

    private mutating func interfere() {
        switch Int.random(in: 0..<12, using: &self.random) {
        case 0: self.machine.judged(.accepted(name: "a"))
        case 1: self.machine.judged(.denied)
        case 2, 3: self.machine.accept(self.stream)
        case 4: self.machine.reset(self.stream, Bool.random(using: &self.random) ? .refused : nil)
        case 5, 6: self.machine.send(ByteBuffer(string: self.words()), on: self.stream)
        case 7: self.machine.finish(self.stream)
        case 8: self.machine.consumed(.random(in: 0...100, using: &self.random), on: self.stream)
        default: break
        }
    }

    /// What an origin might say next.
    private mutating func words() -> String {
        let words = [
            "HTTP/1.1 1", "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"
                + "abc", "HTTP/1.1 204 \r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 101 \r\n\r\n", "3\r\nabc\r\n", "0\r\n\r\n", "\r\n",
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "abc",
        ]
        return words.randomElement(using: &self.random) ?? ""
    }

    private mutating func pull() {
        for _ in 0..<1000 {
            guard let action = self.machine.next(now: self.now, writable: .random(using: &self.random)) else { return }
            if self.isOver { self.complaint = "speaks after its end: \(action)" }
            switch action {
            case .close: self.isOver = true
            case .handOver(_, let leftover):
                self.isOver = true
                if leftover.readableBytes > (64 << 10) + (16 << 10) {
                    self.complaint = "held \(leftover.readableBytes)"
                }
            case .open(let stream, _): self.stream = stream
            case .write, .authenticate, .deliver, .finish, .end, .pause, .resume: break
            case .isolateWrites, .ready, .granted, .serve, .withdraw, .opened:
                self.complaint = "says what no front says: \(action)"
            }
        }
        self.complaint = "does not stop speaking"
    }
}

/// SplitMix64: the same numbers on every machine.
struct ProxyServerFuzzGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { self.state = seed }

    mutating func next() -> UInt64 {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = (self.state ^ (self.state >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
