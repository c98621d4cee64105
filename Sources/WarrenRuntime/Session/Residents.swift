// SPDX-License-Identifier: Apache-2.0

package import NIOCore
import WarrenCore

/// The sessions and relays that live on one event loop: counted for the drain, swept for idleness, listed for people.
///
/// One per loop, used on that loop only.
package final class Residents {
    package struct Ticket: Hashable {
        fileprivate let number: Int
    }

    private var relays: [Int: Relay] = [:]
    private var sessions: [ObjectIdentifier: (number: Int, session: any Session)] = [:]
    private var lastTicket = 0
    /// No new streams: the process is on its way out.
    package private(set) var isDraining = false
    private var whenEmpty: (() -> Void)?
    /// Numbers are unique among all loops: each has its own remainder.
    private let remainder: Int
    private let loops: Int

    package init(remainder: Int = 0, of loops: Int = 1) {
        self.remainder = remainder
        self.loops = loops
    }

    package var relayCount: Int { self.relays.count }
    package var sessionCount: Int { self.sessions.count }

    private func nextNumber() -> Int {
        self.lastTicket += 1
        return self.lastTicket * self.loops + self.remainder
    }

    package func insert(_ relay: Relay) -> Ticket {
        let number = self.nextNumber()
        self.relays[number] = relay
        return Ticket(number: number)
    }

    package func remove(_ ticket: Ticket) {
        self.relays[ticket.number] = nil
        self.checkEmpty()
    }

    package func insert(_ session: any Session) {
        self.sessions[ObjectIdentifier(session)] = (self.nextNumber(), session)
    }

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
        for entry in self.sessions.values { entry.session.shutDown(.shutdown) }
    }

    /// Looks after units that are on their way out.
    ///
    /// - Parameter evicts: ends what is left of them.
    /// - Returns: streams that they have.
    package func settle(_ units: Set<ObjectIdentifier>, evicts: Bool) -> Int {
        let relays = self.relays.values.filter { relay in
            relay.opening?.units.contains { units.contains(ObjectIdentifier($0)) } ?? false
        }
        guard evicts else { return relays.count }
        for relay in relays { relay.cancel(.shutdown) }
        for entry in self.sessions.values {
            guard let unit = entry.session.place?.unit, units.contains(ObjectIdentifier(unit)) else { continue }
            entry.session.shutDown(.shutdown)
        }
        return relays.count
    }

    private func checkEmpty() {
        guard self.relays.isEmpty, let whenEmpty else { return }
        self.whenEmpty = nil
        whenEmpty()
    }
}

@available(*, unavailable)
extension Residents: Sendable {}

// MARK: - For people

extension Residents {
    /// Every stream as it is now.
    package func streams() -> [StreamStatus] {
        self.relays.compactMap { number, relay in relay.opening.map { StreamStatus(number, relay, $0) } }
    }

    /// Every session that carries streams of many.
    package func tunnels() -> [SessionStatus] {
        self.sessions.values.compactMap { number, session in session.place.map { SessionStatus(number, session, $0) } }
    }

    /// How many streams belong to units.
    package func streamsOfUnits() -> [ObjectIdentifier: Int] {
        self.relays.values.reduce(into: [:]) { counts, relay in
            for unit in relay.opening?.units ?? [] { counts[ObjectIdentifier(unit), default: 0] += 1 }
        }
    }

    /// Ends a stream, or a session and all its streams.
    ///
    /// - Returns: false if there is none of that number here.
    package func kill(_ id: LivingID) -> Bool {
        switch id {
        case .stream(let number):
            guard let relay = self.relays[number] else { return false }
            relay.cancel(.aborted)
        case .session(let number):
            guard let entry = self.sessions.values.first(where: { $0.number == number }) else { return false }
            entry.session.shutDown(.shutdown)
        }
        return true
    }
}
