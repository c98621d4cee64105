// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenLab
import WarrenTesting

/// What is done to the bytes of a connection, without sockets and without a clock.
@Suite struct ImpairedStreamTests {
    private static let begin = NIODeadline.uptimeNanoseconds(5_000_000_000)

    /// How many bytes pass, and what ends them, if all of `length` comes at once or in pieces.
    private func end(
        _ impairment: StreamImpairment, _ length: Int, connection: UInt64, pieces: UInt64? = nil
    ) -> (passed: Int, last: StreamStep?, stalls: UInt64) {
        var stream = ImpairedStream(impairment, seed: 7, connection: connection, direction: .up)
        var (left, passed, last) = (length, 0, StreamStep?.none)
        var random = SeededRandom(pieces ?? 0)
        while left > 0 {
            let count = pieces == nil ? left : min(left, Int.random(in: 1...40_000, using: &random))
            for step in stream.arrives(length: count, now: Self.begin) {
                if case .pass(let bytes, _) = step { passed += bytes }
                last = step
            }
            left -= count
        }
        return (passed, last, stream.stalls)
    }

    @Test("nothing is lost where nothing is asked for") func plain() {
        #expect(self.end(StreamImpairment(), 1_000_000, connection: 1, pieces: 4).passed == 1_000_000)
    }

    @Test("faults have their places in the stream, however it is cut") func places() {
        var impairment = StreamImpairment()
        impairment.reset = Chance(0.02)
        impairment.half = Chance(0.02)
        impairment.stall = Chance(0.1)
        var ends = Set<Int>()
        for connection in UInt64(0)..<20 {
            let whole = self.end(impairment, 4 << 20, connection: connection)
            for pieces in UInt64(1)...5 {
                let cut = self.end(impairment, 4 << 20, connection: connection, pieces: pieces)
                #expect(cut.passed == whole.passed && cut.stalls == whole.stalls)
            }
            ends.insert(whole.passed)
        }
        #expect(ends.count > 15)
    }

    @Test("chances are for a block of 16 KiB") func rates() {
        var impairment = StreamImpairment()
        impairment.stall = Chance(0.1)
        let stalls = self.end(impairment, 10_000 * StreamImpairment.block, connection: 1).stalls
        #expect((850...1150).contains(stalls))
    }

    @Test("bytes stay in their order whatever the jitter") func order() {
        var impairment = StreamImpairment()
        impairment.delay = .milliseconds(20)
        impairment.jitter = .milliseconds(20)
        var stream = ImpairedStream(impairment, seed: 1, connection: 0, direction: .down)
        var last = Self.begin
        for number in 0..<1000 {
            let now = Self.begin + .milliseconds(Int64(number))
            for case .pass(_, let time) in stream.arrives(length: 100, now: now) {
                #expect(time >= last && time >= now && time <= now + .milliseconds(40))
                last = time
            }
        }
        #expect(stream.ends(now: Self.begin) >= last)
    }

    @Test("at a rate the last byte takes as long as all of them") func rate() {
        var impairment = StreamImpairment()
        impairment.rate = 100_000
        var stream = ImpairedStream(impairment, seed: 1, connection: 0, direction: .down)
        let steps = stream.arrives(length: 250_000, now: Self.begin)
        #expect(
            steps.last.map { if case .pass(_, let time) = $0 { time } else { Self.begin } }
                == Self.begin + .milliseconds(2500))
        for case .pass(let count, _) in steps { #expect(count <= 2000) }
    }
}
