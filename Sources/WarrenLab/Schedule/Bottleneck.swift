// SPDX-License-Identifier: Apache-2.0

package import NIOCore

/// A link of so many bytes a second with a queue before it; exact to the nanosecond.
package struct Bottleneck: Hashable, Sendable {
    private static let second = 1_000_000_000

    /// Bytes a second.
    package let rate: Int
    /// Bytes that wait or are being sent at most; one datagram finds room in an empty one, however long it is.
    package let queue: Int
    /// What has not been sent yet, in bytes times nanoseconds of a second: nothing is ever rounded.
    private var owed = 0
    private var moment = NIODeadline.uptimeNanoseconds(0)

    package init(rate: Int, queue: Int) {
        self.rate = max(1, rate)
        self.queue = max(1, queue)
    }

    /// Bytes that wait or are being sent, a begun one as a whole.
    package mutating func backlog(at now: NIODeadline) -> Int {
        self.send(until: now)
        return (self.owed + Self.second - 1) / Self.second
    }

    /// Puts a datagram into the queue.
    ///
    /// - Returns: when its last byte has been sent; nil if the queue has no room for it.
    package mutating func takes(_ length: Int, at now: NIODeadline) -> NIODeadline? {
        self.send(until: now)
        let (more, overflows) = max(0, length).multipliedReportingOverflow(by: Self.second)
        let (sum, exceeds) = self.owed.addingReportingOverflow(more)
        let (most, isBoundless) = self.queue.multipliedReportingOverflow(by: Self.second)
        guard !overflows, !exceeds, self.owed == 0 || isBoundless || sum <= most else { return nil }
        self.owed = sum
        let time = sum / self.rate + (sum.isMultiple(of: self.rate) ? 0 : 1)
        return self.moment + .nanoseconds(Int64(time))
    }

    private mutating func send(until now: NIODeadline) {
        guard now > self.moment else { return }
        let elapsed = (now - self.moment).nanoseconds
        let (sent, overflows) = Int(elapsed).multipliedReportingOverflow(by: self.rate)
        self.owed = overflows ? 0 : max(0, self.owed - sent)
        self.moment = now
    }
}
