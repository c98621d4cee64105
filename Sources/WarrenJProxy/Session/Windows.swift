// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// How much the peer may send on each stream of the extension, ahead of the stream's reader.
///
/// ```
/// window = allowance (granted, not yet come) + unread (come, not yet taken) + due (taken, not yet granted again)
/// ```
///
/// A window starts small and doubles when its reader has taken a whole one within two round trips: then it, and neither
/// the reader nor the carrier, is what holds the sender up. So a reader that stalls holds little, and one that reads gets
/// what its path needs. Of the session's sum a stream may take at most half of what the others have left.
struct Windows {
    static let most = 16 << 20
    /// Credit is given when half a window is due, or so much.
    static let mostDue = 256 << 10
    /// What a round trip counts as at least: a turn of each end takes its time, too.
    private static let leastRoundTrip = TimeAmount.milliseconds(1)

    private let start: Int
    private let small: Int
    /// The sum of all windows past which there is no growth, and a new stream gets only a small one.
    let session: Int
    private(set) var sum = 0

    init(_ limits: SessionLimits) {
        self.start = limits.unreadPerStream
        self.small = min(limits.unreadWhenCrowded, limits.unreadPerStream)
        self.session = 2 * limits.unreadPerSession
    }

    /// Sets up the window of a new stream.
    mutating func open(_ stream: inout StreamRow) {
        stream.window = self.start <= (self.session - self.sum) / 2 ? self.start : self.small
        stream.allowance = stream.window
        self.sum += stream.window
    }

    /// Gives back what a stream held.
    mutating func close(_ stream: inout StreamRow) {
        self.sum -= stream.window
        stream.window = 0
        stream.unread = 0
    }

    /// The peer will send no more: only what it has sent still counts.
    mutating func finish(_ stream: inout StreamRow) {
        self.sum -= stream.window - stream.unread
        stream.window = stream.unread
        stream.allowance = 0
    }

    /// - Throws: if the peer sent more than it may.
    mutating func received(_ count: Int, on stream: inout StreamRow, now: NIODeadline) throws(WireError) {
        guard count <= stream.allowance else {
            throw WireError(.tooLong, in: "window", found: "\(count) > \(stream.allowance)")
        }
        stream.allowance -= count
        stream.unread += count
        if stream.measuredSince == nil { stream.measuredSince = now }
    }

    /// The reader took some; true if there is credit to give now.
    mutating func consumed(_ count: Int, of stream: inout StreamRow) -> Bool {
        let taken = min(max(count, 0), stream.unread)
        stream.unread -= taken
        if stream.peerHasFinished {
            self.finish(&stream)
            return false
        }
        stream.taken += taken
        return taken > 0 && Self.due(stream) >= min(stream.window / 2, Self.mostDue)
    }

    /// The credit to give now, which counts as given.
    mutating func credit(_ stream: inout StreamRow, roundTrip: TimeAmount?, now: NIODeadline) -> Int {
        if stream.taken >= stream.window, let since = stream.measuredSince {
            self.fit(&stream, took: now - since, roundTrip: max(roundTrip ?? .zero, Self.leastRoundTrip))
            stream.taken = 0
            stream.measuredSince = now
        }
        let due = max(Self.due(stream), 0)
        stream.allowance += due
        return due
    }

    /// Doubles a window that is too small for its reader; halves a large one that is not used, where others need room.
    private mutating func fit(_ stream: inout StreamRow, took time: TimeAmount, roundTrip: TimeAmount) {
        let window = stream.window
        if time < 2 * roundTrip {
            guard 2 * window <= Self.most, window <= (self.session - self.sum) / 2 else { return }
            stream.window += window
            self.sum += window
        } else if time > 8 * roundTrip, window > self.start, self.sum > self.session / 2 {
            stream.window -= window / 2
            self.sum -= window / 2
        }
    }

    private static func due(_ stream: StreamRow) -> Int { stream.window - stream.allowance - stream.unread }
}
