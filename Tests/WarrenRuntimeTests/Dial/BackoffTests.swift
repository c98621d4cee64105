// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenTesting

@testable import WarrenRuntime

@Suite struct BackoffTests {
    @Test("every pause is at least 250 ms and at most doubles, up to 30 s", arguments: 0..<20)
    func staysInItsRange(seed: UInt64) {
        var random = SeededRandom(seed)
        var backoff = Backoff()
        for failure in 0..<64 {
            let pause = backoff.failed(random: &random)
            let most = min(TimeAmount.milliseconds(250 << Int64(min(failure, 10))), .seconds(30))
            #expect(pause >= .milliseconds(250))
            #expect(pause <= most)
        }
    }

    @Test("where nobody answered no pause is longer than 1 s, and the next answer finds the pauses grown")
    func staysShortInSilence() {
        var random = SeededRandom(3)
        var backoff = Backoff()
        let pauses = (0..<200).map { _ in backoff.failed(wasAnswered: false, random: &random) }
        #expect(pauses.allSatisfy { $0 >= Backoff.shortest && $0 <= .seconds(1) })
        #expect(Set(pauses.map(\.nanoseconds)).count > 100)
        #expect((0..<20).contains { _ in backoff.failed(random: &random) > .seconds(5) })
    }

    @Test func theFirstPauseIsTheShortest() {
        var random = SeededRandom(1)
        var backoff = Backoff()
        #expect(backoff.failed(random: &random) == Backoff.shortest)
        _ = backoff.failed(random: &random)
        backoff.succeeded()
        #expect(backoff.failed(random: &random) == Backoff.shortest)
    }

    @Test func pausesSpreadOverTheirRange() {
        var random = SeededRandom(2)
        var backoff = Backoff()
        for _ in 0..<10 { _ = backoff.failed(random: &random) }
        let pauses = (0..<200).map { _ in backoff.failed(random: &random).nanoseconds }
        #expect((pauses.min() ?? 0) < TimeAmount.seconds(3).nanoseconds)
        #expect((pauses.max() ?? 0) > TimeAmount.seconds(27).nanoseconds)
    }
}
