// SPDX-License-Identifier: Apache-2.0

/// Times between 1 ns and hours, counted in steps of less than one per cent, in a fixed amount of memory.
@_spi(Bench) public struct LoadLatencies: Sendable {
    /// Steps in each power of two, as a power of two.
    private static let precision = 7

    private var counts = [UInt32](repeating: 0, count: (65 - precision) << precision)
    /// How many were recorded.
    public private(set) var count = 0

    init() {}

    mutating func record(nanoseconds: UInt64) {
        self.counts[Self.index(of: nanoseconds)] += 1
        self.count += 1
    }

    mutating func add(_ other: LoadLatencies) {
        for (index, count) in other.counts.enumerated() where count > 0 { self.counts[index] += count }
        self.count += other.count
    }

    /// The time that a share of all stays below, in microseconds; 0 if there are none.
    ///
    /// - Parameter share: 0.5 is the median.
    public func microseconds(below share: Double) -> Double {
        let rank = Int((Double(self.count) * share).rounded(.up))
        var seen = 0
        for (index, count) in self.counts.enumerated() where count > 0 {
            seen += Int(count)
            if seen >= rank { return Double(Self.value(at: index)) / 1000 }
        }
        return 0
    }

    // The first 128 steps are 1 ns wide, the next 128 cover 128..<256 in steps of 1, the next 256..<512 in steps of 2.
    private static func index(of value: UInt64) -> Int {
        let shift = max(0, (UInt64.bitWidth - 1 - value.leadingZeroBitCount) - Self.precision)
        guard shift > 0 || value >= 1 << Self.precision else { return Int(value) }
        return (shift + 1) << Self.precision + Int(value >> UInt64(shift)) - 1 << Self.precision
    }

    private static func value(at index: Int) -> UInt64 {
        guard index >= 1 << Self.precision else { return UInt64(index) }
        let shift = index >> Self.precision - 1
        let step = index & ((1 << Self.precision) - 1) | 1 << Self.precision
        return UInt64(step) << UInt64(shift)
    }
}
