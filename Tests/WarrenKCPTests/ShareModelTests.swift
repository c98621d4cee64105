// SPDX-License-Identifier: Apache-2.0

import Testing
import WarrenTesting

@testable import WarrenKCP

/// What a paced tunnel leaves to others, and to its like, for a minute on each of several paths. Not with few runs.
@Suite("KCP share at full size", .enabled(if: ModelRuns.count > 1000))
struct ShareModelTests {
    private static let paths: [SharedPath] = {
        let fast = SharedPath(rate: 12.5e6, roundTrip: 40, queue: 1)
        let slow = SharedPath(rate: 2.5e6, roundTrip: 20, queue: 1)
        return [0.5, 1, 2, 4].map { fast.with(queue: $0) } + [1, 4].map { slow.with(queue: $0) }
    }()

    @Test("leaves a CUBIC flow a quarter", arguments: Self.paths, SharedPath.Order.allCases)
    func leavesACubicFlowAQuarter(path: SharedPath, order: SharedPath.Order) {
        let shares = path.shares(tunnels: 1, cubic: 1, order: order, seed: 1, warm: 10, seconds: 60)
        #expect(shares[0] > 0.25)
        #expect(shares[1] > 0.25)
        #expect(shares[0] + shares[1] > 0.95)
    }

    @Test("two are alike", arguments: Self.paths)
    func twoAreAlike(path: SharedPath) {
        let all = (0..<5).map { (seed: UInt64) in
            path.shares(tunnels: 2, cubic: 0, seed: seed, warm: 10, seconds: 20).fairness
        }
        #expect(all.sorted()[2] > 0.95)
    }
}
