// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Addresses of streams that we have ended and whose end the peer has not confirmed: what still comes for them belongs to
/// nobody, and no other stream may have them.
struct Resting {
    /// Deployed devices answer after 60 s at the latest.
    static let time = TimeAmount.seconds(60)
    static let most = 4096

    private var since: [MProxy.Address: NIODeadline] = [:]
    /// In the order of their time; some have left ``since``, or come back later.
    private var order = CircularBuffer<(source: MProxy.Address, since: NIODeadline)>()

    var count: Int { self.since.count }

    func contains(_ source: MProxy.Address) -> Bool { self.since[source] != nil }

    mutating func insert(_ source: MProxy.Address, now: NIODeadline) {
        self.since[source] = now
        self.order.append((source, now))
        while self.order.count > Self.most { self.dropOldest() }
    }

    /// The peer has said its last word of it.
    mutating func remove(_ source: MProxy.Address) { self.since[source] = nil }

    mutating func expire(now: NIODeadline) {
        while let oldest = self.order.first, oldest.since + Self.time <= now { self.dropOldest() }
    }

    private mutating func dropOldest() {
        guard let (source, since) = self.order.popFirst(), self.since[source] == since else { return }
        self.since[source] = nil
    }
}
