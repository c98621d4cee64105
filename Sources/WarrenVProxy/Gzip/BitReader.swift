// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// Reads bits from the lowest of each byte on, as deflate writes them.
struct BitReader {
    private let bytes: ByteBufferView
    private var next: Int
    /// Bits that are read and not yet taken; the next one is the lowest.
    private var held: UInt64 = 0
    private var count = 0

    init(_ bytes: ByteBufferView) {
        self.bytes = bytes
        self.next = bytes.startIndex
    }

    /// Holds as many bits as there are, up to 56.
    private mutating func fill() {
        while self.count <= 48, self.next < self.bytes.endIndex {
            self.held |= UInt64(self.bytes[self.next]) << UInt64(self.count)
            self.next += 1
            self.count += 8
        }
    }

    /// The next bits without taking them; beyond the end they are 0.
    ///
    /// - Parameter most: up to 32.
    mutating func peek(_ most: Int) -> Int {
        if self.count < most { self.fill() }
        return Int(self.held & ((1 << UInt64(most)) - 1))
    }

    /// - Throws: if there are not so many left.
    mutating func skip(_ bits: Int) throws(WireError) {
        if self.count < bits { self.fill() }
        guard bits <= self.count else { throw WireError(.truncated, in: "gzip") }
        self.held >>= UInt64(bits)
        self.count -= bits
    }

    mutating func take(_ bits: Int) throws(WireError) -> Int {
        let value = self.peek(bits)
        try self.skip(bits)
        return value
    }

    /// Drops what is left of the byte.
    mutating func alignToByte() {
        self.held >>= UInt64(self.count % 8)
        self.count -= self.count % 8
    }

    mutating func byte() throws(WireError) -> UInt8 { UInt8(truncatingIfNeeded: try self.take(8)) }

    /// All bytes are taken; a byte that has begun counts as taken.
    var isAtEnd: Bool { self.count < 8 && self.next == self.bytes.endIndex }
}
