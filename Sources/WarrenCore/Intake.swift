// SPDX-License-Identifier: Apache-2.0

package import NIOCore

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
package struct Intake {
    /// Enough for a slow reader to be seen taking something: systems tell of room in steps of some hundred KiB.
    private static let shortestWait = TimeAmount.seconds(3)
    /// Readers that are alive take something far sooner, as a rule.
    package static let doubt = TimeAmount.milliseconds(500)
    /// Of its bound, what a doubtful holder may have.
    private static let mostBounds = 4

    /// What is known of the reader of one stream.
    private struct Reader {
        /// Bytes that it has not taken.
        var unread = 0
        /// When it last took something, or first could have.
        var blockedSince = NIODeadline.uptimeNanoseconds(0)
        /// It has taken something since then.
        var hasTaken = false
        /// When it began to hold up the session, or last proved itself; nil if it does not hold.
        var holdsSince: NIODeadline?
        /// What it took since then.
        var takenAsHolder = 0
        /// It was seen taking something while it held.
        var isProven = false
    }

    private let limits: SessionLimits
    private let stall: TimeAmount
    /// Time waited in vain lately, and when it was last looked at.
    private var waited = TimeAmount.zero
    private var waitedAt = NIODeadline.uptimeNanoseconds(0)
    /// The readers by their streams' rows in the owner's table.
    private var readers = ContiguousArray<Reader>()
    /// How many streams the session has, those that are none of the readers' included. Kept by the owner.
    package var streams = 0
    private var unread = 0
    private var isCrowded = false
    private var holders: [Int] = []
    /// When the holders were last looked at; nil after a change.
    private var judgedAt: NIODeadline?
    private var lastNow = NIODeadline.uptimeNanoseconds(0)
    /// The carrier is to be left alone.
    package private(set) var isHeld = false
    /// When the holders must be looked at again.
    package private(set) var due: NIODeadline?

    package init(_ limits: SessionLimits, stall: TimeAmount) {
        self.limits = limits
        self.stall = stall
    }

    private var bound: Int { self.isCrowded ? self.limits.unreadWhenCrowded : self.limits.unreadPerStream }

    /// Bytes that the stream's reader has not taken.
    package func unread(_ row: Int) -> Int { row < self.readers.count ? self.readers[row].unread : 0 }

    package mutating func delivered(_ count: Int, to row: Int, now: NIODeadline) {
        while self.readers.count <= row { self.readers.append(Reader()) }
        if self.readers[row].unread == 0 || self.readers[row].hasTaken {
            self.readers[row].blockedSince = now
            self.readers[row].hasTaken = false
        }
        self.readers[row].unread += count
        self.unread += count
        if !self.isCrowded, self.unread > self.limits.unreadPerSession {
            self.isCrowded = true
            for row in self.readers.indices { self.holdIfFull(row, now: now) }
            self.judge(now: now)
        }
        let isNew = self.holdIfFull(row, now: now)
        if isNew || (self.readers[row].holdsSince != nil && self.isFull(row)) { self.judge(now: now) }
    }

    package mutating func consumed(_ count: Int, of row: Int) {
        guard row < self.readers.count else { return }
        let taken = min(max(count, 0), self.readers[row].unread)
        guard taken > 0 else { return }
        let wasHolder = self.readers[row].holdsSince != nil
        self.readers[row].unread -= taken
        self.readers[row].hasTaken = true
        self.unread -= taken
        if wasHolder {
            self.readers[row].isProven = true
            self.readers[row].takenAsHolder += taken
            self.releaseIfRead(row)
        }
        if self.isCrowded, self.unread <= self.limits.unreadPerSession / 2 {
            self.isCrowded = false
            for row in self.holders { self.releaseIfRead(row) }
            self.judge(now: self.lastNow)
        } else if wasHolder {
            // By the time last known: it only makes more of them doubtful.
            self.judge(now: self.lastNow)
        }
    }

    /// The stream is gone, or its reader is.
    package mutating func forget(_ row: Int) {
        guard row < self.readers.count else { return }
        self.consumed(self.readers[row].unread, of: row)
        self.readers[row] = Reader()
    }

    /// A stream that must be ended now.
    package mutating func stalled(now: NIODeadline) -> Int? {
        guard !self.holders.isEmpty, self.judgedAt != now else { return nil }
        for row in self.holders where self.readers[row].hasTaken {
            self.readers[row].blockedSince = now
            self.readers[row].hasTaken = false
        }
        for row in self.holders where self.isDead(row, now: now) {
            if self.streams > 1 {
                self.recover(now: now)
                self.waited = min(self.waited + (now - (self.readers[row].holdsSince ?? now)), self.stall)
                return row
            }
            // Its time starts again: a second stream must not find it overdue.
            self.restart(row, now: now)
            self.readers[row].blockedSince = now
        }
        self.judge(now: now)
        self.judgedAt = now
        return nil
    }
}

