// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// The target of a waiting accepter: it is there before a partner is, because it may be the one who speaks first, and
/// therefore may go before a partner comes.
///
/// ```
/// wanted --open--> dialing --accept--> reached --it ends--> resting --pause, or a partner--> wanted
///                     +-------- cannot be had -----------------^
/// ```
struct TargetWatch {
    enum State: Hashable {
        case wanted
        case dialing
        /// Nil until the clock has been asked.
        case reached(since: NIODeadline?)
        /// Lost, and nobody has asked the clock yet.
        case lost
        case resting(until: NIODeadline)
    }

    private static let shortestPause = TimeAmount.milliseconds(250)
    private static let longestPause = TimeAmount.seconds(30)
    /// A target that stays for so long is one that works.
    private static let steady = TimeAmount.seconds(10)

    private(set) var state = State.wanted
    /// The connection to the target that is there, is being made, or was there last: each has a number of its own.
    private(set) var stream = JET.AcceptMachine.firstStream
    private var failures = 0
    private(set) var reachedAt: NIODeadline?
    /// Why the last one was lost; nil for an orderly end.
    private(set) var fault: StreamFault?

    var isDialing: Bool { self.state == .dialing }
    var isReached: Bool { if case .reached = self.state { true } else { false } }

    mutating func dial() {
        if self.failures > 0 { self.stream = StreamID(self.stream.rawValue &+ 1) }
        self.reachedAt = nil
        self.state = .dialing
    }

    mutating func accepted() { self.state = .reached(since: nil) }

    mutating func lost(_ fault: StreamFault?) {
        self.fault = fault
        self.state = .lost
    }

    /// Somebody waits for the target: no more pause.
    mutating func want() { self.state = .wanted }

    mutating func look(at now: NIODeadline) {
        switch self.state {
        case .reached(since: nil):
            self.reachedAt = now
            self.state = .reached(since: now)
        case .lost:
            if let reachedAt, now - reachedAt >= Self.steady { self.failures = 0 }
            let doubled = Self.shortestPause.nanoseconds << Int64(min(self.failures, 7))
            self.failures += 1
            self.state = .resting(until: now + .nanoseconds(min(doubled, Self.longestPause.nanoseconds)))
        case .resting(let until): if until <= now { self.state = .wanted }
        case .wanted, .dialing, .reached: break
        }
    }
}
