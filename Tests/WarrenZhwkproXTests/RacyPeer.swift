// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore
import WarrenTesting

@testable import WarrenZhwkproX

/// A deployed peer: handles every message in a task of its own, after 0 to 500 µs, in whatever order that gives.
///
/// It reads each field with one read, so a message that comes in two segments is filled up with zeros, and what follows is
/// taken for messages.
struct RacyPeer {
    private static let mostDelay: Int64 = 500_000

    private let segment: Int
    private let isPrompt: Bool
    private var random: SeededRandom
    private var tasks: [(time: NIODeadline, endpoint: ZhwkproX.StreamAddress, bytes: ByteBuffer)] = []
    /// What the users, or destinations, of each endpoint have been given.
    private(set) var received: [ZhwkproX.StreamAddress: ByteBuffer] = [:]
    /// A message of length 0 was handled, so many bytes in.
    private(set) var ends: [ZhwkproX.StreamAddress: Int] = [:]
    private(set) var messages = 0
    private(set) var isLost = false

    /// - Parameters:
    ///   - segment: what the path carries at once, in bytes.
    ///   - isPrompt: handles messages at once, in order.
    init(segment: Int, seed: UInt64, isPrompt: Bool = false) {
        self.segment = segment
        self.isPrompt = isPrompt
        self.random = SeededRandom(seed)
    }

    var nextTask: NIODeadline? { self.tasks.map(\.time).min() }

    /// Takes one write: as many segments as it needs, read one after the other.
    mutating func receive(_ bytes: ByteBuffer, now: NIODeadline) {
        var left = bytes
        while left.readableBytes > 0, !self.isLost {
            guard var segment = left.readSlice(length: min(self.segment, left.readableBytes)) else { return }
            while segment.readableBytes > 0, !self.isLost { self.readMessage(&segment, now: now) }
        }
    }

    private mutating func readMessage(_ segment: inout ByteBuffer, now: NIODeadline) {
        guard let (endpoint, length) = try? segment.readZhwkproXGet(most: 1 << 20), length <= segment.readableBytes,
            let cipher = segment.readSlice(length: length)
        else {
            self.isLost = true
            return
        }
        self.messages += 1
        let plain = ByteBuffer(bytes: Bytes.cipher.decrypted(cipher.array))
        let delay = self.isPrompt ? 0 : Int64.random(in: 0...Self.mostDelay, using: &self.random)
        self.tasks.append((now + .nanoseconds(delay), endpoint, plain))
    }

    /// Does what is due, first come, first served by the time that each task took.
    mutating func run(now: NIODeadline) {
        let due = self.tasks.filter { $0.time <= now }.sorted { $0.time < $1.time }
        self.tasks.removeAll { $0.time <= now }
        for task in due {
            if task.bytes.readableBytes == 0 {
                self.ends[task.endpoint] = self.received[task.endpoint]?.readableBytes ?? 0
            } else {
                self.received[task.endpoint, default: ByteBuffer()].writeImmutableBuffer(task.bytes)
            }
        }
    }
}

extension Harness {
    /// Lets the machine and the peer work until neither has anything to do before `end`.
    mutating func run(with peer: inout RacyPeer, until end: NIODeadline, _ handle: (SessionAction) -> Void = { _ in }) {
        while true {
            for action in self.drain() {
                if case .write(let bytes) = action { peer.receive(bytes, now: self.now) } else { handle(action) }
            }
            peer.run(now: self.now)
            let next = [self.machine.deadline, peer.nextTask].compactMap { $0 }.min()
            guard let next, next <= end else { return }
            self.now = max(next, self.now)
        }
    }
}
