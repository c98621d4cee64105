// SPDX-License-Identifier: Apache-2.0

package import NIOCore

/// Times at which nothing passes: once, or again and again.
package struct Blackout: Hashable, Sendable {
    /// When the first one begins, from the first datagram on.
    package let start: TimeAmount
    package let length: TimeAmount
    /// From one beginning to the next; nil for a single one.
    package let period: TimeAmount?

    /// - Returns: nil for what has no length, or lasts as long as its period.
    package init?(length: TimeAmount, start: TimeAmount? = nil, period: TimeAmount? = nil) {
        guard length > .zero, start ?? .zero >= .zero else { return nil }
        if let period, period <= length { return nil }
        self.length = length
        self.period = period
        // At the end of each period, so that there is time to begin.
        self.start = start ?? period.map { $0 - length } ?? .zero
    }

    package func isDark(at time: TimeAmount) -> Bool {
        guard time >= self.start else { return false }
        return self.phase(at: time) < self.length
    }

    /// When it next becomes dark or light; nil for never again.
    package func change(after time: TimeAmount) -> TimeAmount? {
        guard time >= self.start else { return self.start }
        let phase = self.phase(at: time)
        if phase < self.length { return time + (self.length - phase) }
        return self.period.map { time + ($0 - phase) }
    }

    /// How long ago the last one began.
    private func phase(at time: TimeAmount) -> TimeAmount {
        let since = time - self.start
        guard let period else { return since }
        return .nanoseconds(since.nanoseconds % max(period.nanoseconds, 1))
    }
}
