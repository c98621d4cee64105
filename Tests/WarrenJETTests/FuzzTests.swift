// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenJET

@Suite("JET under mutation")
struct FuzzTests {
    /// What strict decoding takes, lenient decoding takes in the same sense; and both may say no, but never trap.
    @Test(arguments: 1...4 as ClosedRange<UInt64>) func mutatedPackets(seed: UInt64) throws {
        var random = SeededRandom(seed)
        let vectors = try Vector.all().filter { (9...400).contains($0.bytes.readableBytes) }
        let seeds = vectors.map { ($0, $0.bytes.array) }
        var count = (lenient: 0, strict: 0, refused: 0)
        for _ in 0..<5000 {
            guard let (vector, bytes) = seeds.randomElement(using: &random) else { continue }
            let mutated = ByteBuffer(bytes: Self.mutate(bytes, &random))
            var (first, second) = (mutated, mutated)
            let lenient = vector.verdict(&first, .lenient)
            let strict = vector.verdict(&second, .strict)
            #expect((lenient == nil) == (strict == nil))
            if strict?.verdict == "ok" { #expect(lenient == strict, "\(mutated.hex)") }
            count.lenient += lenient?.verdict == "ok" ? 1 : 0
            count.strict += strict?.verdict == "ok" ? 1 : 0
            count.refused += lenient?.verdict == "error" ? 1 : 0
        }
        #expect(count.lenient > count.strict && count.strict > 50 && count.refused > 500)
    }

    /// Changes the packet, mostly behind its header and in the clear, and mostly with a size that fits.
    private static func mutate(_ bytes: [UInt8], _ random: inout SeededRandom) -> [UInt8] {
        var bytes = bytes
        let mask = bytes[7]
        for _ in 0..<Int.random(in: 1...3, using: &random) {
            let isHeader = Int.random(in: 0..<20, using: &random) == 0
            let place = Int.random(in: isHeader ? 0..<8 : 8..<bytes.count, using: &random)
            switch Int.random(in: 0..<4, using: &random) {
            case 0: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 1: bytes[place] = mask ^ (Array("\r\n :/\tG{}-0\u{7F}\u{0}".utf8).randomElement(using: &random) ?? 0)
            case 2 where place > 8 && bytes.count > 12: bytes.remove(at: place - 1)
            default:
                let end = Int.random(in: place...min(place + 20, bytes.count), using: &random)
                bytes.insert(contentsOf: bytes[place..<end], at: place)
            }
        }
        guard Int.random(in: 0..<10, using: &random) != 0 else { return bytes }
        bytes[4] = UInt8(truncatingIfNeeded: bytes.count >> 8)
        bytes[5] = UInt8(truncatingIfNeeded: bytes.count)
        return bytes
    }
}
