// SPDX-License-Identifier: Apache-2.0

package import NIOCore

/// The pauses between tries: full jitter, doubling from 250 ms to 30 s; to 1.5 s where nobody can ask for a try, and to
/// 1 s where nobody has answered.
package struct Backoff: Sendable {
    package static let shortest = TimeAmount.milliseconds(250)
    package static let longest = TimeAmount.seconds(30)
    /// For the end of a tunnel that others wait for: it does not know that they do, so it must be back soon by itself.
    package static let longestUnasked = TimeAmount.milliseconds(1500)
    /// Where the network is away: such tries reach no server, so they load none, and the next one may be the one.
    package static let longestUnanswered = TimeAmount.seconds(1)

    private var failures = 0
    private let longest: TimeAmount

    package init(longest: TimeAmount = Self.longest) { self.longest = longest }

    package mutating func succeeded() { self.failures = 0 }

    /// How long to wait after one more failure: at least ``shortest``, at most the longest, random in between.
    ///
    /// - Parameter wasAnswered: somebody was there, if only to refuse.
    package mutating func failed(
        wasAnswered: Bool = true, random: inout some RandomNumberGenerator
    ) -> TimeAmount {
        let doubled = Self.shortest.nanoseconds << Int64(min(self.failures, 7))
        self.failures += 1
        let longest = wasAnswered ? self.longest : min(self.longest, Self.longestUnanswered)
        let most = min(doubled, longest.nanoseconds)
        return .nanoseconds(.random(in: Self.shortest.nanoseconds...most, using: &random))
    }
}
