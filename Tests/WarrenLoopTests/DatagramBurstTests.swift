// SPDX-License-Identifier: Apache-2.0

import CWarrenSystem
import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenLoop

@Suite struct DatagramBurstTests {
    private static let here = DatagramPath(PeerAddress(IPAddress(v4: 0x7F00_0001), port: 1))
    private static let there = DatagramPath(PeerAddress(IPAddress(v4: 0x7F00_0001), port: 2))

    private func runs(_ burst: DatagramBurst, splits: Bool = true) -> [cws_outgoing] {
        withUnsafeTemporaryAllocation(of: cws_outgoing.self, capacity: 32) { space in
            let count = burst.runs(into: space, splits: splits)
            return space.prefix(count).map { $0 }
        }
    }

    private func start(of burst: DatagramBurst, _ count: Int) -> ByteBuffer {
        burst.withBytes { start -> ByteBuffer in
            ByteBuffer(bytes: UnsafeRawBufferPointer(start: start, count: start == nil ? 0 : count))
        }
    }

    private func lengths(_ sizes: [Int], splits: Bool = true) -> [Int] {
        var burst = DatagramBurst()
        for size in sizes { burst.append(ByteBuffer(repeating: 7, count: size), to: Self.here) }
        return self.runs(burst, splits: splits).map { Int($0.length) }
    }

    @Test("equal lengths are a run, and a shorter one ends it")
    func formsRuns() {
        #expect(self.lengths([5, 5, 5]) == [15])
        #expect(self.lengths([5, 5, 4, 5, 5]) == [14, 10])
        #expect(self.lengths([5, 5, 6]) == [10, 6])
        #expect(self.lengths([5, 5, 5], splits: false) == [5, 5, 5])
        #expect(self.lengths([1, 0, 1, 1]) == [1, 0, 2])
    }

    @Test("a run has at most 64 datagrams and 65,507 bytes")
    func boundsRuns() {
        #expect(self.lengths(.init(repeating: 3, count: 130)) == [192, 192, 6])
        #expect(self.lengths(.init(repeating: 1200, count: 60)) == [54 * 1200, 6 * 1200])
        #expect(self.lengths([32_000, 32_000, 1_507]) == [65_507])
        #expect(self.lengths([32_000, 32_000, 1_508]) == [64_000, 1_508])
        #expect(self.lengths([65_507, 65_507]) == [65_507, 65_507])
    }

    @Test func anotherPeerIsAnotherRun() {
        var burst = DatagramBurst()
        for path in [Self.here, Self.here, Self.there, nil, nil, Self.here] {
            burst.append(ByteBuffer(repeating: 7, count: 9), to: path)
        }
        #expect(self.runs(burst).map(\.length) == [18, 9, 18, 9])
        #expect(self.runs(burst).map(\.segment) == [9, 0, 9, 0])
        #expect(self.runs(burst).map(\.peer.port) == [1, 2, 0, 1])
    }

    @Test("a run that was refused leaves one by one, those behind it as runs")
    func separates() throws {
        var burst = DatagramBurst()
        for size in [5, 5, 4, 6, 6] { burst.append(ByteBuffer(repeating: 7, count: size), to: Self.here) }
        burst.separate(try #require(self.runs(burst).first))
        #expect(self.runs(burst).map(\.length) == [5, 5, 4, 12])
        burst.drop(try #require(self.runs(burst).first))
        #expect(self.runs(burst).map(\.length) == [5, 4, 12])
    }

    @Test("loses, repeats and mixes up nothing, whatever is appended, dropped and moved", arguments: ModelRuns.seeds)
    func model(seed: UInt64) {
        var random = SeededRandom(seed)
        var burst = DatagramBurst()
        var expected: [(ByteBuffer, DatagramPath?)] = []
        var number = 0
        for _ in 0..<40 {
            switch Int.random(in: 0..<6, using: &random) {
            case 0...2:
                for _ in 0..<Int.random(in: 1...8, using: &random) {
                    let length = [0, 1, 40, 40, 40, 200].randomElement(using: &random) ?? 0
                    let path = [Self.here, Self.there, nil].randomElement(using: &random) ?? nil
                    number += 1
                    let bytes = Datagrams.numbered(number, length)
                    if Bool.random(using: &random) || length == 0 {
                        burst.append(bytes, to: path)
                    } else {
                        let count = burst.append(to: path, most: 200) { $0.writeImmutableBuffer(bytes) }
                        #expect(count == length)
                    }
                    expected.append((bytes, path))
                }
            case 3:
                let count = burst.append(to: nil, most: 10) { $0.writeRepeatingByte(1, count: 11) }
                #expect(count == 11)
            case 4:
                burst.compact()
                if let first = self.runs(burst).first { burst.separate(first) }
            default:
                let runs = self.runs(burst, splits: Bool.random(using: &random))
                for run in runs.prefix(Int.random(in: 0...3, using: &random)) {
                    // Offsets are those of the start: each is the first one by now.
                    var rest = Int(run.length)
                    repeat {
                        guard let (bytes, path) = expected.first else {
                            Issue.record("one too many")
                            return
                        }
                        expected.removeFirst()
                        if run.segment == 0 { #expect(self.start(of: burst, bytes.readableBytes) == bytes) }
                        #expect(run.peer.port == path?.peer.port ?? 0)
                        rest -= bytes.readableBytes
                    } while rest > 0
                    #expect(rest == 0)
                    burst.drop(run)
                }
            }
            #expect(burst.count == expected.count)
            #expect(burst.bytes == expected.reduce(0) { $0 + $1.0.readableBytes })
        }
    }
}
