// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// Tokens that come back at a steady rate.
struct TokenBucket {
    private var tokens: Double
    private var last: NIODeadline

    init(full tokens: Int, now: NIODeadline) {
        self.tokens = Double(tokens)
        self.last = now
    }

    /// - Returns: false if there is none.
    mutating func take(perSecond: Int, most: Int, now: NIODeadline) -> Bool {
        let passed = Double(max((now - self.last).nanoseconds, 0)) / 1e9
        self.tokens = min(self.tokens + passed * Double(max(perSecond, 0)), Double(max(most, 1)))
        self.last = max(now, self.last)
        guard self.tokens >= 1 else { return false }
        self.tokens -= 1
        return true
    }
}

/// Counts handshakes by source: an IPv4 address or an IPv6 /64.
///
/// A table of fixed size that a secret spreads sources over. Two sources in one row share its tokens; nobody can choose
/// whose row they share, and nothing is ever evicted.
struct SourceLimiter {
    private var rows: [TokenBucket?]
    private let secret: (UInt64, UInt64)
    private let perSecond: Int
    private let burst: Int

    init(_ limits: SecureDatagrams.Limits, _ random: inout Random) {
        var count = 1
        while count < min(max(limits.sourceTable, 1), 1 << 20) { count *= 2 }
        self.rows = Array(repeating: nil, count: count)
        self.secret = (random.next(), random.next())
        self.perSecond = limits.handshakesPerSource
        self.burst = limits.burstPerSource
    }

    var count: Int { self.rows.count }

    mutating func admits(_ source: IPAddress, now: NIODeadline) -> Bool {
        let row = self.row(source)
        var bucket = self.rows[row] ?? TokenBucket(full: self.burst, now: now)
        defer { self.rows[row] = bucket }
        return bucket.take(perSecond: self.perSecond, most: self.burst, now: now)
    }

    private func row(_ source: IPAddress) -> Int {
        let value = source.family == .v4 ? source.low : source.high
        let family: UInt64 = source.family == .v4 ? 4 : 6
        let mixed = Self.mix(Self.mix(value ^ self.secret.0) &+ family ^ self.secret.1)
        return Int(truncatingIfNeeded: mixed & UInt64(self.rows.count - 1))
    }

    /// The finalizer of SplitMix64.
    private static func mix(_ value: UInt64) -> UInt64 {
        var z = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
