// SPDX-License-Identifier: Apache-2.0

package import NIOCore

/// Whether the peer is still there, and how long a round trip takes: both by numbered pings.
package struct KeepAliveTimer {
    /// After so long without a byte from the peer it is asked whether it is there.
    package static let quiet = TimeAmount.seconds(15)
    /// How long it may take to answer, and how often it is asked.
    package static let timeout = TimeAmount.seconds(10)
    package static let tries = 2
    /// Round trips are measured at most so often, and at most once in eight of them.
    private static let rest = TimeAmount.milliseconds(10)

    /// The latest one measured, waiting behind payload included.
    package private(set) var roundTrip: TimeAmount?
    private var heardAt: NIODeadline
    /// Bytes have come since the last step.
    private var hasHeard = false
    private var unanswered = 0
    private var askedAt: NIODeadline
    private var number: UInt64 = 0
    private var isMeasuring = false

    package init(now: NIODeadline) {
        self.heardAt = now
        self.askedAt = now
    }

    package var deadline: NIODeadline {
        self.unanswered == 0 ? self.heardAt + Self.quiet : self.askedAt + Self.timeout
    }

    /// Any byte is a sign of life.
    package mutating func heard() { self.hasHeard = true }

    /// True if the peer has not answered for too long.
    package mutating func isDead(now: NIODeadline) -> Bool {
        if self.hasHeard {
            self.hasHeard = false
            self.heardAt = now
            self.unanswered = 0
        }
        return self.unanswered == Self.tries && self.askedAt + Self.timeout <= now
    }

    /// The number of a ping that is due to a peer that is silent.
    package mutating func ask(now: NIODeadline) -> UInt64? {
        guard self.deadline <= now, self.unanswered < Self.tries else { return nil }
        self.unanswered += 1
        return self.send(now: now)
    }

    /// The number of a ping that measures the round trip; nil if it is known well enough, or being measured.
    package mutating func measure(now: NIODeadline) -> UInt64? {
        if self.isMeasuring { return nil }
        if let roundTrip, now < self.askedAt + max(Self.rest, 8 * roundTrip) { return nil }
        return self.send(now: now)
    }

    package mutating func answered(_ number: UInt64, now: NIODeadline) {
        guard self.isMeasuring, number == self.number else { return }
        self.isMeasuring = false
        self.roundTrip = now - self.askedAt
    }

    private mutating func send(now: NIODeadline) -> UInt64 {
        self.number += 1
        self.askedAt = now
        self.isMeasuring = true
        return self.number
    }
}
