// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Whether the peer is still there: PINGs as deployed peers send them, with more patience than they have.
///
/// At every tick, a peer that has been silent for 5 s is asked, where nothing waits to be sent. Any byte is an answer. It
/// has 5 s for it, and is asked again at once, twice; deployed peers give up a fresh session at the first loss.
struct KeepAlive {
    enum Turn {
        case nothing
        case ask
        case dead
    }

    static let clientPeriod = TimeAmount.seconds(10)
    static let serverPeriod = TimeAmount.seconds(30)
    private static let quiet = TimeAmount.seconds(5)
    private static let patience = TimeAmount.seconds(5)
    /// Questions that may go unanswered one after the other.
    private static let tolerated = 2

    private let period: TimeAmount
    private var tick: NIODeadline
    private var heardAt: NIODeadline
    private var hasHeard = false
    private var askedAt: NIODeadline?
    private var unanswered = 0

    init(period: TimeAmount, now: NIODeadline) {
        self.period = period
        self.tick = now + period
        self.heardAt = now
    }

    var deadline: NIODeadline { self.askedAt.map { $0 + Self.patience } ?? self.tick }

    /// Any byte is a sign of life; so is that we do not read.
    mutating func heard() { self.hasHeard = true }

    /// - Parameter isIdle: nothing waits to be sent.
    mutating func turn(now: NIODeadline, isIdle: Bool) -> Turn {
        if self.hasHeard {
            self.hasHeard = false
            self.heardAt = now
            self.askedAt = nil
            self.unanswered = 0
        }
        guard self.deadline <= now else { return .nothing }
        if self.askedAt != nil {
            self.unanswered += 1
            guard self.unanswered <= Self.tolerated else { return .dead }
            self.askedAt = now
            return .ask
        }
        self.tick = now + self.period
        guard isIdle, self.heardAt + Self.quiet < now else { return .nothing }
        self.askedAt = now
        return .ask
    }
}
