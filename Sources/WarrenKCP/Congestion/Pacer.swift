// SPDX-License-Identifier: Apache-2.0

/// Lets bytes go at a rate, in bursts of about a millisecond, so that a driver need not wake up for each datagram.
///
/// It is open until its credit is used up, and then shut until there is credit for the next burst. A driver that comes
/// late finds what it has missed, up to ``lateness``.
struct Pacer {
    private static let lateness = 4e-3
    private static let mostBurst = 65536.0
    private static let mostCredit = 524_288.0
    private let datagram: Double
    /// Bytes per second.
    private(set) var rate: Double
    private var credit: Double
    private var creditAt: Int64
    /// When it opens again; nil while it is open.
    private var opensAt: Int64?

    init(datagram: Int, rate: Double, now: Int64) {
        self.datagram = Double(datagram)
        self.rate = max(rate, 1)
        self.credit = Self.mostBurst
        self.creditAt = now
    }

    /// Bytes of one burst.
    var burst: Double { max(min(self.rate / 1000, Self.mostBurst), self.datagram) }

    /// When the next datagram may leave; in the past, if at once.
    var release: Int64 { self.opensAt ?? self.creditAt }

    mutating func isOpen(now: Int64) -> Bool {
        if let opensAt = self.opensAt, now < opensAt { return false }
        self.opensAt = nil
        return true
    }

    mutating func spend(_ bytes: Int, now: Int64) {
        self.refill(now: now)
        self.credit -= Double(bytes)
        if self.credit <= 0 { self.opensAt = self.due }
    }

    mutating func pace(_ rate: Double, now: Int64) {
        self.refill(now: now)
        self.rate = min(max(rate, 1000), 1e12)
        if let opensAt = self.opensAt { self.opensAt = min(opensAt, self.due) }
    }

    private var due: Int64 {
        self.creditAt + Int64(min(max((self.burst - self.credit) / self.rate, 0), 60) * 1e9) + 1
    }

    private mutating func refill(now: Int64) {
        guard now > self.creditAt else { return }
        let most = min(max(self.rate * Self.lateness, self.burst), Self.mostCredit)
        let earned = self.rate * Double(now - self.creditAt) / 1e9
        self.credit = min(self.credit + earned, max(most, self.credit))
        self.creditAt = now
    }
}
