// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// How long a round trip takes, and how long to wait for one. Times are nanoseconds.
///
/// - Source: KCP protocol, "RTT and RTO".
struct RoundTrip {
    private static let longest: Int64 = 60_000_000_000
    /// Nil until there is one.
    private(set) var smoothed: Int64?
    private(set) var latest: Int64 = 0
    private var variation: Int64 = 0
    private(set) var timeout: Int64
    private let interval: Int64
    private let leastTimeout: Int64

    init(_ configuration: KCP.Configuration) {
        self.interval = max(configuration.interval.nanoseconds, 0)
        self.leastTimeout = min(max(configuration.leastTimeout.nanoseconds, 1_000_000), Self.longest)
        self.timeout = min(max(configuration.firstTimeout.nanoseconds, self.leastTimeout), Self.longest)
    }

    mutating func measured(_ sample: Int64) {
        let sample = min(max(sample, 1000), Self.longest)
        self.latest = sample
        if let smoothed = self.smoothed {
            self.variation = (3 * self.variation + abs(sample - smoothed)) / 4
            self.smoothed = (7 * smoothed + sample) / 8
        } else {
            self.smoothed = sample
            self.variation = sample / 2
        }
        let timeout = (self.smoothed ?? sample) + max(self.interval, 4 * self.variation)
        self.timeout = min(max(timeout, self.leastTimeout), Self.longest)
    }

    /// How long to wait for what was sent so often: after one send the time-out, then half of it more each time, or all
    /// of it.
    func patience(sends: Int, isQuick: Bool) -> Int64 {
        let sends = Int64(max(sends, 1))
        let wait =
            if isQuick {
                self.timeout + (sends - 1) * self.timeout / 2
            } else {
                sends == 1 ? self.timeout + self.timeout / 8 : sends * self.timeout
            }
        return min(wait, Self.longest)
    }
}
