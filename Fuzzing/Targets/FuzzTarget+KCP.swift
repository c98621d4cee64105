// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenKCP
import WarrenTesting

extension FuzzTarget {
    static let kcp = [
        FuzzTarget("kcp-pair") { input in
            var story = KCPStory(input)
            return story.run()
        },
        FuzzTarget("kcp-machine") { judgeDatagrams($0) },
        FuzzTarget("kcp-first-word") { input in
            let datagram = ByteBuffer(bytes: input)
            guard case .middle(let answer) = KCP.FirstWord(datagram, conversation: 0) else { return nil }
            if answer.readableBytes > datagram.readableBytes { return "an answer longer than what came" }
            var machine = KCP.Machine(.vproxy(), now: .uptimeNanoseconds(1))
            machine.input(answer, now: .uptimeNanoseconds(1))
            return machine.counters.badDatagrams == 0 ? nil : "an answer that no machine takes"
        },
    ]
}

extension FuzzTarget {
    // Values that nobody changes: each use makes a copy.
    nonisolated(unsafe) private static let talking = KCP.Congestion.allOfThem.map(Self.talking)
    private static let start = NIODeadline.uptimeNanoseconds(1_000_000_000)

    /// A machine with segments in flight, and one of the peer's missing.
    private static func talking(_ congestion: KCP.Congestion) -> KCP.Machine {
        var configuration = KCP.Configuration.vproxy()
        configuration.congestion = congestion
        configuration.receiveWindow = 16
        configuration.mtu = 100
        var (near, far) = (KCP.Machine(configuration, now: Self.start), KCP.Machine(configuration, now: Self.start))
        for number in 0..<4 {
            near.send(ByteBuffer(repeating: 1, count: 200))
            far.send(ByteBuffer(repeating: 2, count: 200))
            while let datagram = near.poll(now: Self.start) { far.input(datagram, now: Self.start) }
            var isFirst = number == 3
            while let datagram = far.poll(now: Self.start) {
                if !isFirst { near.input(datagram, now: Self.start) }
                isFirst = false
            }
        }
        near.send(ByteBuffer(repeating: 1, count: 400))
        while near.poll(now: Self.start) != nil {}
        return near
    }

    /// Settings, then datagrams: each its length, the milliseconds before it, and its bytes.
    private static func judgeDatagrams(_ input: [UInt8]) -> String? {
        var script = ByteBuffer(bytes: input)
        let flags = script.readInteger(as: UInt8.self) ?? 0
        var machine = Self.talking[Int(flags) % Self.talking.count]
        var now = Self.start
        var answers = 0
        while let (length, pause) = script.readMultipleIntegers(as: (UInt8, UInt8).self) {
            now = now + .milliseconds(Int64(pause) * (flags & 128 == 0 ? 1 : 40))
            machine.input(script.readSlice(length: min(Int(length), script.readableBytes)) ?? ByteBuffer(), now: now)
            if flags & 64 == 0 { while machine.receive() != nil {} }
            while machine.poll(now: now) != nil {
                answers += 1
                // What is in flight may be repeated each time, and a datagram acknowledged.
                if answers > 40 * (input.count + 1) { return "it does not stop speaking" }
            }
            if machine.failure == nil, let deadline = machine.deadline, deadline <= now { return "it never sleeps" }
            if machine.room < 0 || machine.room > 16 || machine.unread > 16 * 255 || machine.inFlight < 0 {
                return "room \(machine.room), unread \(machine.unread), in flight \(machine.inFlight)"
            }
        }
        return nil
    }
}

extension KCP.Congestion {
    fileprivate static let allOfThem = [Self.window, .classic, .paced]
}

/// Two machines that talk over a network which does what the input says, and somebody who puts in datagrams of his own.
///
/// An input is settings and then steps, each a byte and what it needs. As long as nothing is forged, each end must have the
/// beginning of what the other one was given; and when all is over, and the network is a good one, all of it.
private struct KCPStory {
    private static let mostSent = 8 << 10
    private static let window = 64
    private static let content = {
        var random = SeededRandom(1)
        return random.bytes(2 * Self.mostSent)
    }()

    private var script: ByteBuffer
    private var ends: [KCP.Machine] = []
    /// To each end, oldest first.
    private var underWay: [[ByteBuffer]] = [[], []]
    /// Bytes of ``content``, by each end.
    private var sent = [0, 0]
    private var received = [0, 0]
    private var now = NIODeadline.uptimeNanoseconds(1_000_000_000)
    private var isForged = false
    private var complaint: String?

    init(_ input: [UInt8]) {
        self.script = ByteBuffer(bytes: input)
        var (near, far) = (Self.configuration(self.byte()), Self.configuration(self.byte()))
        // Both have to agree on it.
        far.framing = near.framing
        near.queued = 16 << 10
        self.ends = [near, far].map { KCP.Machine($0, now: self.now) }
    }

    private static func configuration(_ flags: UInt8) -> KCP.Configuration {
        let profiles = KCP.Configuration.Profile.allCases
        var configuration = KCP.Configuration.vproxy(profiles[Int(flags & 3)])
        configuration.congestion = [.window, .classic, .paced, .paced][Int(flags >> 2 & 3)]
        configuration.framing = flags & 16 == 0 ? .stream : .messages
        configuration.sendWindow = Self.window
        configuration.receiveWindow = flags & 32 == 0 ? Self.window : 4
        configuration.mtu = flags & 64 == 0 ? 200 : 1250
        // The clock of the wire turns over in the middle.
        configuration.clockOffset = flags & 128 == 0 ? 0 : .max - 1500
        return configuration
    }

