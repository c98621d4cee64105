// SPDX-License-Identifier: Apache-2.0

public import NIOCore

/// A deterministic generator (SplitMix64): the same seed gives the same run, on every system.
public struct SeededRandom: RandomNumberGenerator, Sendable {
    private var state: UInt64

    public init(_ seed: UInt64) { self.state = seed }

    public mutating func next() -> UInt64 {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var z = self.state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    public mutating func bytes(_ count: Int) -> ByteBuffer {
        var words = ContiguousArray<UInt64>()
        while 8 * words.count < count { words.append(self.next().littleEndian) }
        let bytes = words.withUnsafeBytes { ByteBuffer(bytes: UnsafeRawBufferPointer(rebasing: $0.prefix(count))) }
        return bytes
    }
}

/// Answers with given words: a machine that draws its session key from it has a key that the test knows.
public struct ScriptedRandom: RandomNumberGenerator, Sendable {
    private var words: [UInt64]

    /// - Parameter bytes: drawn eight at a time, the first one as the lowest; zeros follow.
    public init(bytes: [UInt8]) {
        self.words = stride(from: 0, to: bytes.count, by: 8).map { start in
            bytes[start..<min(start + 8, bytes.count)].reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }
    }

    public mutating func next() -> UInt64 { self.words.isEmpty ? 0 : self.words.removeFirst() }
}
