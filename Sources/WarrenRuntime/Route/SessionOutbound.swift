// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import WarrenCore
package import WarrenLoop

/// Takes streams through sessions whose carriers we dial, one for each loop that asks for it.
///
/// The first session is kept up from the start. The others are made when a stream of their loop comes, which waits for it;
/// while one of them cannot be had, its streams cross to one that is up.
package final class SessionOutbound: Outbound, NodeComponent {
    package let name: String
    package let leadsToOnePlace: Bool
    private let first: SessionLane
    private let lanes: [SessionLane]
    private let byLoop: [ObjectIdentifier: SessionLane]

    /// - Parameters:
    ///   - loop: where the first session lives.
    ///   - others: where there may be one, too. Streams of all other loops cross.
    package init(
        name: String, on loop: SocketLoop, _ others: [SocketLoop] = [], carrier: SessionCarrier,
        leadsToOnePlace: Bool = false, unit: UnitTag? = nil, reporter: Reporter
    ) {
        self.name = name
        self.leadsToOnePlace = leadsToOnePlace
        self.first = SessionLane(name: name, on: loop, carrier: carrier, unit: unit, reporter: reporter)
        self.lanes =
            [self.first]
            + others.map {
                SessionLane(name: name, on: $0, carrier: carrier, isSpare: true, unit: unit, reporter: reporter)
            }
        self.byLoop = Dictionary(self.lanes.map { (ObjectIdentifier($0.loop), $0) }) { first, _ in first }
    }

    package var home: SocketLoop? { self.lanes.count == 1 ? self.first.loop : nil }

    package func open(
        _ request: StreamRequest, trusted: Bool, on loop: SocketLoop,
        answer: @escaping (Result<any Leg, StreamFault>) -> Void
    ) -> any OpenAttempt {
        if let lane = self.byLoop[ObjectIdentifier(loop)] {
            return lane.open(request, another: { self.lanes.first { $0 !== lane && $0.isUp } }, answer: answer)
        }
        let lane = self.lanes.first(where: \.isUp) ?? self.first
        return lane.open(request, from: loop, answer: answer)
    }

    package func start() -> EventLoopFuture<Void> { self.first.start() }

    package func tunnels() -> EventLoopFuture<[TunnelStatus]>? {
        let all = self.lanes.map { $0.status() }
        return EventLoopFuture.whenAllSucceed(all, on: self.first.loop).map { $0.compactMap { $0 } }
    }

    package func retire() { for lane in self.lanes { lane.retire() } }

    package func stop() { for lane in self.lanes { lane.stop() } }
}
