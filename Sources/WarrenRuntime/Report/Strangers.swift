// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Synchronization
import WarrenCore

/// Says whether a stranger deserves more than a `debug` line: the first of each address and minute, so that whoever can
/// mend it learns why a peer does not get in, and a flood does not become one of the log.
final class Strangers: Sendable {
    private struct Seen {
        var since: UInt64
        var more = 0
    }

    private static let pause: UInt64 = 60_000_000_000
    private static let pruningPause: UInt64 = 1_000_000_000
    private let most: Int
    /// By address, IPv6 by network: one network has addresses without end.
    private let seen = Mutex<[IPAddress?: Seen]>([:])
    private let lastPruning = Atomic<UInt64>(0)

    init(most: Int = 1024) { self.most = most }

    /// - Returns: how many of this address were not shown since the last one that was; nil if this is not shown.
    func news(of peer: SocketAddress?, at time: NIODeadline = .now()) -> Int? {
        let now = time.uptimeNanoseconds
        let address = peer.flatMap { IPAddress($0) }?.counted
        return self.seen.withLock { seen in
            if let known = seen[address], Self.isFresh(known, now) {
                seen[address]?.more += 1
                return nil
            }
            let missed = seen[address]?.more ?? 0
            if seen[address] == nil, seen.count >= self.most {
                // Not for each of a flood.
                guard now > self.lastPruning.load(ordering: .relaxed) + Self.pruningPause else { return nil }
                self.lastPruning.store(now, ordering: .relaxed)
                seen = seen.filter { Self.isFresh($0.value, now) }
                guard seen.count < self.most else { return nil }
            }
            seen[address] = Seen(since: now)
            return missed
        }
    }

    private static func isFresh(_ seen: Seen, _ now: UInt64) -> Bool {
        now < seen.since || now - seen.since < Self.pause
    }
}

extension CloseReason {
    /// Whether whoever runs this end can mend what a stranger was turned away for; scans and checks of health are none.
    package var isWorthALook: Bool {
        switch self {
        case .denied, .violation, .rejected: true
        case .finished, .redirected, .timedOut, .carrierLost, .cutOff, .shutdown: false
        }
    }
}
