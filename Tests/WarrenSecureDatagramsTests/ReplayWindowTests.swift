// SPDX-License-Identifier: Apache-2.0

import Testing
import WarrenTesting

@testable import WarrenSecureDatagrams

@Suite struct ReplayWindowTests {
    @Test func takesEachCounterOnce() {
        var window = ReplayWindow()
        for counter in 0..<UInt64(10_000) {
            #expect(window.isFresh(counter))
            window.mark(counter)
            #expect(!window.isFresh(counter))
        }
    }

    @Test func tellsCountersApartUpToItsEdge() {
        #expect(ReplayWindow.size >= 2048)
        var window = ReplayWindow()
        window.mark(100_000)
        #expect(window.isFresh(100_001 - ReplayWindow.size))
        #expect(!window.isFresh(100_000 - ReplayWindow.size))
        window.mark(100_001 - ReplayWindow.size)
        #expect(!window.isFresh(100_001 - ReplayWindow.size))
        #expect(window.isFresh(100_002 - ReplayWindow.size))
    }

    @Test(arguments: [1, 63, 64, 65, 4031, 4032, 4033, 4095, 4096, 4097, 1 << 40])
    func forgetsWhatAJumpLeavesBehind(jump: UInt64) {
        var window = ReplayWindow()
        for counter in 0..<UInt64(5000) { window.mark(counter) }
        window.mark(4999 + jump)
        for counter in 5000..<(5000 + min(jump, 9000)) {
            let isInside = 5000 + jump - counter <= ReplayWindow.size
            #expect(window.isFresh(counter) == (isInside && counter != 4999 + jump))
        }
        #expect(!window.isFresh(4999))
    }

    @Test func neverTakesTheLastCounter() {
        var window = ReplayWindow()
        #expect(!window.isFresh(.max))
        window.mark(.max)
        #expect(window.next == 0)
        window.mark(.max - 1)
        #expect(window.next == .max)
        #expect(!window.isFresh(.max) && !window.isFresh(.max - 1) && window.isFresh(.max - 2))
    }

    @Test func agreesWithASetOfAllThatCame() {
        for seed in ModelRuns.seeds {
            var random = SeededRandom(seed)
            var window = ReplayWindow()
            var came: Set<UInt64> = []
            var highest: UInt64 = UInt64.random(in: 0...10_000, using: &random)
            for _ in 0..<100 {
                let reaches: [UInt64] = [3, 70, 4100, 20_000]
                let reach: UInt64 = reaches.randomElement(using: &random) ?? 3
                let counter = UInt64.random(in: (highest - min(highest, reach))...(highest + reach), using: &random)
                let latest = came.max()
                let isExpected =
                    !came.contains(counter) && (latest.map { counter > $0 || $0 - counter < ReplayWindow.size } ?? true)
                #expect(window.isFresh(counter) == isExpected, "seed \(seed)")
                if isExpected {
                    window.mark(counter)
                    came.insert(counter)
                    highest = max(highest, counter)
                }
            }
        }
    }
}
