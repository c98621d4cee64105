// SPDX-License-Identifier: Apache-2.0

import WarrenCore

/// A canonical Huffman code of deflate, for reading.
struct HuffmanCode {
    static let longest = 15
    /// Codes up to so many bits are found with one look.
    private static let quickBits = 9

    /// By the next ``quickBits`` bits: `symbol << 4 | length`; 0 where the code is longer, or is none.
    private var quick = [UInt16](repeating: 0, count: 1 << Self.quickBits)
    /// How many codes there are of each length.
    private var counts = [Int](repeating: 0, count: Self.longest + 1)
    /// In the order of their codes.
    private var symbols: [UInt16] = []

    /// - Parameter lengths: of the symbols' codes in bits, 0 to 15; 0: the symbol does not occur.
    /// - Throws: for lengths that no code has. A code with one symbol, or none, may be incomplete.
    init(_ lengths: some Collection<UInt8>) throws(WireError) {
        for length in lengths where length > 0 { self.counts[Int(min(length, 15))] += 1 }
        var left = 1
        for length in 1...Self.longest {
            left = 2 * left - self.counts[length]
            guard left >= 0 else { throw WireError(.badValue, in: "gzip.code", found: "too many codes") }
        }
        let used = self.counts.reduce(0, +)
        guard left == 0 || used <= 1 else { throw WireError(.badValue, in: "gzip.code", found: "too few codes") }
        var places = [Int](repeating: 0, count: Self.longest + 2)
        for length in 1...Self.longest { places[length + 1] = places[length] + self.counts[length] }
        self.symbols = [UInt16](repeating: 0, count: used)
        for (symbol, length) in lengths.enumerated() where length > 0 {
            self.symbols[places[Int(min(length, 15))]] = UInt16(truncatingIfNeeded: symbol)
            places[Int(min(length, 15))] += 1
        }
        self.fillQuick()
    }

    private mutating func fillQuick() {
        var (code, place) = (0, 0)
        for length in 1...Self.quickBits {
            for _ in 0..<self.counts[length] {
                let entry = self.symbols[place] << 4 | UInt16(length)
                // Codes are read from their highest bit on, everything else from the lowest.
                var index = Self.reversed(code, length)
                while index < self.quick.count {
                    self.quick[index] = entry
                    index += 1 << length
                }
                code += 1
                place += 1
            }
            code <<= 1
        }
    }

    /// The lowest `count` bits in opposite order.
    static func reversed(_ bits: Int, _ count: Int) -> Int {
        (0..<count).reduce(0) { result, bit in result << 1 | (bits >> bit & 1) }
    }

    /// - Throws: if the bits are no code, or end.
    func read(_ reader: inout BitReader) throws(WireError) -> Int {
        let bits = reader.peek(Self.longest)
        let entry = self.quick[bits & (1 << Self.quickBits - 1)]
        if entry != 0 {
            try reader.skip(Int(entry & 15))
            return Int(entry >> 4)
        }
        var (code, first, place) = (0, 0, 0)
        for length in 1...Self.longest {
            code = code << 1 | (bits >> (length - 1) & 1)
            let count = self.counts[length]
            if code - first < count {
                try reader.skip(length)
                return Int(self.symbols[place + code - first])
            }
            place += count
            first = (first + count) << 1
        }
        throw WireError(.badValue, in: "gzip.code", found: "no such code")
    }
}
