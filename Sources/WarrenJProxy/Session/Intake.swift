// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// Counts what was delivered and not yet taken, and knows who holds up the session.
///
/// All streams share one carrier, so a stream whose reader takes nothing soon holds up all others. Past its bound it
/// *holds*: the carrier is left alone. It is ended when it has held for ``stall``, or at once if its reader had taken
/// nothing for that long already.
///
/// A reader that takes nothing at all while it holds uses up the patience of the session, which comes back at a quarter
/// of the time that passes: the first one is waited for in full, the next ones get what is left and at least
/// ``shortestWait``, so that a hundred dead readers cost the tunnel little more than one ``stall``.
struct Intake {
    /// Enough for a reader that is alive to take something, on any path that carries a user's session.
    private static let shortestWait = TimeAmount.milliseconds(250)

    private let limits: SessionLimits
    private let stall: TimeAmount
    /// Time waited for readers lately.
    private var waited = TimeAmount.zero
    private var heldSince: NIODeadline?
    private var releasedAt = NIODeadline.uptimeNanoseconds(0)
    private var unread = 0
    private var isCrowded = false
    private var holders: [Int] = []
    /// When the first of the holders is to be ended.
    private(set) var due: NIODeadline?

    init(_ limits: SessionLimits, stall: TimeAmount) {
        self.limits = limits
        self.stall = stall
    }

    var isHeld: Bool { !self.holders.isEmpty }

    private var bound: Int { self.isCrowded ? self.limits.unreadWhenCrowded : self.limits.unreadPerStream }

    mutating func delivered(_ count: Int, to row: Int, in table: inout StreamTable, now: NIODeadline) {
        if table[row].unread == 0 || table[row].hasProgressed {
            table[row].blockedSince = now
            table[row].hasProgressed = false
        }
        table[row].unread += count
        self.unread += count
        if !self.isCrowded, self.unread > self.limits.unreadPerSession {
            self.isCrowded = true
            for row in table.live { self.holdIfFull(row, in: &table, now: now) }
        }
        self.holdIfFull(row, in: &table, now: now)
    }

    mutating func consumed(_ count: Int, of row: Int, in table: inout StreamTable) {
        let taken = min(max(count, 0), table[row].unread)
        guard taken > 0 else { return }
        let isNews = !table[row].hasProgressed && table[row].holdsSince != nil
        table[row].unread -= taken
        table[row].hasProgressed = true
        self.unread -= taken
        self.releaseIfRead(row, in: &table)
        if self.isCrowded, self.unread <= self.limits.unreadPerSession / 2 {
            self.isCrowded = false
            for row in self.holders { self.releaseIfRead(row, in: &table) }
        }
        if isNews { self.findDue(table) }
    }

    /// The stream is gone, or its reader is.
    mutating func forget(_ row: Int, in table: inout StreamTable) {
        self.consumed(table[row].unread, of: row, in: &table)
    }

    /// A stream that must be ended now.
    mutating func stalled(in table: StreamTable, now: NIODeadline) -> Int? {
        self.countWait(now: now)
        guard let due = self.due, due <= now else { return nil }
        return self.holders.first { self.due(of: $0, in: table) <= now }
    }

    private mutating func holdIfFull(_ row: Int, in table: inout StreamTable, now: NIODeadline) {
        guard table[row].holdsSince == nil, table[row].unread > self.bound else { return }
        self.countWait(now: now)
        if self.holders.isEmpty {
            let recovered = TimeAmount.nanoseconds((now - self.releasedAt).nanoseconds / 4)
            self.waited = max(self.waited - recovered, .zero)
            self.heldSince = now
        }
        table[row].holdsSince = now
        self.holders.append(row)
        let due = self.due(of: row, in: table)
        self.due = self.due.map { min($0, due) } ?? due
    }

    private mutating func releaseIfRead(_ row: Int, in table: inout StreamTable) {
        guard table[row].holdsSince != nil, table[row].unread <= self.bound / 2 else { return }
        table[row].holdsSince = nil
        self.holders.removeAll { $0 == row }
        self.findDue(table)
    }

    private mutating func findDue(_ table: StreamTable) {
        var first: NIODeadline?
        for row in self.holders {
            let due = self.due(of: row, in: table)
            first = first.map { min($0, due) } ?? due
        }
        self.due = first
    }

    private func due(of row: Int, in table: StreamTable) -> NIODeadline {
        guard let holdsSince = table[row].holdsSince else { return .distantFuture }
        guard !table[row].hasProgressed else { return holdsSince + self.stall }
        let patience = max(self.stall - self.waited, min(Self.shortestWait, self.stall))
        return min(table[row].blockedSince + self.stall, holdsSince + patience)
    }

    /// Notes the end of a wait; commands do not know the time, so it is noted by the next step.
    private mutating func countWait(now: NIODeadline) {
        guard let since = self.heldSince, self.holders.isEmpty else { return }
        self.heldSince = nil
        self.releasedAt = now
        self.waited = min(self.waited + (now - since), self.stall)
    }
}
