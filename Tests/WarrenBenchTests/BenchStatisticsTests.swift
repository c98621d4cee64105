// SPDX-License-Identifier: Apache-2.0

import Testing

@testable @_spi(Bench) import WarrenBench

@Suite struct BenchStatisticsTests {
    @Test(
        "takes the median",
        arguments: [([], nil), ([3], 3), ([9, 1, 5], 5), ([4, 1, 3, 2], 2.5)] as [([Double], Double?)]
    )
    func median(values: [Double], expected: Double?) {
        #expect(BenchResults.median(values) == expected)
    }

    @Test func roundsBecomeMediansAndErrorsAddUp() throws {
        var results = BenchResults(try #require(BenchPath.all.first))
        for (count, failures) in [(1, 0), (5, 2), (2, 1)] {
            var tally = LoadTally()
            tally.count = count * 1_000_000_000
            tally.seconds = 1
            if failures > 0 { tally.failed("reason \(failures)", times: failures) }
            results.add(tally, of: .down)
        }
        #expect(results.row.figures == [.down: 2])
        #expect(results.row.errors == 3)
        #expect(results.row.firstError == "1 stream down: reason 2")
    }

    @Test func everyMeasurementGivesItsFiguresAndTogetherTheyAreAll() {
        let figures = Bench.Measurement.allCases.flatMap { $0.figures(LoadTally()).keys }
        #expect(figures.count == Bench.Figure.allCases.count)
        #expect(Set(figures) == Set(Bench.Figure.allCases))
    }

    @Test(
        "a latency is right within a hundredth",
        arguments: [1, 127, 128, 129, 255, 256, 1000, 12_345, 999_999_999, .max] as [UInt64]
    )
    func latency(nanoseconds: UInt64) {
        var latencies = LoadLatencies()
        latencies.record(nanoseconds: nanoseconds)
        let found = latencies.microseconds(below: 0.5) * 1000
        #expect(found <= Double(nanoseconds) * 1.000001)
        #expect(found >= Double(nanoseconds) * 0.99)
    }

    @Test func percentilesAreOrderedAndLanesAddUp() {
        var (fast, slow) = (LoadLatencies(), LoadLatencies())
        #expect(fast.microseconds(below: 0.5) == 0)
        for _ in 0..<98 { fast.record(nanoseconds: 10_000) }
        for _ in 0..<2 { slow.record(nanoseconds: 1_000_000) }
        fast.add(slow)
        #expect(fast.count == 100)
        #expect(abs(fast.microseconds(below: 0.5) - 10) < 0.1)
        #expect(abs(fast.microseconds(below: 0.98) - 10) < 0.1)
        #expect(abs(fast.microseconds(below: 0.99) - 1000) < 10)
    }

    @Test func aPatternTellsShiftedBytes() {
        let pattern = LoadPattern()
        for offset in [0, 1, LoadPattern.period - 1, 7 * LoadPattern.period + 77] {
            pattern.withPiece(at: offset, count: 1000) { piece in
                #expect(piece.count == 1000)
                #expect(pattern.seemsRight(piece, at: offset))
                #expect(pattern.seemsRight(piece, at: offset + LoadPattern.period))
                #expect(!pattern.seemsRight(piece, at: offset + 1))
                #expect(!pattern.seemsRight(piece, at: offset + LoadPattern.longestPiece))
            }
        }
    }
}
