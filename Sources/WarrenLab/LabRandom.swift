// SPDX-License-Identifier: Apache-2.0

/// A deterministic generator (SplitMix64) with many streams to a seed: the same seed and stream give the same words on
/// every system and in every version.
struct LabRandom: RandomNumberGenerator, Sendable {
    private static let step: UInt64 = 0x9E37_79B9_7F4A_7C15
    private var state: UInt64

    init(seed: UInt64, stream: UInt64) {
        self.state = Self.mix(Self.mix(seed &+ Self.step) &+ stream)
    }

    mutating func next() -> UInt64 {
        self.state &+= Self.step
        return Self.mix(self.state)
    }

    private static func mix(_ word: UInt64) -> UInt64 {
        var z = word
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// Which way something goes.
package enum LabDirection: UInt64, CaseIterable, Hashable, Sendable {
    /// From those who came to the target.
    case up = 0
    case down = 1
}
