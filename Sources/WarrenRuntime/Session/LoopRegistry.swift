// SPDX-License-Identifier: Apache-2.0

package import NIOCore
import WarrenCore

/// The sessions and bridges that live on one event loop: counted for the drain, swept for idleness, listed for people.
///
/// One per loop, used on that loop only.
package final class LoopRegistry {
    package struct Ticket: Hashable {
        fileprivate let number: Int
    }

    private var bridges: [Int: Bridge] = [:]
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

    package var bridgeCount: Int { self.bridges.count }
    package var sessionCount: Int { self.sessions.count }

    private func nextNumber() -> Int {
        self.lastTicket += 1
        return self.lastTicket * self.loops + self.remainder
    }

    package func insert(_ bridge: Bridge) -> Ticket {
        let number = self.nextNumber()
        self.bridges[number] = bridge
        return Ticket(number: number)
    }

    package func remove(_ ticket: Ticket) {
        self.bridges[ticket.number] = nil
        self.checkEmpty()
    }

    package func insert(_ session: any Session) {
        self.sessions[ObjectIdentifier(session)] = (self.nextNumber(), session)
    }

    package func remove(_ session: any Session) { self.sessions[ObjectIdentifier(session)] = nil }

    /// Ends bridges on which nothing has moved since `moment`.
    package func sweep(idleSince moment: NIODeadline) {
        for bridge in self.bridges.values where bridge.isIdle(since: moment) { bridge.cancel(.idle) }
    }

    /// From now on no new streams; `whenEmpty` is called when the last bridge has ended, but for connections made in advance.
    package func drain(whenEmpty: @escaping () -> Void) {
        self.isDraining = true
        self.whenEmpty = whenEmpty
        self.checkEmpty()
    }

    /// Ends everything that is left, at once.
    package func evict() {
        for bridge in self.bridges.values { bridge.cancel(.shutdown) }
        for entry in self.sessions.values { entry.session.shutDown(.shutdown) }
    }

    /// Looks after units that are on their way out. A session of theirs that is up and has nothing to do ends, so that its far
    /// end makes one with the unit that has come.
    ///
    /// - Parameter evicts: ends what is left of them.
    /// - Returns: zero when nothing of theirs is under way.
    package func settle(_ units: Set<ObjectIdentifier>, evicts: Bool) -> Int {
        let bridges = self.bridges.values.filter { bridge in
            bridge.opening?.units.contains { units.contains(ObjectIdentifier($0)) } ?? false
        }
        let sessions = self.sessions.values.map(\.session).filter { session in
            session.unit.map { units.contains(ObjectIdentifier($0)) } ?? false
        }
        guard evicts else { return bridges.count + Self.busy(sessions) }
        for bridge in bridges { bridge.cancel(.shutdown) }
        for session in sessions where session.label != nil { session.shutDown(.shutdown) }
        return bridges.count
    }

    /// Ends those that are idle.
    ///
    /// - Returns: how many have streams, or are opening one.
    private static func busy(_ sessions: [any Session]) -> Int {
        sessions.count { session in
            guard let label = session.label else { return session.isOpening }
            if session.isReady, session.isIdle { session.shutDown(.shutdown) }
            return label.carriesConnections ? session.isOpening : !session.isIdle
        }
    }

    private func checkEmpty() {
        guard let whenEmpty, self.bridges.values.allSatisfy(\.waitsForUse) else { return }
        self.whenEmpty = nil
        whenEmpty()
    }
}

@available(*, unavailable)
extension LoopRegistry: Sendable {}

// MARK: - For people

extension LoopRegistry {
    /// Every stream as it is now. What a tunnel hands on to be accepted is one only where it was accepted.
    package func streams() -> [StreamStatus] {
        self.bridges.compactMap { number, bridge in
            bridge.opening.flatMap { $0.source == nil ? nil : StreamStatus(number, bridge, $0) }
        }
    }

    /// Every session that carries streams of many.
    package func tunnels() -> [SessionStatus] {
        self.sessions.values.compactMap { number, session in session.label.map { SessionStatus(number, session, $0) } }
    }

    /// How many streams belong to units.
    package func streamsOfUnits() -> [ObjectIdentifier: Int] {
        self.bridges.values.reduce(into: [:]) { counts, bridge in
            for unit in bridge.opening?.units ?? [] { counts[ObjectIdentifier(unit), default: 0] += 1 }
        }
    }

    /// Ends a stream, or a session and all its streams.
    ///
    /// - Returns: false if there is none of that number here.
    package func kill(_ id: LivingID) -> Bool {
        switch id {
        case .stream(let number):
            guard let bridge = self.bridges[number] else { return false }
            bridge.cancel(.aborted)
        case .session(let number):
            guard let entry = self.sessions.values.first(where: { $0.number == number }) else { return false }
            entry.session.shutDown(.shutdown)
        }
        return true
    }
}
