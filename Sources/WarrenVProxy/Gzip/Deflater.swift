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

    /// Where each class of lengths and distances begins.
    private static let lengthBase = [
        3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227,
        258,
    ]
    private static let distanceBase = [
        1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097,
        6145,
        8193, 12289, 16385, 24577,
    ]
    /// After so many bytes it shows whether they become fewer.
    private static let probe = 1024
    private static let literals: [(bits: UInt16, count: UInt8)] = (0..<288).map(Self.literal)

    private(set) var output: ByteBuffer
    private var held: UInt64 = 0
    private var count = 0
    private let literals = Self.literals

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
            // What is compressed already, or encrypted, is given up before it has cost much.
            if place >= Self.probe, self.output.readableBytes > min(most, place) { return false }
        }
        self.putLiteral(256)
        self.putRest()
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
        let index = Self.lengthClass(length)
        self.putLiteral(257 + index)
        if index >= 8, index < 28 { self.put(length - Self.lengthBase[index], (index - 4) / 4) }
        let code = Self.distanceClass(distance)
        self.put(HuffmanCode.reversed(code, 5), 5)
        if code >= 4 { self.put(distance - Self.distanceBase[code], (code - 2) / 2) }
    }

    /// Four classes for each power of two.
    private static func lengthClass(_ length: Int) -> Int {
        let (over, most) = (length - Self.shortest, Self.longest - Self.shortest)
        guard over >= 8, over < most else { return over < 8 ? over : 28 }
        let shift = Self.logarithm(over) - 2
        return 4 * shift + 4 + over >> shift & 3
    }

    /// Two classes for each power of two.
    private static func distanceClass(_ distance: Int) -> Int {
        let over = distance - 1
        guard over >= 4 else { return over }
        let shift = Self.logarithm(over) - 1
        return 2 * shift + 2 + over >> shift & 1
    }

    private static func logarithm(_ number: Int) -> Int { Int.bitWidth - 1 - number.leadingZeroBitCount }

    /// A symbol of the fixed code.
    private mutating func putLiteral(_ symbol: Int) {
        let literal = self.literals[symbol]
        self.put(Int(literal.bits), Int(literal.count))
    }

    private static func literal(_ symbol: Int) -> (bits: UInt16, count: UInt8) {
        let (code, count) =
            switch symbol {
            case ..<144: (0x30 + symbol, 8)
            case ..<256: (0x190 + symbol - 144, 9)
            case ..<280: (symbol - 256, 7)
            default: (0xC0 + symbol - 280, 8)
            }
        return (UInt16(truncatingIfNeeded: HuffmanCode.reversed(code, count)), UInt8(truncatingIfNeeded: count))
    }

    private mutating func put(_ bits: Int, _ count: Int) {
        self.held |= UInt64(truncatingIfNeeded: bits) << UInt64(self.count)
        self.count += count
        guard self.count >= 32 else { return }
        self.output.writeInteger(UInt32(truncatingIfNeeded: self.held), endianness: .little)
        self.held >>= 32
        self.count -= 32
    }

    private mutating func putRest() {
        while self.count > 0 {
            self.output.writeInteger(UInt8(truncatingIfNeeded: self.held))
            self.held >>= 8
            self.count -= 8
        }
        self.count = 0
    }
}
