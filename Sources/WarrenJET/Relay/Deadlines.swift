// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Deadlines of one constant length in the order in which they were set, so that the first is always due first.
///
/// Whoever no longer waits stays in line until it comes to the front, or until more than half of the line is like it:
/// setting and dropping take constant time on average, and no more is kept than twice of what is live.
struct Deadlines<Key> {
    private static var mostStale: Int { 64 }
    private var line = CircularBuffer<(due: NIODeadline, key: Key)>()
    private var stale = 0

    /// Exact: the one at the front is live.
    var first: NIODeadline? { self.line.first?.due }
    /// With those that no longer wait.
    var count: Int { self.line.count }

    mutating func append(_ key: Key, due: NIODeadline) { self.line.append((due, key)) }

    /// The first one, if its time has come. It stays until it is dropped.
    func due(_ now: NIODeadline) -> Key? {
        guard let first = self.line.first, first.due <= now else { return nil }
        return first.key
    }

    /// One of those in line has stopped waiting, and `isLive` is false for it by now.
    mutating func drop(isLive: (Key) -> Bool) {
        self.stale += 1
        while let first = self.line.first, !isLive(first.key) {
            _ = self.line.popFirst()
            self.stale -= 1
        }
        guard self.stale > Self.mostStale, 2 * self.stale > self.line.count else { return }
        self.line.removeAll { !isLive($0.key) }
        self.stale = 0
    }
}
