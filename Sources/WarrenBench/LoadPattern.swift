// SPDX-License-Identifier: Apache-2.0

/// Payload whose every offset can be checked without keeping any: fixed noise with a prime period.
struct LoadPattern {
    /// Bytes after which the noise repeats; prime, so that pieces that are shifted or swapped never fit.
    static let period = 65_521
    /// The longest ``piece(at:)``, in bytes.
    static let longestPiece = 128 << 10

    private let bytes: [UInt8]

    init() {
        var state: UInt64 = 0x9E37_79B9_7F4A_7C15
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.period + Self.longestPiece)
        for _ in 0..<Self.period {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            bytes.append(UInt8(truncatingIfNeeded: state >> 32))
        }
        for index in 0..<Self.longestPiece { bytes.append(bytes[index % Self.period]) }
        self.bytes = bytes
    }

    /// Calls `body` with the content from an offset on.
    func withPiece<Result>(
        at offset: Int, count: Int = Self.longestPiece,
        _ body: (UnsafeRawBufferPointer) throws -> Result
    ) rethrows -> Result {
        let start = offset % Self.period
        return try self.bytes.withUnsafeBytes { bytes in
            try body(UnsafeRawBufferPointer(rebasing: bytes[start..<start + min(count, Self.longestPiece)]))
        }
    }

    /// Looks at the first, the middle and the last byte of a piece, which is enough to see a lost, a doubled or a
    /// swapped byte anywhere before, and costs next to nothing.
    func seemsRight(_ piece: UnsafeRawBufferPointer, at offset: Int) -> Bool {
        guard !piece.isEmpty else { return true }
        func fits(_ index: Int) -> Bool { piece[index] == self.bytes[(offset + index) % Self.period] }
        return fits(0) && fits(piece.count / 2) && fits(piece.count - 1)
    }
}
