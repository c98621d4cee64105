// SPDX-License-Identifier: Apache-2.0

/// Which of the latest counters have come (RFC 6479: a ring of words, cleared as the window moves).
struct ReplayWindow {
    private static let words = 64
    /// Counters behind the highest that are still told apart. One word of the ring is always under way.
    static let size = UInt64(64 * (Self.words - 1))

    private var bits = [UInt64](repeating: 0, count: Self.words)
    /// The highest counter that has come, and one; 0 before the first.
    private(set) var next: UInt64 = 0

    /// True if it has not come and is not too old to tell. The last counter there is, is never fresh.
    func isFresh(_ counter: UInt64) -> Bool {
        guard counter < self.next else { return counter < .max }
        guard self.next - counter <= Self.size else { return false }
        return self.bits[Self.word(counter)] & (1 << (counter & 63)) == 0
    }

    /// Remembers a counter that ``isFresh(_:)`` and whose datagram is authentic.
    mutating func mark(_ counter: UInt64) {
        guard self.isFresh(counter) else { return }
        if counter >= self.next {
            let newest = counter >> 6
            let oldest = self.next == 0 ? 0 : (self.next - 1) >> 6
            for step in 0..<min(newest - oldest, UInt64(Self.words)) { self.bits[Self.word((newest - step) << 6)] = 0 }
            self.next = counter + 1
        }
        self.bits[Self.word(counter)] |= 1 << (counter & 63)
    }

    private static func word(_ counter: UInt64) -> Int { Int((counter >> 6) & UInt64(Self.words - 1)) }
}