// MARK: Holders

extension Intake {
    @discardableResult
    private mutating func holdIfFull(_ row: Int, now: NIODeadline) -> Bool {
        guard self.readers[row].holdsSince == nil, self.readers[row].unread > self.bound else { return false }
        self.recover(now: now)
        self.restart(row, now: now)
        self.holders.append(row)
        return true
    }

    private mutating func releaseIfRead(_ row: Int) {
        guard self.readers[row].holdsSince != nil, self.readers[row].unread <= self.bound / 2 else { return }
        self.readers[row].holdsSince = nil
        self.holders.removeAll { $0 == row }
    }

    private mutating func restart(_ row: Int, now: NIODeadline) {
        self.readers[row].holdsSince = now
        self.readers[row].takenAsHolder = 0
    }

    private func isFull(_ row: Int) -> Bool {
        self.readers[row].unread > Self.mostBounds * self.limits.unreadPerStream
    }

    /// True if the stream's time is over. One that has taken enough gets as much again.
    private mutating func isDead(_ row: Int, now: NIODeadline) -> Bool {
        if self.readers[row].blockedSince + self.patience(with: self.readers[row]) <= now { return true }
        guard let since = self.readers[row].holdsSince, since + self.stall <= now else { return false }
        guard self.readers[row].takenAsHolder >= self.bound / 2 else { return true }
        self.restart(row, now: now)
        return false
    }

    private func patience(with reader: Reader) -> TimeAmount {
        reader.isProven ? self.stall : max(self.stall - self.waited, min(Self.shortestWait, self.stall))
    }

    private mutating func recover(now: NIODeadline) {
        let recovered = TimeAmount.nanoseconds((now - self.waitedAt).nanoseconds / 4)
        self.waited = max(self.waited - recovered, .zero)
        self.waitedAt = now
    }

    /// Finds out whether the carrier is to be left alone, and until when that stands.
    private mutating func judge(now: NIODeadline) {
        self.lastNow = now
        self.judgedAt = nil
        self.due = nil
        self.isHeld = false
        var (isDoubtful, isAlive, isFull) = (false, false, self.isCrowded || self.streams == 1)
        var first = NIODeadline.distantFuture
        for row in self.holders {
            let reader = self.readers[row]
            let doubt = reader.blockedSince + Self.doubt
            if doubt > now || reader.hasTaken {
                first = min(first, reader.hasTaken ? now + Self.doubt : doubt)
                if reader.isProven { isAlive = true }
            } else {
                isDoubtful = true
            }
            if self.isFull(row) { isFull = true }
            first = min(first, reader.blockedSince + self.patience(with: reader))
            if let since = reader.holdsSince { first = min(first, since + self.stall) }
        }
        guard !self.holders.isEmpty else { return }
        self.due = first
        self.isHeld = isFull || isAlive || !isDoubtful
    }
}
