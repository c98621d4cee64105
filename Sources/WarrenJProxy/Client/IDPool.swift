// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// The ids of a client, in increasing order through all 65536, then the oldest freed one that is safe.
///
/// Deployed clients use the last freed id at once, and deliver the rest of the old stream to the new one.
struct IDPool {
    private struct Freed {
        var id: UInt16
        var since: NIODeadline
        var parting: Multiplexer.Parting
        /// CONNECTs sent until then.
        var connects: UInt64
    }

    /// Bytes that a server had queued when it read our DISCONNECT are given this long.
    private static let rest = TimeAmount.seconds(1)
    /// A deployed server tries to connect for as long as its kernel does, about two minutes, and may answer then.
    private static let longRest = TimeAmount.minutes(3)

    private let count: Int
    private var fresh = 0
    private var freed = CircularBuffer<Freed>()
    private var unanswered = CircularBuffer<Freed>()
    /// CONNECTs sent so far.
    private(set) var connects: UInt64 = 0
    /// The latest CONNECT that was answered.
    private var lastAnswered: UInt64 = 0

    init(count: Int = 1 << 16) { self.count = count }

    /// The id for the next CONNECT; nil if none is safe now.
    mutating func take(now: NIODeadline) -> UInt16? {
        guard let id = self.findID(now: now) else { return nil }
        self.connects += 1
        return id
    }

    /// - Parameter connect: the value of ``connects`` after its ``take(now:)``.
    mutating func answered(_ connect: UInt64) { self.lastAnswered = max(self.lastAnswered, connect) }

    mutating func free(_ id: UInt16, _ parting: Multiplexer.Parting, now: NIODeadline) {
        let entry = Freed(id: id, since: now, parting: parting, connects: self.connects)
        if parting == .unanswered { self.unanswered.append(entry) } else { self.freed.append(entry) }
    }

    private mutating func findID(now: NIODeadline) -> UInt16? {
        if self.fresh < self.count, let id = UInt16(exactly: self.fresh) {
            self.fresh += 1
            return id
        }
        if let oldest = self.freed.first, self.isSafe(oldest, now: now) { return self.freed.popFirst()?.id }
        if let oldest = self.unanswered.first, oldest.since + Self.longRest <= now, oldest.connects < self.lastAnswered
        {
            return self.unanswered.popFirst()?.id
        }
        return nil
    }

    /// An answer to a CONNECT behind our DISCONNECT proves that the server has read it.
    private func isSafe(_ entry: Freed, now: NIODeadline) -> Bool {
        entry.parting == .byPeer || (entry.connects < self.lastAnswered && entry.since + Self.rest <= now)
    }
}
