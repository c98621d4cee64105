// SPDX-License-Identifier: Apache-2.0

/// How likely something is, from never to always.
package struct Chance: Hashable, Sendable {
    package static let never = Chance(threshold: 0)
    package static let always = Chance(threshold: 1 << 53)

    /// Of 2^53.
    private let threshold: UInt64

    private init(threshold: UInt64) { self.threshold = threshold }

    /// - Parameter fraction: from 0 to 1; what lies beyond counts as the nearest of both, and what is no number as 0.
    package init(_ fraction: Double) {
        guard fraction > 0 else {
            self = .never
            return
        }
        self.threshold = UInt64(min(fraction, 1) * Double(1 << 53))
    }

    package var fraction: Double { Double(self.threshold) / Double(1 << 53) }

    /// Whether it happens, for a random word.
    func happens(_ word: UInt64) -> Bool { word >> 11 < self.threshold }
}
