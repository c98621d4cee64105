// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Synchronization
import WarrenCore

/// Which device serves which public name and port. Asked on any loop.
///
/// A name is served with all that is under it; `*.name` leaves the name itself out. The longest name that fits has a visitor.
package final class NameTable: Sendable {
    /// What becomes of a name that another device serves already.
    package enum Duplicates: String, Sendable, CaseIterable {
        /// It stays with the first.
        case reject
        /// It goes to the last.
        case replace
        /// Visitors are spread over all; a port stays with the first.
        case balance
    }

    /// A device's session, which is used on its loop only.
    package struct Holder: @unchecked Sendable {
        // Sendable: whoever has one touches the session on `loop` only.
        let session: any Session
        let loop: SocketLoop
        /// Who it is, by its token: the same device may always take its own names over.
        let device: String

        fileprivate func isSame(_ other: any Session) -> Bool { self.session === other }
    }

    /// What came of a claim.
    enum Claimed {
        case served
        case withheld
        /// Served now, and no more by these.
        case takenFrom([Holder])
    }

    /// Who takes a visitor.
    enum Found {
        case device(Holder)
        /// Somebody has served it, and nobody does now.
        case offline
        case unknown
    }

    private struct Entry {
        var holders: [Holder]
        var turn = 0
    }

    private struct State {
        var names: [String: Entry] = [:]
        var ports: [UInt16: Holder] = [:]
        /// Names that were served and are not now.
        var offline: Set<String> = []
        var watchers: [ObjectIdentifier: @Sendable (UInt16) -> Void] = [:]
    }

    private static let mostOffline = 4096
    private let duplicates: Duplicates
    private let state = Mutex(State())

    package init(_ duplicates: Duplicates) { self.duplicates = duplicates }

    func serve(_ destination: Destination, by holder: Holder) -> Claimed {
        guard case .service(let name, let port) = destination else { return .withheld }
        return name.isEmpty ? self.serve(port, by: holder) : self.serve(name, by: holder)
    }

    private func serve(_ name: String, by holder: Holder) -> Claimed {
        self.state.withLock { state in
            state.offline.remove(name)
            guard var entry = state.names[name] else {
                state.names[name] = Entry(holders: [holder])
                return .served
            }
            let own = entry.holders.filter { $0.device == holder.device }
            let others = entry.holders.filter { $0.device != holder.device }
            guard others.isEmpty || self.duplicates != .reject else { return .withheld }
            let keeps = self.duplicates == .balance
            entry.holders = (keeps ? entry.holders : []) + [holder]
            state.names[name] = entry
            let left = keeps ? [] : own + others
            return left.isEmpty ? .served : .takenFrom(left)
        }
    }

    private func serve(_ port: UInt16, by holder: Holder) -> Claimed {
        let (claimed, watchers) = self.state.withLock { state -> (Claimed, [@Sendable (UInt16) -> Void]) in
            guard let before = state.ports[port] else {
                state.ports[port] = holder
                return (.served, Array(state.watchers.values))
            }
            guard before.device == holder.device || self.duplicates == .replace else { return (.withheld, []) }
            state.ports[port] = holder
            return (.takenFrom([before]), [])
        }
        for watcher in watchers { watcher(port) }
        return claimed
    }

    func withdraw(_ destination: Destination, by session: any Session) {
        guard case .service(let name, let port) = destination else { return }
        self.remove(names: [name], ports: [port], of: session)
    }

    /// The session is over: nothing is its any more.
    func leave(_ session: any Session) {
        let (names, ports) = self.state.withLock { state in
            (
                state.names.filter { $0.value.holders.contains { $0.isSame(session) } }.map(\.key),
                state.ports.filter { $0.value.isSame(session) }.map(\.key)
            )
        }
        self.remove(names: names, ports: ports, of: session)
    }

    private func remove(names: [String], ports: [UInt16], of session: any Session) {
        let (closed, watchers) = self.state.withLock { state in
            for name in names {
                guard var entry = state.names[name] else { continue }
                entry.holders.removeAll { $0.isSame(session) }
                state.names[name] = entry.holders.isEmpty ? nil : entry
                guard entry.holders.isEmpty else { continue }
                if state.offline.count >= Self.mostOffline { state.offline.removeAll() }
                state.offline.insert(name)
            }
            let own = ports.filter { state.ports[$0]?.isSame(session) == true }
            for port in own { state.ports[port] = nil }
            return (own, Array(state.watchers.values))
        }
        for port in closed { for watcher in watchers { watcher(port) } }
    }

    // MARK: Visitors

    func find(_ destination: Destination) -> Found {
        guard case .service(let name, let port) = destination else { return .unknown }
        return self.state.withLock { state in
            if name.isEmpty { return state.ports[port].map { .device($0) } ?? .unknown }
            for candidate in Self.candidates(for: name) {
                if let holder = Self.next(&state.names[candidate]) { return .device(holder) }
                if state.offline.contains(candidate) { return .offline }
            }
            return .unknown
        }
    }

    /// The name, then `*.parent` and `parent` for each of its parents.
    private static func candidates(for name: String) -> [String] {
        var all = [name]
        var rest = name[...]
        while let dot = rest.firstIndex(of: "."), all.count < 2 * 127 {
            rest = rest[rest.index(after: dot)...]
            all.append("*.\(rest)")
            all.append(String(rest))
        }
        return all
    }

    private static func next(_ entry: inout Entry?) -> Holder? {
        guard let known = entry, !known.holders.isEmpty else { return nil }
        entry?.turn = (known.turn + 1) % known.holders.count
        return known.holders[known.turn % known.holders.count]
    }

    // MARK: For people, and for ports

    package var names: [String] { self.state.withLock { $0.names.keys.sorted() } }

    func servesPort(_ port: UInt16) -> Bool { self.state.withLock { $0.ports[port] != nil } }

    /// Tells of each port that is served, or is not any more, and of those that are so already. On any thread, in any order:
    /// whoever is told asks how it is.
    func watchPorts(_ watcher: AnyObject, _ tell: @escaping @Sendable (UInt16) -> Void) {
        let id = ObjectIdentifier(watcher)
        let known = self.state.withLock { state in
            state.watchers[id] = tell
            return Array(state.ports.keys)
        }
        for port in known { tell(port) }
    }

    func unwatchPorts(_ watcher: AnyObject) {
        let id = ObjectIdentifier(watcher)
        self.state.withLock { $0.watchers[id] = nil }
    }
}