    mutating func run() -> String? {
        while self.complaint == nil, self.script.readableBytes > 0 { self.step() }
        if self.complaint == nil { self.end() }
        return self.complaint
    }

    private mutating func byte() -> UInt8 { self.script.readInteger() ?? 0 }

    private mutating func step() {
        let word = self.byte()
        let end = Int(word >> 3 & 1)
        let number = Int(word >> 4)
        switch word & 7 {
        case 0: self.forge(to: end, length: Int(self.byte()))
        case 1: self.spoil(to: end, number)
        case 2: self.send(from: end, 1 + number * 31)
        case 3 where number < 8: self.carry(to: end, 1 + number)
        case 3: self.overtake(to: end, number)
        case 4: if !self.underWay[end].isEmpty { self.underWay[end].removeFirst() }
        case 5: self.double(to: end)
        case 6: self.wait(number == 0 ? .seconds(Int64(self.byte())) : .milliseconds(Int64(number * number)))
        default: self.read(end)
        }
        for end in 0..<2 { self.pull(end) }
    }

    private mutating func forge(to end: Int, length: Int) {
        guard let datagram = self.script.readSlice(length: min(length, self.script.readableBytes)) else { return }
        self.isForged = true
        self.ends[end].input(datagram, now: self.now)
    }

    /// Changes a byte of what comes next, and leaves the original where it is.
    private mutating func spoil(to end: Int, _ number: Int) {
        let (place, value) = (Int(self.byte()), self.byte())
        guard !self.underWay[end].isEmpty else { return }
        var datagram = self.underWay[end][number % self.underWay[end].count]
        guard datagram.readableBytes > 0 else { return }
        self.isForged = true
        datagram.setInteger(value, at: datagram.readerIndex + place % datagram.readableBytes)
        self.ends[end].input(datagram, now: self.now)
    }

    private mutating func send(from end: Int, _ count: Int) {
        guard self.ends[end].isWritable, self.sent[end] < Self.mostSent,
            let bytes = Self.content.getSlice(at: self.sent[end], length: count)
        else { return }
        guard self.ends[end].send(bytes), self.ends[end].failure == nil else { return }
        self.sent[end] += count
    }

    private mutating func carry(to end: Int, _ count: Int) {
        for datagram in self.underWay[end].prefix(count) { self.ends[end].input(datagram, now: self.now) }
        self.underWay[end].removeFirst(min(count, self.underWay[end].count))
    }

    /// One arrives before those that have left before it.
    private mutating func overtake(to end: Int, _ number: Int) {
        guard !self.underWay[end].isEmpty else { return }
        self.ends[end].input(self.underWay[end].remove(at: number % self.underWay[end].count), now: self.now)
    }

    private mutating func double(to end: Int) {
        guard let first = self.underWay[end].first, self.underWay[end].count < 256 else { return }
        self.underWay[end].append(first)
    }

    private mutating func wait(_ time: TimeAmount) { self.now = self.now + time }

    private mutating func read(_ end: Int) {
        while let bytes = self.ends[end].receive() {
            let expected = Self.content.getSlice(at: self.received[end], length: bytes.readableBytes)
            self.received[end] += bytes.readableBytes
            guard !self.isForged else { continue }
            if bytes != expected || self.received[end] > self.sent[1 - end] {
                self.complaint = "end \(end) has something else than was sent, before \(self.received[end]) bytes"
            }
        }
    }

    private mutating func pull(_ end: Int) {
        let configuration = self.ends[end].configuration
        // Each segment that may be in flight, each acknowledgement, and a word on the window.
        for _ in 0..<1000 {
            guard let datagram = self.ends[end].poll(now: self.now) else { return self.check(end) }
            if datagram.readableBytes > configuration.mtu || datagram.readableBytes == 0 {
                self.complaint = "a datagram of \(datagram.readableBytes) bytes"
            }
            if self.underWay[1 - end].count < 512 { self.underWay[1 - end].append(datagram) }
        }
        self.complaint = "it does not stop speaking"
    }

    private mutating func check(_ end: Int) {
        let machine = self.ends[end]
        let limit = machine.configuration.receiveWindow
        if machine.room < 0 || machine.room > limit { self.complaint = "room for \(machine.room) segments" }
        if machine.inFlight < 0 || machine.backlog > Self.mostSent + 2000 {
            self.complaint = "backlog \(machine.backlog)"
        }
        // A datagram of the input has at most 255 bytes, one of ours 1250.
        if machine.unread > limit * 1250 { self.complaint = "\(machine.unread) bytes unread" }
        if machine.failure == nil, let deadline = machine.deadline, deadline <= self.now {
            self.complaint = "it wants to be woken at once, with nothing to do"
        }
    }

    /// The network becomes a good one.
    private mutating func end() {
        for _ in 0..<(self.isForged ? 50 : 4000) {
            for end in 0..<2 {
                self.carry(to: end, self.underWay[end].count)
                self.read(end)
                self.pull(end)
            }
            guard self.complaint == nil else { return }
            guard self.underWay.allSatisfy(\.isEmpty) else { continue }
            let next = self.ends.compactMap { $0.failure == nil ? $0.deadline : nil }.min()
            guard let next else { break }
            self.now = max(self.now, next)
        }
        guard !self.isForged else { return }
        if self.ends.contains(where: \.peerHasForgotten) { self.complaint = "it takes its peer for a new one" }
        guard self.ends.allSatisfy({ $0.failure == nil }) else { return }
        for end in 0..<2 where self.received[end] != self.sent[1 - end] {
            self.complaint = """
                end \(end) has \(self.received[end]) of \(self.sent[1 - end]) bytes in the end
                """
        }
    }
}
