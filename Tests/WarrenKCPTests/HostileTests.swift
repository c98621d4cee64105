// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenTesting

@testable import WarrenKCP

/// Datagrams that no honest peer sends: nothing traps, nothing grows.
@Suite("KCP hostile input")
struct HostileTests {
    @Test func survivesMutatedDatagrams() throws {
        let vectors = try Vectors.load().valid.map { ByteBuffer(hex: $0.hex) }
        for seed in 0..<40 as Range<UInt64> {
            var attack = Attack(seed: seed, vectors)
            for _ in 0..<2500 { attack.step() }
            let isBounded = attack.isBounded
            #expect(isBounded, "seed \(seed)")
        }
    }

    @Test func survivesRandomHeaders() {
        for seed in 0..<40 as Range<UInt64> {
            var attack = Attack(seed: seed, [])
            for _ in 0..<2500 { attack.step() }
            let isBounded = attack.isBounded
            #expect(isBounded, "seed \(seed)")
        }
    }

    /// The same segment over and over makes no more acknowledgements than the window has segments.
    @Test func boundsAcknowledgements() {
        var machine = KCP.Machine(.vproxy())
        machine.input(.push(5), at: 0)
        for _ in 0..<100_000 { machine.input(.push(5), at: 0) }
        #expect(machine.output(at: 0).joined().count <= 1024)
    }

    /// A byte in a datagram with much memory does not keep that memory.
    @Test func letsGoOfLargeDatagrams() {
        var machine = KCP.Machine(.vproxy())
        var datagram = ByteBuffer(segments: [.push(9)])
        datagram.reserveCapacity(1 << 16)
        machine.input(datagram, now: .at(0))
        for number in 0..<9 as Range<UInt32> { machine.input(.push(number), at: 0) }
        var last: ByteBuffer?
        while let bytes = machine.receive() { last = bytes }
        #expect((last?.storageCapacity ?? .max) < 4096)
    }
}

private struct Attack {
    private var machine: KCP.Machine
    private var random: SeededRandom
    private let vectors: [ByteBuffer]
    private var time = 0
    private var out = ByteBuffer()

    init(seed: UInt64, _ vectors: [ByteBuffer]) {
        self.random = SeededRandom(seed)
        self.vectors = vectors
        var configuration = KCP.Configuration.vproxy(
            KCP.Configuration.Profile.allCases.randomElement(using: &self.random) ?? .fast4)
        configuration.congestion = [.window, .classic, .paced].randomElement(using: &self.random) ?? .paced
        configuration.framing = Bool.random(using: &self.random) ? .stream : .messages
        configuration.receiveWindow = 128
        let first: UInt32 = Bool.random(using: &self.random) ? 0 : .max - 20
        self.machine = KCP.Machine(configuration, now: .at(0), firstNumber: first)
    }

    var isBounded: Bool {
        self.machine.unread <= 128 * 2000 && self.machine.room <= 128 && self.machine.room >= 0
            && self.machine.backlog <= 1024 * 1226 + (256 << 10) + 200 && self.machine.inFlight >= 0
    }

    mutating func step() {
        self.time += Bool.random(using: &self.random) ? 0 : Int.random(in: 0...50, using: &self.random)
        self.machine.input(self.datagram(), now: .at(self.time))
        if self.machine.isWritable { self.machine.send(ByteBuffer(repeating: 1, count: self.number(200))) }
        if Int.random(in: 0..<8, using: &self.random) == 0 { while self.machine.receive() != nil {} }
        if self.number(4) == 0 {
            self.out.clear()
            while self.machine.poll(into: &self.out, now: .at(self.time)) > 0 {}
        }
        _ = self.machine.deadline
        // A fresh one once it has given up.
        if self.machine.failure != nil { self.machine = KCP.Machine(self.machine.configuration, now: .at(self.time)) }
    }

    private mutating func datagram() -> ByteBuffer {
        if let vector = self.vectors.randomElement(using: &self.random) {
            var datagram = vector
            for _ in 0..<Int.random(in: 0...3, using: &self.random) where datagram.readableBytes > 0 {
                let place = Int.random(in: 0..<min(datagram.readableBytes, 60), using: &self.random)
                datagram.setInteger(UInt8.random(in: .min ... .max, using: &self.random), at: place)
            }
            return datagram
        }
        var datagram = ByteBuffer()
        for _ in 0..<Int.random(in: 1...4, using: &self.random) {
            datagram.writeKCPSegment(KCP.Segment(self.header(), data: self.random.bytes(self.number(40))))
        }
        return datagram
    }

    private mutating func header() -> KCP.Header {
        let base = self.machine.window.oldest
        let commands: [KCP.Command] = [.push, .ack, .ask, .tell]
        return KCP.Header(
            command: commands[self.number(4)], fragment: UInt8(self.number(256)),
            window: UInt16(truncatingIfNeeded: self.random.next()),
            stamp: Bool.random(using: &self.random)
                ? UInt32(truncatingIfNeeded: self.time - self.number(100))
                : UInt32(truncatingIfNeeded: self.random.next()),
            number: self.near(Bool.random(using: &self.random) ? base : self.machine.received.next),
            awaited: self.near(base))
    }

    private mutating func near(_ number: UInt32) -> UInt32 {
        switch self.number(10) {
        case 0: UInt32(truncatingIfNeeded: self.random.next())
        case 1...3: number &- UInt32(self.number(40))
        default: number &+ UInt32(self.number(40))
        }
    }

    private mutating func number(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &self.random) }
}
