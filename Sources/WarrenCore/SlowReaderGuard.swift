// SPDX-License-Identifier: Apache-2.0

package import NIOCore

/// Counts what was delivered and not yet taken, and decides when the carrier is left alone and whose stream is ended for it.
///
/// All streams share one carrier, so whoever leaves it alone for one reader leaves it alone for all. Therefore a session
/// has a budget: up to it, what readers have not taken is kept, however slow they are, and nobody waits for anybody.
/// Past the budget the carrier is left alone, and the session *waits*. A wait ends when less than three quarters of the
/// budget are left, or its readers have taken a sixteenth of it: then they are slow together, and nobody is to blame. If
/// neither happens within ``stall``, and the carrier is left alone still or again, somebody pays:
///
/// - every reader that has taken nothing in the wait, of those that hold half their share of the budget or more;
/// - where there is none, the slowest one: the reader that would need the longest for what it holds.
///
/// The only stream of a session holds up nobody that we know of. Where we open the streams, that is all there are: it is not
/// ended, and needs no more than ``SessionLimits/unreadPerStream``. Where the peer does, the opening of another one,
/// or the end of this one, may stand behind what is not read. Therefore it has three quarters of the budget at first, and
/// for each ``stall`` in which its reader takes nothing at all a sixteenth more, to see what comes behind it. If nothing comes
/// but more of the same, it is ended after twenty such waits.
package struct SlowReaderGuard {
    /// Parts of the budget that readers must take in a wait.
    private static let leastTaken = 16
    /// Parts of the budget that are read at a time to see what stands behind the only stream, and how often.
    private static let glance = 16
    private static let mostGlances = 4
    /// In how many waits in a row the only stream's reader may take nothing.
    private static let mostWaits = 20

    /// What is known of the reader of one stream.
    private struct Reader {
        /// Bytes that it has not taken.
        var unread = 0
        /// What it had not taken when the wait began, and what it took since.
        var unreadBefore = 0
        var taken = 0
    }

    private let limits: SessionLimits
    private let stall: TimeAmount
    private let opensStreams: Bool
    /// The peer opens streams: another one may stand behind what is not read.
    private let looksBehind: Bool
    /// The readers by their streams' rows in the owner's table.
    private var readers = ContiguousArray<Reader>()
    private var unread = 0
    /// Never nil for long while the carrier is left alone: somebody must be found to pay.
    private var waitsSince: NIODeadline?
    /// A wait is to begin, as soon as somebody says what time it is.
    private var mustWait = false
    private var takenInWait = 0
    /// Waits in which the only stream's reader has taken nothing, others that came and went aside, and what it may leave
    /// untaken meanwhile.
    private var emptyWaits = 0
    private var glanceBound: Int
    /// Found out together, and ended one by one.
    private var dead: [Int] = []
    /// How many streams the session has, those that are none of the readers' included. Kept by the owner.
    package var streams = 0 { didSet { self.judge() } }
    /// The carrier is to be left alone.
    package private(set) var isHeld = false

    /// - Parameters:
    ///   - opensStreams: all streams are ours, so that none can open unknown to us, and nothing else comes that matters.
    ///   - knowsStreams: all streams are ours, but other things that matter come as well: the only one may have the budget.
    package init(_ limits: SessionLimits, stall: TimeAmount, opensStreams: Bool, knowsStreams: Bool = false) {
        self.limits = limits
        self.stall = stall
        self.opensStreams = opensStreams
        self.looksBehind = !opensStreams && !knowsStreams
        self.glanceBound = Self.firstBound(limits.budget)
    }

    private static func firstBound(_ budget: Int) -> Int { budget - budget / Self.glance * Self.mostGlances }

    private var budget: Int { self.limits.budget }
    private var bound: Int {
        if self.streams > 1 { return self.budget }
        if self.looksBehind { return self.glanceBound }
        return self.opensStreams ? min(self.limits.unreadPerStream, self.budget) : self.budget
    }

    /// Somebody may wait for the readers, whom we know of or not.
    private var mayHoldUp: Bool { self.streams > 1 || self.streams == 1 && self.looksBehind }

    /// When somebody has to pay, or what comes behind the only stream is looked at.
    package var due: NIODeadline? {
        guard self.mayHoldUp, !self.mustWait else { return nil }
        return self.waitsSince.map { $0 + self.stall }
    }

    /// A wait is to begin now.
    package var wantsTurn: Bool { self.mayHoldUp && self.mustWait }

    /// Bytes that the stream's reader has not taken.
    package func unread(_ row: Int) -> Int { row < self.readers.count ? self.readers[row].unread : 0 }

    package mutating func delivered(_ count: Int, to row: Int, now: NIODeadline) {
        while self.readers.count <= row { self.readers.append(Reader()) }
        self.readers[row].unread += count
        self.unread += count
        self.judge()
        if self.mustWait { self.beginWait(now) }
    }

    package mutating func consumed(_ count: Int, of row: Int) {
        guard row < self.readers.count else { return }
        let taken = min(max(count, 0), self.readers[row].unread)
        guard taken > 0 else { return }
        self.readers[row].unread -= taken
        self.unread -= taken
        if self.readers[row].unread >= self.budget / 2 { self.emptyWaits = 0 }
        if !self.dead.isEmpty { self.dead.removeAll { $0 == row } }
        if self.waitsSince != nil {
            self.readers[row].taken += taken
            self.takenInWait += taken
            if self.takenInWait >= self.budget / Self.leastTaken { self.waitsSince = nil }
        }
        self.judge()
    }

    /// The stream is gone, or its reader is.
    package mutating func forget(_ row: Int) {
        guard row < self.readers.count else { return }
        let left = self.readers[row].unread
        self.readers[row] = Reader()
        self.dead.removeAll { $0 == row }
        self.unread -= left
        self.judge()
    }

    /// A stream that must be ended now; its owner forgets it before it asks again.
    package mutating func stalled(now: NIODeadline) -> Int? {
        if let row = self.dead.last, self.streams > 1 { return row }
        if self.wantsTurn { self.beginWait(now) }
        guard let due, due <= now else { return nil }
        guard self.isHeld else {
            // There was no more to come: nobody waits.
            self.waitsSince = nil
            return nil
        }
        if self.streams == 1 { return self.glanceBehind(now) }
        self.dead = self.deadReaders
        let one = self.dead.last ?? self.slowest
        // The others have as much time again.
        self.beginWait(now)
        return one
    }

    private mutating func beginWait(_ now: NIODeadline) {
        self.waitsSince = now
        self.mustWait = false
        self.takenInWait = 0
        for row in self.readers.indices {
            self.readers[row].unreadBefore = self.readers[row].unread
            self.readers[row].taken = 0
        }
    }

    /// The only stream's wait is over: its reader is slow, or more is read, or it is ended.
    private mutating func glanceBehind(_ now: NIODeadline) -> Int? {
        let dead = self.slowest.flatMap { self.readers[$0].taken == 0 ? $0 : nil }
        self.beginWait(now)
        guard let dead else { return nil }
        guard self.emptyWaits < Self.mostWaits - 1 else { return dead }
        self.emptyWaits += 1
        self.glanceBound = min(self.budget, max(self.glanceBound, self.unread) + self.budget / Self.glance)
        self.isHeld = self.unread >= self.bound
        return nil
    }

    /// Reads on when there is room for one read.
    private mutating func judge() {
        if self.unread < Self.firstBound(self.budget) {
            self.emptyWaits = 0
            self.glanceBound = Self.firstBound(self.budget)
        }
        let bound = self.bound
        let room = min(bound / 2, self.limits.unreadPerStream)
        if self.unread >= bound { self.isHeld = true } else if self.unread <= bound - room { self.isHeld = false }
        if !self.isHeld, self.unread < self.budget / 4 * 3 { self.waitsSince = nil }
        self.mustWait = self.isHeld && self.waitsSince == nil
    }
}

// MARK: Who pays

extension SlowReaderGuard {
    private var deadReaders: [Int] {
        let least = self.budget / (2 * max(self.streams, 1))
        return self.readers.indices.filter {
            let reader = self.readers[$0]
            return reader.taken == 0 && reader.unreadBefore > 0 && reader.unread >= least
        }
    }

    private var slowest: Int? {
        self.readers.indices.filter { self.readers[$0].unread > 0 }.max { self.time($0) < self.time($1) }
    }

    /// What the reader needs for what it holds, in waits.
    private func time(_ row: Int) -> Double {
        Double(self.readers[row].unread) / Double(max(self.readers[row].taken, 1))
    }
}
