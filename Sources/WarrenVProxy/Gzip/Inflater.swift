// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// Reads deflate (RFC 1951) into a buffer that does not outgrow its limit.
struct Inflater {
    private static let lengthBase = [
        3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227,
        258,
    ]
    private static let lengthBits = [
        0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
    ]
    private static let distanceBase = [
        1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097,
        6145,
        8193, 12289, 16385, 24577,
    ]
    private static let distanceBits = [
        0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13,
    ]
    /// In which order the lengths of the code for lengths stand.
    private static let order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]
    private static let fixed = try? (
        literals: HuffmanCode(
            [UInt8](repeating: 8, count: 144) + [UInt8](repeating: 9, count: 112) + [UInt8](repeating: 7, count: 24)
                + [UInt8](repeating: 8, count: 8)),
        distances: HuffmanCode([UInt8](repeating: 5, count: 32))
    )

    /// What has come out so far; references reach back to ``start``.
    private(set) var output: ByteBuffer
    private let start: Int
    private let most: Int

    /// - Parameters:
    ///   - output: what comes out is written behind it.
    ///   - most: bytes that `output` may hold in all.
    init(into output: ByteBuffer, most: Int) {
        self.output = output
        self.start = output.writerIndex
        self.most = most
    }

    /// Reads blocks until the last one.
    mutating func inflate(_ reader: inout BitReader) throws(WireError) {
        var isLast = false
        while !isLast {
            isLast = try reader.take(1) == 1
            switch try reader.take(2) {
            case 0: try self.copyStored(&reader)
            case 1:
                guard let (literals, distances) = Self.fixed else { throw WireError(.badValue, in: "gzip.block") }
                try self.copyCoded(&reader, literals, distances)
            case 2:
                let (literals, distances) = try Self.readCodes(&reader)
                try self.copyCoded(&reader, literals, distances)
            default: throw WireError(.badValue, in: "gzip.block", found: "type 3")
            }
        }
    }

    private func needRoom(_ count: Int) throws(WireError) {
        guard self.output.readableBytes + count <= self.most else {
            throw WireError(.tooLong, in: "gzip", found: "more than \(self.most) bytes")
        }
    }

    /// `length u16 | its complement u16 | bytes`, little-endian, from the next whole byte on.
    private mutating func copyStored(_ reader: inout BitReader) throws(WireError) {
        reader.alignToByte()
        let length = try reader.take(16)
        guard try reader.take(16) == ~length & 0xFFFF else { throw WireError(.badValue, in: "gzip.stored") }
        try self.needRoom(length)
        for _ in 0..<length { self.output.writeInteger(try reader.byte()) }
    }

    private mutating func copyCoded(
        _ reader: inout BitReader, _ literals: HuffmanCode, _ distances: HuffmanCode
    ) throws(WireError) {
        while true {
            let symbol = try literals.read(&reader)
            if symbol < 256 {
                try self.needRoom(1)
                self.output.writeInteger(UInt8(truncatingIfNeeded: symbol))
                continue
            }
            if symbol == 256 { return }
            let index = symbol - 257
            guard index < Self.lengthBase.count else { throw WireError(.badValue, in: "gzip.length") }
            let length = try Self.lengthBase[index] + reader.take(Self.lengthBits[index])
            let code = try distances.read(&reader)
            guard code < Self.distanceBase.count else { throw WireError(.badValue, in: "gzip.distance") }
            try self.repeatBytes(length, from: Self.distanceBase[code] + reader.take(Self.distanceBits[code]))
        }
    }

    private mutating func repeatBytes(_ length: Int, from distance: Int) throws(WireError) {
        guard distance <= self.output.writerIndex - self.start else {
            throw WireError(.badValue, in: "gzip.distance", found: "before the first byte")
        }
        try self.needRoom(length)
        var left = length
        // What is copied may reach into what it makes: then it goes round.
        while left > 0 {
            let count = min(left, distance)
            let end = self.output.writerIndex
            self.output.reserveCapacity(minimumWritableBytes: count)
            guard (try? self.output.copyBytes(at: end - distance, to: end, length: count)) == count else {
                throw WireError(.badValue, in: "gzip.distance")
            }
            self.output.moveWriterIndex(forwardBy: count)
            left -= count
        }
    }

    private static func readCodes(
        _ reader: inout BitReader
    ) throws(WireError) -> (literals: HuffmanCode, distances: HuffmanCode) {
        let literals = try 257 + reader.take(5)
        let distances = try 1 + reader.take(5)
        guard literals <= 286, distances <= 30 else { throw WireError(.badValue, in: "gzip.codes") }
        var lengths = [UInt8](repeating: 0, count: 19)
        for index in Self.order.prefix(try 4 + reader.take(4)) { lengths[index] = UInt8(try reader.take(3)) }
        let all = try Self.readLengths(&reader, by: HuffmanCode(lengths), count: literals + distances)
        guard all.dropFirst(256).first ?? 0 > 0 else { throw WireError(.badValue, in: "gzip.codes", found: "no end") }
        return (try HuffmanCode(all.prefix(literals)), try HuffmanCode(all.dropFirst(literals)))
    }

    /// Lengths of codes: 16 repeats the last one, 17 and 18 are zeros.
    private static func readLengths(
        _ reader: inout BitReader, by code: HuffmanCode, count: Int
    ) throws(WireError) -> [UInt8] {
        var all: [UInt8] = []
        while all.count < count {
            let symbol = try code.read(&reader)
            switch symbol {
            case ..<16: all.append(UInt8(symbol))
            case 16:
                guard let last = all.last else {
                    throw WireError(.badValue, in: "gzip.codes", found: "nothing to repeat")
                }
                all += [UInt8](repeating: last, count: try 3 + reader.take(2))
            case 17: all += [UInt8](repeating: 0, count: try 3 + reader.take(3))
            default: all += [UInt8](repeating: 0, count: try 11 + reader.take(7))
            }
        }
        guard all.count == count else { throw WireError(.badValue, in: "gzip.codes", found: "too many lengths") }
        return all
    }
}
