// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import WarrenLoop

@Suite struct WatchTableTests {
    @Test func findsWhatIsWatched() {
        var table = WatchTable()
        let (one, two) = (Watched(), Watched())
        let (first, second) = (table.insert(one, 7), table.insert(two, 3))
        #expect(table[first] === one && table[second] === two)
        #expect(table.token(of: 7) == first && first != 0)
    }

    @Test("an event of what was closed finds nothing, also when the number is another one's") func forgets() {
        var table = WatchTable()
        let old = table.insert(Watched(), 5)
        table.remove(5)
        #expect(table[old] == nil)
        let next = Watched()
        let token = table.insert(next, 5)
        #expect(token != old)
        #expect(table[old] == nil && table[token] === next)
        table.remove(5)
        #expect(table[token] == nil)
    }

    @Test("numbers that nobody was given find nothing, 0 among them", arguments: [0, 1, 1 << 32, 0xFFFF_FFFF, .max])
    func unknown(token: UInt64) {
        var table = WatchTable()
        _ = table.insert(Watched(), 2)
        #expect(table[token] == nil)
    }

    @Test func keepsNothingAlive() {
        var table = WatchTable()
        weak var gone: Watched?
        do {
            let watched = Watched()
            gone = watched
            _ = table.insert(watched, 1)
        }
        #expect(gone != nil)
        table.remove(1)
        #expect(gone == nil)
    }
}
