// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore

/// A TCP that never runs out of data, with CUBIC and no HyStart, as a neighbour on a link. Times are nanoseconds, windows
/// segments.
///
/// Which bytes a segment has does not matter: each is known by the order in which it left. One that three later ones
/// have overtaken is lost, the window falls at most once in a round trip, and every second segment is acknowledged.
///
/// - Source: RFC 9438; RFC 6675 for what is under way.
struct CubicFlow {
    private static let growth = 0.4
    private static let decrease = 0.7
    private static let skips: UInt64 = 3
    private static let acknowledgementDelay: Int64 = 40_000_000
    private static let leastTimeout: Int64 = 200_000_000
    /// With the 28 bytes that a link adds, 1500.
    private static let packet = ByteBuffer(repeating: 0, count: 1472)

    private let link: Link
    /// Of the way behind the link, and of the way back.
    private let (forth, back): (Int64, Int64)

    private var sent: UInt64 = 0
    private var underWay = CircularBuffer<(order: UInt64, sentAt: Int64)>()
    private var arriving = CircularBuffer<(order: UInt64, time: Int64)>()
    private var returning = CircularBuffer<(order: UInt64, time: Int64)>()
    private var silentSince: Int64
    private var roundTrip: Int64?

    /// The newest one that has arrived, and one that waits to be acknowledged with the next.
    private var newest: UInt64 = 0
    private var held: (order: UInt64, until: Int64)?
    /// Bytes on the wire that have arrived.
    private(set) var received = 0
    private(set) var reductions = 0

    private(set) var window = 10.0
    private var threshold = Double.infinity
    private var most = 0.0
    private var origin = 0.0
    private var prior = 0.0
    private var friendly = 0.0
    private var epoch: Int64?
    /// What left before does not lower the window again.
    private var reducedAt: UInt64 = 0

    init(link: Link, forth: Int64, back: Int64, now: Int64) {
        (self.link, self.forth, self.back) = (link, forth, back)
        self.silentSince = now
    }

    /// When it has something to do.
    var next: Int64 {
        if self.sent == 0 { return self.silentSince }
        return min(
            min(self.arriving.first?.time ?? .max, self.returning.first?.time ?? .max),
            min(self.held?.until ?? .max, self.timeoutAt))
    }

    private var timeoutAt: Int64 { self.silentSince + max(Self.leastTimeout, 2 * (self.roundTrip ?? 500_000_000)) }

    mutating func run(now: Int64) {
        while let first = self.arriving.first, first.time <= now {
            self.arrived(first.order, now: self.arriving.removeFirst().time)
        }
        if let held = self.held, held.until <= now { self.acknowledge(now: now) }
        while let first = self.returning.first, first.time <= now {
            self.acknowledged(self.returning.removeFirst().order, now: now)
        }
        if self.timeoutAt <= now { self.timedOut(now: now) }
        while Double(self.underWay.count) < self.window.rounded(.down) { self.send(now: now) }
    }

    private mutating func send(now: Int64) {
        self.sent += 1
        let order = self.sent
        self.underWay.append((order, now))
        self.link.pass(Self.packet, now: now) { self.arriving.append((order, $1 + self.forth)) }
    }

    // MARK: The receiver

    private mutating func arrived(_ order: UInt64, now: Int64) {
        self.received += 1500
        let isNext = order == self.newest + 1
        self.newest = order
        if isNext, self.held == nil {
            self.held = (order, now + Self.acknowledgementDelay)
        } else {
            self.acknowledge(now: now)
            self.returning.append((order, now + self.back))
        }
    }

    private mutating func acknowledge(now: Int64) {
        guard let held = self.held else { return }
        self.returning.append((held.order, now + self.back))
        self.held = nil
    }

    // MARK: The sender

    private mutating func acknowledged(_ order: UInt64, now: Int64) {
        self.silentSince = now
        while let first = self.underWay.first, first.order + Self.skips <= order {
            self.underWay.removeFirst()
            self.lost(first.order)
        }
        guard let index = self.underWay.firstIndex(where: { $0.order >= order }), self.underWay[index].order == order
        else { return }
        self.roundTrip = now - self.underWay.remove(at: index).sentAt
        self.grow(now: now)
    }

    private mutating func lost(_ order: UInt64) {
        guard order > self.reducedAt else { return }
        self.reduce()
        self.window = self.threshold
    }

    private mutating func timedOut(now: Int64) {
        self.silentSince = now
        self.underWay.removeAll(keepingCapacity: true)
        self.reduce()
        self.window = 1
    }

    private mutating func reduce() {
        self.reductions += 1
        self.reducedAt = self.sent
        self.prior = self.window
        self.most = self.window < self.most ? self.window * (1 + Self.decrease) / 2 : self.window
        self.threshold = max(self.window * Self.decrease, 2)
        self.epoch = nil
    }

    /// For one segment.
    private mutating func grow(now: Int64) {
        guard self.window >= self.threshold else {
            self.window += 1
            return
        }
        let epoch = self.epoch ?? now
        if self.epoch == nil {
            self.epoch = now
            self.most = max(self.most, self.window)
            self.origin = cbrt((self.most - self.window) / Self.growth)
            self.friendly = self.window
        }
        let alpha = self.friendly < self.prior ? 3 * (1 - Self.decrease) / (1 + Self.decrease) : 1
        self.friendly += alpha / self.window
        let ahead = Double(now + (self.roundTrip ?? 0) - epoch) / 1e9 - self.origin
        let target = min(self.most + Self.growth * ahead * ahead * ahead, 1.5 * self.window)
        self.window = max(self.window + max(target - self.window, 0) / self.window, self.friendly)
    }
}
