// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Whether the peer is still there: PINGs as deployed peers send them, with more patience than they have.
///
/// At every tick, a peer that has been silent for 5 s is asked, where nothing waits to be sent. Any byte is an answer. It
/// has 5 s for it, and is asked again at once, twice; deployed peers give up a fresh session at the first loss.
///
/// An end that waits for payload asks earlier, after 2 s. Who only reads would not notice otherwise that a NAT has given it
/// another address: the peer goes on sending to the old one, and is told of the new one by nothing but our data. While
/// no payload comes or goes, it asks half as often each time.
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
    private static let firstPause = TimeAmount.seconds(2)

    private let period: TimeAmount
    private var tick: NIODeadline
    private var heardAt: NIODeadline
    private var hasHeard = false
    private var unanswered = 0
    /// Until when the answer to the last question is awaited.
    private var answerUntil: NIODeadline?

    /// Payload is waited for since then or since the last byte, whichever is later.
    private var waitsSince: NIODeadline?
    private var pause = Self.firstPause

    init(period: TimeAmount, now: NIODeadline) {
        self.period = period
        self.tick = now + period
        self.heardAt = now
    }

    var deadline: NIODeadline { self.answerUntil ?? min(self.tick, self.earlyTick ?? self.tick) }

    /// Nil where the tick comes first anyway.
    private var earlyTick: NIODeadline? {
        guard let waitsSince, self.pause < self.period else { return nil }
        return max(waitsSince, self.heardAt) + self.pause
    }

    /// Any byte is a sign of life; so is that we do not read.
    mutating func heard() { self.hasHeard = true }

    /// Payload comes or goes: what follows it is missed soon.
    mutating func moved() { self.pause = Self.firstPause }

    mutating func waits(_ waits: Bool, now: NIODeadline) {
        if waits != (self.waitsSince != nil) { self.waitsSince = waits ? now : nil }
    }

    /// - Parameter isIdle: nothing waits to be sent.
    mutating func turn(now: NIODeadline, isIdle: Bool) -> Turn {
        if self.hasHeard {
            self.hasHeard = false
            self.heardAt = now
            self.answerUntil = nil
            self.unanswered = 0
        }
        guard self.deadline <= now else { return .nothing }
        if self.answerUntil != nil {
            self.unanswered += 1
            guard self.unanswered <= Self.tolerated else { return .dead }
            self.answerUntil = now + Self.patience
            return .ask
        }
        if let earlyTick, earlyTick <= now { return self.askEarly(now: now, isIdle: isIdle) }
        self.tick = now + self.period
        guard isIdle, self.heardAt + Self.quiet < now else { return .nothing }
        self.answerUntil = now + Self.patience
        return .ask
    }

    private mutating func askEarly(now: NIODeadline, isIdle: Bool) -> Turn {
        self.waitsSince = now
        guard isIdle else { return .nothing }
        // Who is asked early is not given up early.
        let early = max(Self.quiet - self.pause, .zero)
        self.pause = 2 * self.pause
        self.answerUntil = now + Self.patience + early
        return .ask
    }
}
