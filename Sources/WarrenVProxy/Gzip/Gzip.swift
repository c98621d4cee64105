// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// Members of gzip (RFC 1952), whole in memory: what flag `04` of a DATA frame means.
enum Gzip {
    private enum Flag {
        static let headChecksum: UInt8 = 2
        static let extra: UInt8 = 4
        static let name: UInt8 = 8
        static let comment: UInt8 = 16
        static let reserved: UInt8 = 0xE0
    }

    /// What all members in `bytes` hold, one behind the other.
    ///
    /// - Parameter most: bytes that may come out; nothing is allocated for more.
    /// - Throws: ``WireError`` `.tooLong` if it is more; `.badMagic`, `.badValue` or `.truncated` for what is no gzip.
    static func decompress(_ bytes: ByteBuffer, most: Int) throws(WireError) -> ByteBuffer {
        var reader = BitReader(bytes.readableBytesView)
        var output = ByteBuffer()
        repeat {
            try Self.skipHead(&reader)
            var inflater = Inflater(into: output, most: most)
            let start = output.writerIndex
            output = ByteBuffer()  // so that it is not shared
            try inflater.inflate(&reader)
            output = inflater.output
            try Self.check(output.readableBytesView[start...], &reader)
        } while !reader.isAtEnd
        return output
    }

    /// `1F 8B | method 08 | flags | time 4B | level | system`, then what the flags say.
    private static func skipHead(_ reader: inout BitReader) throws(WireError) {
        guard try reader.byte() == 0x1F, try reader.byte() == 0x8B else { throw WireError(.badMagic, in: "gzip") }
        guard try reader.byte() == 8 else { throw WireError(.badValue, in: "gzip.method") }
        let flags = try reader.byte()
        guard flags & Flag.reserved == 0 else { throw WireError(.badValue, in: "gzip.flags", found: "\(flags)") }
        for _ in 0..<6 { _ = try reader.byte() }
        if flags & Flag.extra != 0 { for _ in 0..<(try reader.take(16)) { _ = try reader.byte() } }
        if flags & Flag.name != 0 { while try reader.byte() != 0 {} }
        if flags & Flag.comment != 0 { while try reader.byte() != 0 {} }
        if flags & Flag.headChecksum != 0 { _ = try reader.take(16) }
    }

    /// `CRC-32 u32 | length u32`, little-endian.
    private static func check(_ bytes: ByteBufferView, _ reader: inout BitReader) throws(WireError) {
        reader.alignToByte()
        var checksum = CRC32()
        checksum.add(bytes)
        guard try UInt32(truncatingIfNeeded: reader.take(32)) == checksum.value else {
            throw WireError(.badValue, in: "gzip.checksum")
        }
        guard try UInt32(truncatingIfNeeded: reader.take(32)) == UInt32(truncatingIfNeeded: bytes.count) else {
            throw WireError(.badValue, in: "gzip.size")
        }
    }

    /// The bytes as one member; nil if that is not smaller.
    static func compress(_ bytes: ByteBuffer) -> ByteBuffer? {
        var deflater = Deflater(ByteBuffer(bytes: [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0xFF]))
        let view = bytes.readableBytesView
        guard deflater.deflate(view, most: bytes.readableBytes - 9) else { return nil }
        var checksum = CRC32()
        checksum.add(view)
        var output = deflater.output
        output.writeInteger(checksum.value, endianness: .little)
        output.writeInteger(UInt32(truncatingIfNeeded: view.count), endianness: .little)
        return output
    }
}
