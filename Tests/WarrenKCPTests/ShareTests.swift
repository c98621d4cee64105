// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing

@testable import WarrenKCP

/// What a paced tunnel leaves to others, and to its like.
@Suite("KCP share")
struct ShareTests {
    private static let slow = SharedPath(rate: 2.5e6, roundTrip: 20, queue: 1)

    @Test("the neighbour alone fills a link", arguments: [0.5, 1, 4])
    func theNeighbourAloneFillsALink(queue: Double) {
        let shares = Self.slow.with(queue: queue).shares(tunnels: 0, cubic: 1, seed: 1, warm: 3, seconds: 10)
        #expect(shares[0] > 0.97)
    }

    @Test("leaves a CUBIC flow its part", arguments: [0.5, 1, 2])
    func leavesACubicFlowItsPart(queue: Double) {
        let path = Self.slow.with(queue: queue)
        let order = queue == 1 ? SharedPath.Order.tunnelsFirst : .cubicFirst
        let shares = path.shares(tunnels: 1, cubic: 1, order: order, seed: 1, warm: 3, seconds: 8)
        #expect(shares[0] > 0.25)
        #expect(shares[1] > 0.2)
        #expect(shares[0] + shares[1] > 0.95)
    }

    @Test func isBoundByNoLossOfThePath() {
        var path = Self.slow
        path.loss = 0.05
        let shares = path.shares(tunnels: 1, cubic: 0, seed: 1, warm: 2, seconds: 6)
        #expect(shares[0] > 0.8)
    }

    // MARK: One round after the other

    /// Rounds of 40 ms of a thousand datagrams of 1000 bytes.
    private static func run(
        _ share: inout FairShare, rounds: Range<Int64>, lost: Int, _ queue: FairShare.Queue
    ) {
        for round in rounds {
            share.saw(AckReport(acknowledged: 1000 * (1000 - lost), lost: 1000 * lost), underWay: 0)
            share.endRound(queue, held: 600_000, most: 1_200_000, now: round * 40_000_000)
        }
    }

    @Test(
        "only more loss than usual with a queue bounds",
        arguments: [(0, 0, .standing), (20, 20, .standing), (100, 110, .standing), (0, 50, .none), (0, 50, .unclear)]
            as [(Int, Int, FairShare.Queue)])
    func onlyMoreLossThanUsualWithAQueueBounds(usual: Int, then: Int, queue: FairShare.Queue) {
        var share = FairShare(datagram: 1000)
        Self.run(&share, rounds: 0..<20, lost: usual, .none)
        Self.run(&share, rounds: 20..<60, lost: then, queue)
        #expect(share.bound == nil)
        Self.run(&share, rounds: 60..<61, lost: 200, .standing)
        #expect(share.bound != nil)
    }

    @Test func boundsOnceForOneOverflowAndNeverBelowWhatThePathHolds() {
        var share = FairShare(datagram: 1000)
        Self.run(&share, rounds: 0..<20, lost: 0, .none)
        Self.run(&share, rounds: 20..<23, lost: 5, .standing)
        let first = share.bound ?? 0
        #expect(((690_000)...(720_000)).contains(first))
        Self.run(&share, rounds: 23..<60, lost: 5, .standing)
        #expect(share.bound ?? 0 >= 600_000)
        #expect(share.bound ?? 0 < first)
    }

    @Test("the bound goes", arguments: [(.none, 40), (.standing, 400)] as [(FairShare.Queue, Int64)])
    func theBoundGoes(queue: FairShare.Queue, rounds: Int64) {
        var share = FairShare(datagram: 1000)
        Self.run(&share, rounds: 0..<20, lost: 0, .none)
        Self.run(&share, rounds: 20..<21, lost: 5, .standing)
        Self.run(&share, rounds: 21..<21 + rounds / 4, lost: 0, queue)
        #expect(share.bound != nil)
        Self.run(&share, rounds: 21 + rounds / 4..<21 + rounds, lost: 0, queue)
        #expect(share.bound == nil)
    }

    /// What a queue that was taken for none lost is forgotten within some rounds.
    @Test func doubtsWhatItHasLearnt() {
        var loss = OwnLoss()
        for _ in 0..<8 { loss.learn(lost: 300, of: 1000) }
        #expect(!loss.isExceeded(by: 300, of: 1000))
        for _ in 0..<8 { loss.doubt(lost: 1, of: 1000) }
        #expect(loss.isExceeded(by: 20, of: 1000))
    }
}
