// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// Counts what was delivered and not yet taken, and knows who holds up the session.
///
/// All streams share one carrier, so a stream whose reader takes nothing soon holds up all others. Past its bound it
/// *holds*: the carrier is left alone. It is ended when it has held for ``stall``, or at once if its reader had taken
/// nothing for that long already.
///
/// A wait that ends with the end of its stream uses up the patience of the session, which comes back at a quarter of the
/// time that passes: the first dead reader is waited for in full, the next ones get what is left and at least
/// ``shortestWait``: where they are found one by one, each still costs about that. The only stream of a session holds up
/// nobody, and is not ended.
struct Intake {
    /// Enough for a slow reader to be seen taking something: systems tell of room in steps of some hundred KiB.
    private static let shortestWait = TimeAmount.seconds(1)

    private let limits: SessionLimits
    private let stall: TimeAmount
    /// Time waited in vain lately, and when it was last looked at.
    private var waited = TimeAmount.zero
    private var waitedAt = NIODeadline.uptimeNanoseconds(0)
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
    mutating func stalled(in table: inout StreamTable, now: NIODeadline) -> Int? {
        guard let due = self.due, due <= now else { return nil }
        guard let row = self.holders.first(where: { self.due(of: $0, in: table) <= now }) else { return nil }
        guard table.count > 1 else {
            // Its time starts again: a second stream must not find it overdue.
            table[row].holdsSince = now
            table[row].blockedSince = now
            self.findDue(table)
            return nil
        }
        self.recover(now: now)
        self.waited = min(self.waited + (now - (table[row].holdsSince ?? now)), self.stall)
        return row
    }

    private mutating func holdIfFull(_ row: Int, in table: inout StreamTable, now: NIODeadline) {
        guard table[row].holdsSince == nil, table[row].unread > self.bound else { return }
        self.recover(now: now)
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

    private mutating func recover(now: NIODeadline) {
        let recovered = TimeAmount.nanoseconds((now - self.waitedAt).nanoseconds / 4)
        self.waited = max(self.waited - recovered, .zero)
        self.waitedAt = now
    }
}
