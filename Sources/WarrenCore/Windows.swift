// SPDX-License-Identifier: Apache-2.0

package import NIOCore

/// How much the peer may send on each stream of an extension with windows, ahead of the stream's reader.
///
/// ```
/// window = allowance (granted, not yet come) + unread (come, not yet taken) + due (taken, not yet granted again)
/// ```
///
/// A window doubles when its reader has taken a whole one within two round trips: then it, and neither the reader nor the
/// carrier, is what holds the sender up. So a reader that stalls holds what it was given at first, and one that reads gets
/// what its path needs.
///
/// Windows come out of two pools, which are the bound of what a session can be made to hold: one for what streams are
/// given at first, one for what they grow by. Streams that stall from the start empty the first and leave the second to
/// those that read; only the smallest windows are given without asking the pools.
package struct Windows {
    /// What one stream has of them.
    package struct Share {
        /// What the peer may send ahead of the stream's reader.
        package fileprivate(set) var window = 0
        /// How much of it was grown.
        fileprivate var grown = 0
        package fileprivate(set) var allowance = 0
        package fileprivate(set) var unread = 0
        /// What the reader took since the window was last measured, and when that was.
        fileprivate var taken = 0
        fileprivate var measuredSince: NIODeadline?
        package fileprivate(set) var isFinished = false

        package init() {}
    }

    package static let most = 16 << 20
    /// Credit is given when half a window is due, or so much.
    package static let mostDue = 256 << 10
    /// What a round trip counts as at least: a turn of each end takes its time, too.
    private static let leastRoundTrip = TimeAmount.milliseconds(1)
    /// Of what its pool has left, a new stream is given at most one part in so many.
    private static let share = 16

    /// The largest and the smallest window of a new stream.
    private let start: Int
    private let small: Int
    private let starts: Int
    private let growth: Int
    /// What is given out of the two pools.
    package private(set) var started = 0
    package private(set) var grown = 0

    package init(_ limits: SessionLimits) {
        self.start = 4 * limits.unreadPerStream
        self.small = min(limits.unreadWhenCrowded, limits.unreadPerStream)
        self.growth = min(limits.unreadPerSession, .max / 2)
        self.starts = 2 * self.growth
    }

    /// Sets up the window of a new stream.
    package mutating func open(_ stream: inout Share) {
        let share = (self.starts - self.started) / Self.share
        stream.window = min(self.start, max(self.small, share - share % 1024))
        stream.allowance = stream.window
        self.started += stream.window
    }

    /// Gives back what a stream held.
    package mutating func close(_ stream: inout Share) {
        self.shrink(&stream, by: stream.window)
        stream.unread = 0
    }

    /// The peer will send no more: only what it has sent still counts.
    package mutating func finish(_ stream: inout Share) {
        self.shrink(&stream, by: stream.window - stream.unread)
        stream.allowance = 0
        stream.isFinished = true
    }

    /// - Throws: if the peer sent more than it may.
    package mutating func received(_ count: Int, on stream: inout Share, now: NIODeadline) throws(WireError) {
        guard count <= stream.allowance else {
            throw WireError(.tooLong, in: "window", found: "\(count) > \(stream.allowance)")
        }
        stream.allowance -= count
        stream.unread += count
        if stream.measuredSince == nil { stream.measuredSince = now }
    }

    /// The reader took some; true if there is credit to give now.
    package mutating func consumed(_ count: Int, of stream: inout Share) -> Bool {
        let taken = min(max(count, 0), stream.unread)
        stream.unread -= taken
        if stream.isFinished {
            self.finish(&stream)
            return false
        }
        stream.taken += taken
        return taken > 0 && Self.due(stream) >= min(stream.window / 2, Self.mostDue)
    }

    /// The credit to give now, which counts as given.
    package mutating func credit(_ stream: inout Share, roundTrip: TimeAmount?, now: NIODeadline) -> Int {
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
    private mutating func fit(_ stream: inout Share, took time: TimeAmount, roundTrip: TimeAmount) {
        if time < 2 * roundTrip {
            let more = min(stream.window, Self.most - stream.window)
            guard more > 0, more <= (self.growth - self.grown) / 2 else { return }
            stream.window += more
            stream.grown += more
            self.grown += more
        } else if time > 8 * roundTrip, stream.grown > 0, self.grown > self.growth / 2 {
            self.shrink(&stream, by: stream.window / 2)
        }
    }

    /// What was grown goes back first.
    private mutating func shrink(_ stream: inout Share, by less: Int) {
        let ofGrown = min(less, stream.grown)
        stream.window -= less
        stream.grown -= ofGrown
        self.grown -= ofGrown
        self.started -= less - ofGrown
    }

    private static func due(_ stream: Share) -> Int { stream.window - stream.allowance - stream.unread }
}
