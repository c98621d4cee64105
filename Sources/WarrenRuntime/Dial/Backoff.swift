// SPDX-License-Identifier: Apache-2.0

package import NIOCore

/// The pauses between tries: full jitter, doubling from 250 ms to 30 s.
package struct Backoff: Sendable {
    package static let shortest = TimeAmount.milliseconds(250)
    package static let longest = TimeAmount.seconds(30)

    private var failures = 0

    package init() {}

    package mutating func succeeded() { self.failures = 0 }

    /// How long to wait after one more failure: at least ``shortest``, at most ``longest``, random in between.
    package mutating func failed(random: inout some RandomNumberGenerator) -> TimeAmount {
        let doubled = Self.shortest.nanoseconds << Int64(min(self.failures, 7))
        self.failures += 1
        let most = min(doubled, Self.longest.nanoseconds)
        return .nanoseconds(.random(in: Self.shortest.nanoseconds...most, using: &random))
    }
}
