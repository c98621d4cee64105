// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenVProxy

/// Members that zlib has made, and what is none. Fixtures by Python's zlib.
@Suite struct GzipTests {
    struct Case: Decodable, Sendable, CustomTestStringConvertible {
        var name: String
        var hex: String
        var plainHex: String?
        var error: String?
        var testDescription: String { self.name }
    }

    static let cases: [Case] = (try? Fixture.load("gzip")) ?? []

    @Test func thereAreFixtures() { #expect(Self.cases.count >= 28) }

    @Test("reads what zlib writes, and nothing else", arguments: Self.cases)
    func reads(_ one: Case) throws {
        let bytes = ByteBuffer(hex: one.hex)
        guard let error = one.error else {
            let plain = ByteBuffer(hex: one.plainHex ?? "")
            #expect(try Gzip.decompress(bytes, most: 1 << 20) == plain)
            #expect(try Gzip.decompress(bytes, most: plain.readableBytes) == plain)
            guard plain.readableBytes > 0 else { return }
            #expect(throws: WireError(.tooLong, in: "gzip")) {
                try Gzip.decompress(bytes, most: plain.readableBytes - 1)
            }
            return
        }
        let thrown = #expect(throws: WireError.self) { try Gzip.decompress(bytes, most: 1 << 20) }
        #expect(thrown?.code.description == error)
    }

    @Test("every cut of a member is an error", arguments: Self.cases.filter { $0.error == nil && $0.hex.count < 1500 })
    func cuts(_ one: Case) {
        let bytes = ByteBuffer(hex: one.hex)
        for length in 0..<bytes.readableBytes where one.name != "two members" {
            let part = bytes.getSlice(at: 0, length: length) ?? ByteBuffer()
            #expect(throws: WireError.self) { try Gzip.decompress(part, most: 1 << 20) }
        }
    }

    @Test func survivesWhateverIsChanged() {
        var random = SeededRandom(11)
        let good = Self.cases.filter { $0.error == nil && $0.hex.count < 4000 }.map { ByteBuffer(hex: $0.hex).array }
        var read = 0
        for _ in 0..<ModelRuns.count {
            guard var bytes = good.randomElement(using: &random), !bytes.isEmpty else { continue }
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let place = Int.random(in: 0..<bytes.count, using: &random)
                bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            }
            if let output = try? Gzip.decompress(ByteBuffer(bytes: bytes), most: 100_000) {
                read += 1
                #expect(output.readableBytes <= 100_000)
            }
        }
        #expect(read > 0)  // flips in the head's time and system mean nothing
    }

    @Test func readsWhatItWrites() throws {
        var random = SeededRandom(12)
        var smaller = 0
        for _ in 0..<ModelRuns.count / 5 {
            let count = Int.random(in: 0...16384, using: &random)
            let letters = Int.random(in: 1...256, using: &random)
            var plain = ByteBuffer()
            while plain.readableBytes < count {
                if plain.readableBytes > 3, Bool.random(using: &random) {
                    let from = Int.random(in: 0..<plain.readableBytes, using: &random)
                    let length = min(Int.random(in: 1...400, using: &random), plain.readableBytes - from)
                    plain.writeBytes(plain.getBytes(at: from, length: length) ?? [])
                } else {
                    plain.writeInteger(UInt8(truncatingIfNeeded: Int.random(in: 0..<letters, using: &random)))
                }
            }
            guard let packed = Gzip.compress(plain) else { continue }
            smaller += 1
            #expect(packed.readableBytes < plain.readableBytes)
            #expect(try Gzip.decompress(packed, most: plain.readableBytes) == plain)
        }
        #expect(smaller > ModelRuns.count / 20)
    }

    @Test func leavesWhatDoesNotGetSmaller() {
        var random = SeededRandom(13)
        #expect(Gzip.compress(random.bytes(4000)) == nil)
        #expect(Gzip.compress(ByteBuffer()) == nil && Gzip.compress(ByteBuffer(string: "ab")) == nil)
    }
}
