// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

// What comes from the exit, and how streams end. A destination is free again when nothing of its last stream can still
// be under way, as far as that can be known:
//
// - The exit's end of it has come, and the time for late data has passed.
// - If something that we sent can not have reached the exit before it ended the stream, the exit will connect once more
//   for it; then the end of that connection has come, too.
// - Or nothing was sent or received for longer than the exit's idle time.
extension InterStreams {
    mutating func handle(_ endpoint: ZhwkproX.StreamAddress, _ bytes: ByteBuffer, now: NIODeadline) -> SessionAction? {
        guard let row = self.common.rows[endpoint] else {
            self.handleStray(endpoint, bytes.readableBytes, now: now)
            return nil
        }
        guard self.common.table[row].firstSaid != nil else {
            self.strayBytes += bytes.readableBytes  // nothing of a stream that the exit does not know
            return nil
        }
        self.measure(row, now: now)
        guard bytes.readableBytes > 0 else {
            self.ended(row, now: now)
            return nil
        }
        self.common.table[row].hasHeard = true
        switch self.common.table[row].phase {
        case .open, .late:
            if self.quiet.contains(row) { self.quiet.touch(row, now: now) }
            self.common.table[row].hasReceived = true
            if self.common.table[row].phase == .open, !self.receiving.contains(row) {
                self.receiving.touch(row, now: now)
            }
            self.intake.delivered(bytes.readableBytes, to: row, now: now)
            return .deliver(self.common.table[row].id, bytes)
        case .leaving:
            if self.quiet.contains(row) { self.quiet.touch(row, now: now) }
            self.strayBytes += bytes.readableBytes
        case .waiting, .connecting:
            break  // never those of a destination in use
        }
        return nil
    }

    /// The exit still has a connection that is nobody's: its destination is in use until that ends.
    private mutating func handleStray(_ endpoint: ZhwkproX.StreamAddress, _ count: Int, now: NIODeadline) {
        guard count > 0 else { return }
        self.strayBytes += count
        // Half of the places at most, in which users may find those of other destinations.
        guard 2 * (self.common.table.count - self.waiting.count) < self.common.limits.streams else { return }
        let stream = StreamRow(self.common.table.newID(), endpoint, .leaving, head: .get(endpoint))
        let row = self.common.table.insert(stream)
        self.common.table[row].firstSaid = now
        self.common.table[row].hasReceived = true
        self.common.rows[endpoint] = row
        self.intake.streams = self.common.table.count
        self.quiet.touch(row, now: now)
    }

    /// The first answer to a stream was surely caused by the first thing that was said of it.
    private mutating func measure(_ row: Int, now: NIODeadline) {
        guard !self.common.table[row].hasReceived, let since = self.common.table[row].firstSaid else { return }
        self.roundTrip = min(self.roundTrip, now - since)
    }

    /// Whether an end came too soon after the last thing that was said to be caused by it.
    ///
    /// A quarter is taken off the shortest round trip, as no two are alike; half of it where data has come in between, which
    /// is most likely the answer. Where little is left, chance would decide.
    private func isTooSoon(_ time: TimeAmount, for stream: StreamRow) -> Bool {
        let shortest = self.roundTrip.nanoseconds
        let limit = stream.hasHeard ? shortest / 2 : shortest / 4 * 3
        let least = stream.hasHeard ? Self.leastToldWithData : Self.leastTold
        return limit >= least.nanoseconds && time.nanoseconds < limit
    }

    private static let leastTold = TimeAmount.milliseconds(2)
    private static let leastToldWithData = TimeAmount.milliseconds(20)

    /// A reply of length 0.
    private mutating func ended(_ row: Int, now: NIODeadline) {
        if self.late.contains(row) {
            self.common.table[row].hasCrossed = false  // the end of the connection that was still to come
            return
        }
        let stream = self.common.table[row]
        // A stream of which only one thing was ever said cannot have been ended before that.
        let hasCrossed = stream.firstSaid != stream.lastSaid && self.isTooSoon(now - stream.lastSaid, for: stream)
        self.common.table[row].hasCrossed = hasCrossed
        self.common.purge(row)
        self.quiet.remove(row)
        self.receiving.remove(row)
        self.late.touch(row, now: now)
        if stream.phase == .open { self.common.table[row].phase = .late }
    }

    /// The driver does not know the stream any more; its destination may still be in use.
    mutating func leave(_ row: Int) {
        self.common.table[row].phase = .leaving
        self.receiving.remove(row)
        self.intake.forget(row)
        let isUnknown = self.common.table[row].firstSaid == nil && self.common.table[row].queued == 0
        if isUnknown { self.free(row) }
    }

    private mutating func free(_ row: Int) {
        let (id, endpoint) = (self.common.table[row].id, self.common.table[row].endpoint)
        if !self.unsaid.isEmpty { self.unsaid.removeAll { $0 == id } }
        self.common.rows[endpoint] = nil
        self.quiet.remove(row)
        self.receiving.remove(row)
        self.late.remove(row)
        self.intake.forget(row)
        self.common.remove(row)
        self.intake.streams = self.common.table.count
        self.common.notices.append(.freed(endpoint))
    }

    /// Ends one stream whose time is over; nil if there is none.
    mutating func expire(now: NIODeadline) -> SessionAction? {
        self.remind(now: now)
        if let row = self.intake.stalled(now: now) { return self.endStalled(row) }
        while let (row, since) = self.late.oldest, since + self.lateTime <= now {
            if let action = self.endLate(row, now: now) { return action }
        }
        while let (row, since) = self.quiet.oldest, since + self.idle <= now {
            if let action = self.endQuiet(row, now: now) { return action }
        }
        guard let row = self.waiting.expired(now: now) else { return nil }
        let id = self.common.table[row].id
        self.waiting.remove(row, self.common.table[row].endpoint)
        self.common.remove(row)
        self.intake.streams = self.common.table.count
        return .end(id, .limit)
    }

    private mutating func endStalled(_ row: Int) -> SessionAction? {
        let id = self.common.table[row].id
        self.common.purge(row)
        self.leave(row)
        return .end(id, .stalled)
    }

    /// A stream that ends without a byte was refused, or closed at once: the protocol has one word for both.
    private mutating func endLate(_ row: Int, now: NIODeadline) -> SessionAction? {
        let stream = self.common.table[row]
        if stream.hasCrossed {
            self.late.remove(row)
            self.leave(row)
            self.common.table[row].hasCrossed = false
            self.quiet.touch(row, now: now)
        } else {
            self.free(row)
        }
        return stream.phase == .leaving ? nil : .end(stream.id, stream.hasReceived ? nil : .refused)
    }

    /// Silence of both directions for longer than the exit allows: it has no connection, and has not said so.
    private mutating func endQuiet(_ row: Int, now: NIODeadline) -> SessionAction? {
        let stream = self.common.table[row]
        guard stream.queued == 0 else {
            self.quiet.touch(row, now: now)  // it is the carrier that takes its time
            return nil
        }
        self.free(row)
        return stream.phase == .leaving ? nil : .end(stream.id, stream.hasReceived ? .idle : .timedOut)
    }
}
