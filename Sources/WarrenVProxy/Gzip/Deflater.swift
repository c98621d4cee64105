// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Writes deflate (RFC 1951): one block of the fixed code, repetitions found by chains of hashes.
///
/// Less dense than what zlib finds, and a fraction of its code: it is for pieces of a few KiB on their way.
struct Deflater {
    private static let shortest = 3
    private static let longest = 258
    private static let farthest = 32 << 10
    /// Places that are tried for each repetition.
    private static let tries = 16
    private static let hashBits = 12

    /// The code of each length from 3 to 258, and of each distance by where its class begins.
    private static let lengthBase = [
        3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227,
        258,
    ]
    private static let distanceBase = [
        1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097,
        6145,
        8193, 12289, 16385, 24577,
    ]

    private(set) var output: ByteBuffer
    private var held: UInt64 = 0
    private var count = 0

    init(_ output: ByteBuffer) { self.output = output }

    /// - Parameter most: bytes that the output may hold in all.
    /// - Returns: false once it is more.
    mutating func deflate(_ bytes: ByteBufferView, most: Int) -> Bool {
        bytes.withUnsafeBytes { self.deflate($0, most: most) }
    }

    private mutating func deflate(_ bytes: UnsafeRawBufferPointer, most: Int) -> Bool {
        self.put(0b011, 3)  // the last block, fixed code
        var heads = [Int32](repeating: -1, count: 1 << Self.hashBits)
        var before = [Int32](repeating: -1, count: bytes.count)
        var place = 0
        while place < bytes.count {
            let (length, distance) = Self.longestMatch(bytes, at: place, heads, before)
            let step = max(length, 1)
            if length >= Self.shortest { self.putMatch(length, distance) } else { self.putLiteral(Int(bytes[place])) }
            for index in place..<max(place, min(place + step, bytes.count - Self.shortest + 1)) {
                let hash = Self.hash(bytes, index)
                before[index] = heads[hash]
                heads[hash] = Int32(truncatingIfNeeded: index)
            }
            place += step
            if self.output.readableBytes > most { return false }
        }
        self.putLiteral(256)
        self.put(0, (8 - self.count % 8) % 8)
        return self.output.readableBytes <= most
    }

    private static func hash(_ bytes: UnsafeRawBufferPointer, _ place: Int) -> Int {
        let three = UInt32(bytes[place]) << 16 | UInt32(bytes[place + 1]) << 8 | UInt32(bytes[place + 2])
        return Int((three &* 0x9E37_79B1) >> (32 - UInt32(Self.hashBits)))
    }

    private static func longestMatch(
        _ bytes: UnsafeRawBufferPointer, at place: Int, _ heads: [Int32], _ before: [Int32]
    ) -> (length: Int, distance: Int) {
        let most = min(bytes.count - place, Self.longest)
        guard most >= Self.shortest else { return (0, 0) }
        var (best, distance) = (0, 0)
        var other = Int(heads[Self.hash(bytes, place)])
        for _ in 0..<Self.tries where other >= 0 && place - other <= Self.farthest {
            var length = 0
            while length < most, bytes[other + length] == bytes[place + length] { length += 1 }
            if length > best { (best, distance) = (length, place - other) }
            if best == most { break }
            other = Int(before[other])
        }
        return best >= Self.shortest ? (best, distance) : (0, 0)
    }

    // MARK: Bits

    private mutating func putMatch(_ length: Int, _ distance: Int) {
        let index = (Self.lengthBase.lastIndex { $0 <= length }) ?? 0
        self.putLiteral(257 + index)
        if index >= 8, index < 28 { self.put(length - Self.lengthBase[index], (index - 4) / 4) }
        let code = (Self.distanceBase.lastIndex { $0 <= distance }) ?? 0
        self.put(HuffmanCode.reversed(code, 5), 5)
        if code >= 4 { self.put(distance - Self.distanceBase[code], (code - 2) / 2) }
    }

    /// A symbol of the fixed code.
    private mutating func putLiteral(_ symbol: Int) {
        switch symbol {
        case ..<144: self.put(HuffmanCode.reversed(0x30 + symbol, 8), 8)
        case ..<256: self.put(HuffmanCode.reversed(0x190 + symbol - 144, 9), 9)
        case ..<280: self.put(HuffmanCode.reversed(symbol - 256, 7), 7)
        default: self.put(HuffmanCode.reversed(0xC0 + symbol - 280, 8), 8)
        }
    }

    private mutating func put(_ bits: Int, _ count: Int) {
        self.held |= UInt64(truncatingIfNeeded: bits) << UInt64(self.count)
        self.count += count
        while self.count >= 8 {
            self.output.writeInteger(UInt8(truncatingIfNeeded: self.held))
            self.held >>= 8
            self.count -= 8
        }
    }
}
