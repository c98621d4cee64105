// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Synchronization

/// Says at most once a minute that something is news, so that a flood does not become one of the log too.
final class Seldom: Sendable {
    private static let pause: UInt64 = 60_000_000_000
    private let last = Atomic<UInt64>(0)

    func isNews(at time: NIODeadline = .now()) -> Bool {
        let now = time.uptimeNanoseconds
        let last = self.last.load(ordering: .relaxed)
        guard last == 0 || (now > last && now - last > Self.pause) else { return false }
        return self.last.compareExchange(expected: last, desired: max(1, now), ordering: .relaxed).exchanged
    }
}
