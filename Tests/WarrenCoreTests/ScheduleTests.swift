// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenTesting

@testable import WarrenCore

@Suite struct ScheduleTests {
    @Test("gives back what is due, by time and then by when it was put in", arguments: 0..<20 as Range<UInt64>)
    func order(seed: UInt64) {
        var random = SeededRandom(seed)
        var schedule = Schedule<Int>()
        var waiting: [(time: UInt64, element: Int)] = []
        for round in 0..<200 {
            let time = UInt64.random(in: 0...50, using: &random)
            schedule.insert(round, at: .uptimeNanoseconds(time))
            waiting.append((time, round))
            guard round % 3 == 0 else { continue }
            let now = UInt64.random(in: 0...20, using: &random)
            let expected = waiting.filter { $0.time <= now }.sorted { ($0.time, $0.element) < ($1.time, $1.element) }
            waiting.removeAll { $0.time <= now }
            for entry in expected { #expect(schedule.popDue(now: .uptimeNanoseconds(now)) == entry.element) }
            #expect(schedule.popDue(now: .uptimeNanoseconds(now)) == nil)
        }
        #expect(schedule.count == waiting.count)
        #expect(schedule.first == waiting.map(\.time).min().map { .uptimeNanoseconds($0) })
    }
}
