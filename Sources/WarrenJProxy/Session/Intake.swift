// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// Counts what was delivered and not yet taken, and decides who holds up the session and whose stream is ended for it.
///
/// All streams share one carrier, so a stream whose reader takes nothing soon holds up all others. Past its bound it is a
/// *holder*, and the carrier is left alone. A holder that has taken nothing for ``doubt`` is *doubtful*: the carrier is read
/// again in spite of it, until it has four times its bound or the session is crowded. So readers that are dead are all
/// found in the same wait, however their bytes are mixed on the carrier, and each has its own time all along:
///
/// - It is ended when it has taken nothing for ``stall`` since it had something to take, at once if that is past when it
///   becomes a holder. A wait in vain uses up the patience of the session, which comes back at a quarter of the time that
///   passes; then a holder that has never been seen taking anything gets what is left of it, and at least ``shortestWait``.
/// - It is ended when it has held for ``stall`` and has taken less than half a bound in that time.
///
/// The only stream of a session holds up nobody, and is not ended.
struct Intake {
    /// Enough for a slow reader to be seen taking something: systems tell of room in steps of some hundred KiB.
    private static let shortestWait = TimeAmount.seconds(3)
    /// Readers that are alive take something far sooner, as a rule.
    static let doubt = TimeAmount.milliseconds(500)
    /// Of its bound, what a doubtful holder may have.
    private static let mostBounds = 4

    private let limits: SessionLimits
    private let stall: TimeAmount
    /// Time waited in vain lately, and when it was last looked at.
    private var waited = TimeAmount.zero
    private var waitedAt = NIODeadline.uptimeNanoseconds(0)
    private var unread = 0
    private var isCrowded = false
    private var holders: [Int] = []
    /// When the holders were last looked at; nil after a change.
    private var judgedAt: NIODeadline?
    private var lastNow = NIODeadline.uptimeNanoseconds(0)
    /// The carrier is to be left alone.
    private(set) var isHeld = false
    /// When the holders must be looked at again.
    private(set) var due: NIODeadline?

    init(_ limits: SessionLimits, stall: TimeAmount) {
        self.limits = limits
        self.stall = stall
    }

    private var bound: Int { self.isCrowded ? self.limits.unreadWhenCrowded : self.limits.unreadPerStream }

    mutating func delivered(_ count: Int, to row: Int, in table: inout StreamTable, now: NIODeadline) {
        if table[row].unread == 0 || table[row].hasTaken {
            table[row].blockedSince = now
            table[row].hasTaken = false
        }
        table[row].unread += count
        self.unread += count
        if !self.isCrowded, self.unread > self.limits.unreadPerSession {
            self.isCrowded = true
            for row in table.live { self.holdIfFull(row, in: &table, now: now) }
            self.judge(table, now: now)
        }
        let isNew = self.holdIfFull(row, in: &table, now: now)
        if isNew || (table[row].holdsSince != nil && self.isFull(row, table)) { self.judge(table, now: now) }
    }

    mutating func consumed(_ count: Int, of row: Int, in table: inout StreamTable) {
        let taken = min(max(count, 0), table[row].unread)
        guard taken > 0 else { return }
        let wasHolder = table[row].holdsSince != nil
        table[row].unread -= taken
        table[row].hasTaken = true
        self.unread -= taken
        if wasHolder {
            table[row].isProven = true
            table[row].takenAsHolder += taken
            self.releaseIfRead(row, in: &table)
        }
        if self.isCrowded, self.unread <= self.limits.unreadPerSession / 2 {
            self.isCrowded = false
            for row in self.holders { self.releaseIfRead(row, in: &table) }
            self.judge(table, now: self.lastNow)
        } else if wasHolder {
            // By the time last known: it only makes more of them doubtful.
            self.judge(table, now: self.lastNow)
        }
    }

    /// The stream is gone, or its reader is.
    mutating func forget(_ row: Int, in table: inout StreamTable) {
        self.consumed(table[row].unread, of: row, in: &table)
    }

    /// A stream that must be ended now.
    mutating func stalled(in table: inout StreamTable, now: NIODeadline) -> Int? {
        guard !self.holders.isEmpty, self.judgedAt != now else { return nil }
        for row in self.holders where table[row].hasTaken {
            table[row].blockedSince = now
            table[row].hasTaken = false
        }
        for row in self.holders where self.isDead(row, in: &table, now: now) {
            if table.count > 1 {
                self.recover(now: now)
                self.waited = min(self.waited + (now - (table[row].holdsSince ?? now)), self.stall)
                return row
            }
            // Its time starts again: a second stream must not find it overdue.
            self.restart(row, in: &table, now: now)
            table[row].blockedSince = now
        }
        self.judge(table, now: now)
        self.judgedAt = now
        return nil
    }
}

// MARK: Holders

extension Intake {
    @discardableResult
    private mutating func holdIfFull(_ row: Int, in table: inout StreamTable, now: NIODeadline) -> Bool {
        guard table[row].holdsSince == nil, table[row].unread > self.bound else { return false }
        self.recover(now: now)
        self.restart(row, in: &table, now: now)
        self.holders.append(row)
        return true
    }

    private mutating func releaseIfRead(_ row: Int, in table: inout StreamTable) {
        guard table[row].holdsSince != nil, table[row].unread <= self.bound / 2 else { return }
        table[row].holdsSince = nil
        self.holders.removeAll { $0 == row }
    }

    private func restart(_ row: Int, in table: inout StreamTable, now: NIODeadline) {
        table[row].holdsSince = now
        table[row].takenAsHolder = 0
    }

    private func isFull(_ row: Int, _ table: StreamTable) -> Bool {
        table[row].unread > Self.mostBounds * self.limits.unreadPerStream
    }

    /// True if the stream's time is over. One that has taken enough gets as much again.
    private func isDead(_ row: Int, in table: inout StreamTable, now: NIODeadline) -> Bool {
        if table[row].blockedSince + self.patience(with: table[row]) <= now { return true }
        guard let since = table[row].holdsSince, since + self.stall <= now else { return false }
        guard table[row].takenAsHolder >= self.bound / 2 else { return true }
        self.restart(row, in: &table, now: now)
        return false
    }

    private func patience(with stream: StreamRow) -> TimeAmount {
        stream.isProven ? self.stall : max(self.stall - self.waited, min(Self.shortestWait, self.stall))
    }

    private mutating func recover(now: NIODeadline) {
        let recovered = TimeAmount.nanoseconds((now - self.waitedAt).nanoseconds / 4)
        self.waited = max(self.waited - recovered, .zero)
        self.waitedAt = now
    }

    /// Finds out whether the carrier is to be left alone, and until when that stands.
    private mutating func judge(_ table: StreamTable, now: NIODeadline) {
        self.lastNow = now
        self.judgedAt = nil
        self.due = nil
        self.isHeld = false
        var (isDoubtful, isAlive, isFull) = (false, false, self.isCrowded || table.count == 1)
        var first = NIODeadline.distantFuture
        for row in self.holders {
            let stream = table[row]
            let doubt = stream.blockedSince + Self.doubt
            if doubt > now || stream.hasTaken {
                first = min(first, stream.hasTaken ? now + Self.doubt : doubt)
                if stream.isProven { isAlive = true }
            } else {
                isDoubtful = true
            }
            if self.isFull(row, table) { isFull = true }
            first = min(first, stream.blockedSince + self.patience(with: stream))
            if let since = stream.holdsSince { first = min(first, since + self.stall) }
        }
        guard !self.holders.isEmpty else { return }
        self.due = first
        self.isHeld = isFull || isAlive || !isDoubtful
    }
}
