// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Content that can be checked at any offset without being kept: a block of fixed noise, repeated.
enum Pattern {
    /// Not a power of two, so that pieces that arrive shifted or swapped never fit.
    static let block: ByteBuffer = {
        var state: UInt64 = 0x9E37_79B9_7F4A_7C15
        var block = ByteBuffer()
        block.reserveCapacity(1_000_008)
        for _ in 0..<125_001 {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            block.writeInteger(state)
        }
        return block
    }()

    /// The content from an offset on: at most `count` bytes, and never past the end of a block.
    static func piece(at offset: Int, count: Int) -> ByteBuffer {
        let start = offset % Self.block.readableBytes
        let length = min(count, Self.block.readableBytes - start)
        return Self.block.getSlice(at: Self.block.readerIndex + start, length: length) ?? ByteBuffer()
    }

    /// Whether these bytes are the content at that offset.
    static func matches(_ bytes: ByteBuffer, at offset: Int) -> Bool {
        var bytes = bytes
        var offset = offset
        while bytes.readableBytes > 0 {
            let expected = Self.piece(at: offset, count: bytes.readableBytes)
            guard bytes.readSlice(length: expected.readableBytes) == expected else { return false }
            offset += expected.readableBytes
        }
        return true
    }
}
