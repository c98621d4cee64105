// SPDX-License-Identifier: Apache-2.0

package import NIOCore
import WarrenCore

/// The sessions and relays that live on one event loop: counted for the drain, swept for idleness.
///
/// One per loop, used on that loop only.
package final class Residents {
    package struct Ticket: Hashable {
        fileprivate let number: Int
    }

    private var relays: [Int: Relay] = [:]
    private var sessions: [ObjectIdentifier: any Session] = [:]
    private var lastTicket = 0
    /// No new streams: the process is on its way out.
    package private(set) var isDraining = false
    private var whenEmpty: (() -> Void)?

    package init() {}

    package var relayCount: Int { self.relays.count }
    package var sessionCount: Int { self.sessions.count }

    package func insert(_ relay: Relay) -> Ticket {
        self.lastTicket += 1
        self.relays[self.lastTicket] = relay
        return Ticket(number: self.lastTicket)
    }

    package func remove(_ ticket: Ticket) {
        self.relays[ticket.number] = nil
        self.checkEmpty()
    }

    package func insert(_ session: any Session) { self.sessions[ObjectIdentifier(session)] = session }

    package func remove(_ session: any Session) { self.sessions[ObjectIdentifier(session)] = nil }

    /// Ends relays on which nothing has moved since `moment`.
    package func sweep(idleSince moment: NIODeadline) {
        for relay in self.relays.values where relay.isIdle(since: moment) { relay.cancel(.idle) }
    }

    /// From now on no new streams; `whenEmpty` is called when the last relay has ended.
    package func drain(whenEmpty: @escaping () -> Void) {
        self.isDraining = true
        self.whenEmpty = whenEmpty
        self.checkEmpty()
    }

    /// Ends everything that is left, at once.
    package func evict() {
        for relay in self.relays.values { relay.cancel(.shutdown) }
        for session in self.sessions.values { session.shutDown(.shutdown) }
    }

    private func checkEmpty() {
        guard self.relays.isEmpty, let whenEmpty else { return }
        self.whenEmpty = nil
        whenEmpty()
    }
}

@available(*, unavailable)
extension Residents: Sendable {}
