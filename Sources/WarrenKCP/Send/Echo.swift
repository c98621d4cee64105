// SPDX-License-Identifier: Apache-2.0

/// When small segments leave once more, unasked, because the path has lost some lately: where little is under way, nothing
/// follows that would show a loss, and each would cost a round trip or a time-out. Times are nanoseconds.
struct Echo {
    /// How long a loss is remembered.
    private static let memory: Int64 = 10_000_000_000
    /// Bytes on the wire of a segment that is small, and of all that may be under way for it.
    static let small = 400
    static let sparse = 8192
    /// A copy in the same burst would be lost with the first one.
    static let apart: Int64 = 1_000_000
    /// Segments that are looked at for one datagram.
    static let looks = 32

    private var lostAt: Int64?
    /// When copies leave though nothing else does.
    var dueAt: Int64?

    mutating func lost(now: Int64) { self.lostAt = now }

    func isWanted(now: Int64) -> Bool { self.lostAt.map { now - $0 < Self.memory } ?? false }

    /// How long a copy waits for a datagram with room for it.
    static func wait(roundTrip: Int64) -> Int64 { max(2 * Self.apart, roundTrip / 8) }
}
