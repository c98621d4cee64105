// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore
import WarrenTesting

@testable import WarrenVProxy

/// A driver that keeps the rules, with readers that are slow, a carrier that is full at times, and a hostile peer.
struct Assailant<Machine: SessionMachine> {
    struct Most {
        /// Bytes that readers had not taken, and bytes that one stream had queued, at most.
        var unread = 0
        var queued = 0

        mutating func add(_ other: Most) {
            self.unread = max(self.unread, other.unread)
            self.queued = max(self.queued, other.queued)
        }
    }

    private var harness: Harness<Machine>
    private(set) var isClosed = false
    private(set) var complaint: String?
    private(set) var most = Most()
    private var unread: [StreamID: Int] = [:]
    /// Since the carrier was last writable.
    private var queued: [StreamID: Int] = [:]
    private var (fed, written, steps) = (0, 0, 0)

    private let limits: SessionLimits
    private let isExtended: Bool

    init(_ harness: Harness<Machine>, _ limits: SessionLimits, isExtended: Bool) {
        self.harness = harness
        self.limits = limits
        self.isExtended = isExtended
    }

    /// One chunk may bring one more frame past the budget; windows come out of pools of their own.
    private var mostUnread: Int {
        let windows = 3 * self.limits.unreadPerSession + self.limits.streams * self.limits.unreadPerStream
        return self.limits.budget + 8192 + (self.isExtended ? windows : 0)
    }

    private mutating func complain(_ text: String) { self.complaint = self.complaint ?? text }

    mutating func feed(_ bytes: ByteBuffer, _ random: inout SeededRandom) {
        self.harness.writable =
            Int.random(in: 0..<10, using: &random) > 0 ? self.harness.writable : !self.harness.writable
        for chunk in Bool.random(using: &random) ? [bytes] : Chunks.random(bytes, most: 300, using: &random) {
            // Whoever is not read waits, until the readers take something or are ended for it.
            guard self.harness.machine.wantsBytes else { break }
            self.fed += chunk.readableBytes
            self.harness.machine.receive(chunk)
            self.pull(&random)
        }
        self.take(&random)
        self.harness.now = self.harness.now + .milliseconds(Int64.random(in: 0..<20, using: &random))
        self.pull(&random)
    }

    /// Ends the carrier, if it has not ended: after that, there is silence.
    mutating func end() {
        guard self.complaint == nil else { return }
        self.harness.writable = true
        if !self.isClosed {
            for (stream, count) in self.unread { self.harness.machine.consumed(count, on: stream) }
            self.unread = [:]
            self.harness.machine.receiveEnd()
            var calm = SeededRandom(0)
            self.pull(&calm)
        }
        if !self.isClosed { self.complain("it does not end with its carrier") }
        self.harness.machine.receive(syn(1) + ping(1))
        if self.harness.drain() != [] || self.harness.machine.deadline != nil {
            self.complain("it speaks after its end")
        }
    }

    private mutating func take(_ random: inout SeededRandom) {
        guard Int.random(in: 0..<4, using: &random) == 0 else { return }
        let streams = self.unread.keys.sorted { $0.rawValue < $1.rawValue }
        guard let stream = streams.randomElement(using: &random), let count = self.unread[stream] else { return }
        self.unread[stream] = nil
        self.harness.machine.consumed(count, on: stream)
    }

    private mutating func pull(_ random: inout SeededRandom) {
        self.steps = 0
        while let action = self.harness.machine.next(now: self.harness.now, writable: self.harness.writable) {
            self.steps += 1
            if self.steps > 10_000 { return self.complain("it is never silent") }
            if self.isClosed { return self.complain("it speaks after its end: \(action)") }
            self.perform(action, &random)
        }
        self.check()
    }

    private mutating func check() {
        guard !self.isClosed else { return }
        let unread = self.unread.values.reduce(0, +)
        self.most.add(Most(unread: unread, queued: self.queued.values.max() ?? 0))
        if unread > self.mostUnread { self.complain("\(unread) bytes lie unread") }
        if unread >= self.limits.budget, self.harness.machine.wantsBytes, !self.isExtended {
            self.complain("it reads on with \(unread) bytes unread")
        }
        if self.written > 64 << 10 + 300 * self.fed { self.complain("\(self.written) bytes written for \(self.fed)") }
    }

    private mutating func perform(_ action: SessionAction, _ random: inout SeededRandom) {
        switch action {
        case .close: self.isClosed = true
        case .write(let bytes):
            self.written += bytes.readableBytes
            self.queued = [:]
        case .open(let id, _):
            if Int.random(in: 0..<4, using: &random) > 0 {
                self.harness.machine.accept(id)
            } else {
                self.harness.machine.reset(id, .refused)
            }
        case .deliver(let id, let bytes):
            self.unread[id, default: 0] += bytes.readableBytes
            // An echo, as long as there is room.
            guard self.harness.machine.hasRoom(on: id) else { return }
            self.queued[id, default: 0] += bytes.readableBytes
            self.harness.machine.send(bytes, on: id)
        case .finish(let id): if Bool.random(using: &random) { self.harness.machine.finish(id) }
        case .end(let id, _):
            self.unread[id] = nil
            self.queued[id] = nil
        case .authenticate, .isolateWrites, .ready, .granted, .serve, .withdraw, .opened, .pause, .resume, .handOver:
            break
        }
    }
}
