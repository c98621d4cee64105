// SPDX-License-Identifier: Apache-2.0

package import NIOCore
import Synchronization

/// What one user, or all of an inbound, may use.
package struct AccountLimits: Hashable, Sendable {
    /// Streams at a time.
    package var streams: Int?
    /// New streams; as many may come at once.
    package var streamsPerSecond: Int?
    /// Bytes per second from the inbound to the destination.
    package var up: Int?
    /// Bytes per second from the destination to the inbound.
    package var down: Int?
    /// Bytes in all, both ways, since the process began: no new streams after that.
    package var total: Int?

    package init() {}

    package var isEmpty: Bool { self == AccountLimits() }
}

/// A bucket that fills at a rate and may be overdrawn: whoever comes then has its turn when it is even again.
struct TokenBucket {
    private var tokens: Double
    private var last: NIODeadline

    init(full capacity: Double, _ now: NIODeadline) {
        self.tokens = capacity
        self.last = now
    }

    /// Takes tokens for what has come without being booked.
    ///
    /// - Parameters:
    ///   - rate: tokens per second; more than 0.
    ///   - capacity: those that gather while nobody takes any.
    mutating func take(_ count: Int, rate: Double, capacity: Double, _ now: NIODeadline) {
        self.fill(rate, capacity, now)
        // Not held against others for longer than a second.
        self.tokens = max(self.tokens - Double(count), min(self.tokens, -rate))
    }

    /// Takes tokens for what is to come, behind all who have done so before; less than nothing to give back.
    ///
    /// - Returns: when its turn is; nil for now.
    mutating func book(_ count: Int, rate: Double, capacity: Double, _ now: NIODeadline) -> TimeAmount? {
        self.fill(rate, capacity, now)
        defer { self.tokens = min(self.tokens - Double(count), capacity) }
        guard self.tokens < 0 else { return nil }
        return .nanoseconds(Int64(min(-self.tokens / rate, 86_400) * 1e9) + 1)
    }

    /// Takes one, if there is one.
    mutating func takeOne(rate: Double, _ now: NIODeadline) -> Bool {
        self.fill(rate, rate, now)
        guard self.tokens >= 1 else { return false }
        self.tokens -= 1
        return true
    }

    private mutating func fill(_ rate: Double, _ capacity: Double, _ now: NIODeadline) {
        // Loops have clocks that differ by a round.
        guard now > self.last else { return }
        self.tokens = min(capacity, self.tokens + Double((now - self.last).nanoseconds) / 1e9 * rate)
        self.last = now
    }
}

/// What one user, or all of an inbound, has used; asked from every loop.
package final class Account: Sendable {
    private struct State {
        var limits: AccountLimits
        var streams = 0
        var total = 0
        var arrivals: TokenBucket
        var up: TokenBucket
        var down: TokenBucket
    }

    private let state: Mutex<State>

    package init(_ limits: AccountLimits, now: NIODeadline) {
        self.state = Mutex(
            State(
                limits: limits, arrivals: TokenBucket(full: Double(limits.streamsPerSecond ?? 0), now),
                up: TokenBucket(full: 0, now), down: TokenBucket(full: 0, now)))
    }

    package var streams: Int { self.state.withLock { $0.streams } }

    func allow(_ limits: AccountLimits) { self.state.withLock { $0.limits = limits } }

    /// Counts a new stream, unless there may be none.
    package func enter(now: NIODeadline) -> Bool {
        self.state.withLock { state in
            if let most = state.limits.streams, state.streams >= most { return false }
            if let most = state.limits.total, state.total >= most { return false }
            if let rate = state.limits.streamsPerSecond, !state.arrivals.takeOne(rate: Double(rate), now) {
                return false
            }
            state.streams += 1
            return true
        }
    }

    package func leave() { self.state.withLock { $0.streams -= 1 } }

    /// Counts bytes that have come.
    ///
    /// - Parameter booked: so many of them are paid for already.
    package func take(_ count: Int, booked: Int = 0, up isUp: Bool, now: NIODeadline) {
        self.state.withLock { state in
            state.total &+= count
            Self.bucket(isUp, &state) { $0.take(count - booked, rate: $1, capacity: $1 / 10, now) }
        }
    }

    /// Pays for bytes that are to be read next; less than nothing to give back.
    ///
    /// - Returns: how long to wait before they are read; nil for not at all.
    package func book(_ count: Int, up isUp: Bool, now: NIODeadline) -> TimeAmount? {
        self.state.withLock { state in
            Self.bucket(isUp, &state) { $0.book(count, rate: $1, capacity: $1 / 10, now) } ?? nil
        }
    }

    /// What a tenth of a second brings may come at once.
    @discardableResult
    private static func bucket<Value>(
        _ isUp: Bool, _ state: inout State, _ body: (inout TokenBucket, Double) -> Value
    ) -> Value? {
        guard let rate = (isUp ? state.limits.up : state.limits.down).map(Double.init) else { return nil }
        return isUp ? body(&state.up, rate) : body(&state.down, rate)
    }

    /// The rate of a direction; nil without one.
    func rate(up isUp: Bool) -> Int? { self.state.withLock { isUp ? $0.limits.up : $0.limits.down } }
}
