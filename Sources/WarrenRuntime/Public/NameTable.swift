// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Synchronization
import WarrenCore
import WarrenLoop

/// Which device serves which public name and port. Asked on any loop.
///
/// A name is served with all that is under it; `*.name` leaves the name itself out. The longest name that fits has a visitor.
package final class NameTable: Sendable {
    /// What becomes of a name that another device serves already.
    package enum Duplicates: String, Sendable, CaseIterable {
        /// It stays with the first.
        case reject
        /// It goes to the last, and back when that has gone.
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

    /// Who takes a visitor.
    enum Found {
        case device(Holder)
        /// Somebody has served it, and nobody does now.
        case offline
        case unknown
    }

    /// The last holder comes first; those before it have their turn again when it goes.
    private struct Entry {
        var holders: [Holder] = []
        var turn = 0

        func has(_ session: any Session) -> Bool { self.holders.contains { $0.isSame(session) } }

        /// Whether only this device is there, if any is.
        func isOf(_ device: String) -> Bool { self.holders.allSatisfy { $0.device == device } }
    }

    private struct State {
        var names: [String: Entry] = [:]
        var ports: [UInt16: Entry] = [:]
        /// Names that were served and are not now.
        var offline: Set<String> = []
        var watchers: [ObjectIdentifier: @Sendable (UInt16) -> Void] = [:]
        /// Since when something is served, or nothing.
        var since = NIODeadline.now()

        var isEmpty: Bool { self.names.isEmpty && self.ports.isEmpty }

        /// Changes who serves what, and notes when the first came or the last went.
        mutating func change<Result>(_ body: (inout State) -> Result) -> Result {
            let wasEmpty = self.isEmpty
            let result = body(&self)
            if wasEmpty != self.isEmpty { self.since = .now() }
            return result
        }
    }

    private static let mostOffline = 4096
    private let duplicates: Duplicates
    private let state = Mutex(State())

    package init(_ duplicates: Duplicates) { self.duplicates = duplicates }

    /// - Returns: false where it stays with another device.
    func serve(_ destination: Destination, by holder: Holder) -> Bool {
        guard case .service(let name, let port) = destination else { return false }
        return name.isEmpty ? self.serve(port, by: holder) : self.serve(name, by: holder)
    }

    private func serve(_ name: String, by holder: Holder) -> Bool {
        self.state.withLock {
            $0.change { state in
                var entry = state.names[name] ?? Entry()
                guard self.duplicates != .reject || entry.isOf(holder.device) else { return false }
                state.offline.remove(name)
                entry.holders.append(holder)
                state.names[name] = entry
                return true
            }
        }
    }

    private func serve(_ port: UInt16, by holder: Holder) -> Bool {
        let watchers = self.state.withLock {
            $0.change { state -> [@Sendable (UInt16) -> Void]? in
                var entry = state.ports[port] ?? Entry()
                // Whoever reaches a port says nothing by which visitors could be told apart.
                guard self.duplicates == .replace || entry.isOf(holder.device) else { return nil }
                let isNew = entry.holders.isEmpty
                entry.holders.append(holder)
                state.ports[port] = entry
                return isNew ? Array(state.watchers.values) : []
            }
        }
        for watcher in watchers ?? [] { watcher(port) }
        return watchers != nil
    }

    func withdraw(_ destination: Destination, by session: any Session) {
        guard case .service(let name, let port) = destination else { return }
        self.remove(names: [name], ports: [port], of: session)
    }

    /// The session is over: nothing is its any more.
    func leave(_ session: any Session) {
        let (names, ports) = self.state.withLock { state in
            (
                state.names.filter { $0.value.has(session) }.map(\.key),
                state.ports.filter { $0.value.has(session) }.map(\.key)
            )
        }
        self.remove(names: names, ports: ports, of: session)
    }

    private func remove(names: [String], ports: [UInt16], of session: any Session) {
        let (closed, watchers) = self.state.withLock {
            $0.change { state in
                for name in names {
                    guard var entry = state.names[name] else { continue }
                    entry.holders.removeAll { $0.isSame(session) }
                    state.names[name] = entry.holders.isEmpty ? nil : entry
                    guard entry.holders.isEmpty else { continue }
                    if state.offline.count >= Self.mostOffline { state.offline.removeAll() }
                    state.offline.insert(name)
                }
                var closed: [UInt16] = []
                for port in ports {
                    guard var entry = state.ports[port] else { continue }
                    entry.holders.removeAll { $0.isSame(session) }
                    state.ports[port] = entry.holders.isEmpty ? nil : entry
                    if entry.holders.isEmpty { closed.append(port) }
                }
                return (closed, Array(state.watchers.values))
            }
        }
        for port in closed { for watcher in watchers { watcher(port) } }
    }

    // MARK: Visitors

    func find(_ destination: Destination) -> Found {
        guard case .service(let name, let port) = destination else { return .unknown }
        return self.state.withLock { state in
            if name.isEmpty { return state.ports[port]?.holders.last.map { .device($0) } ?? .unknown }
            for candidate in Self.candidates(for: name) {
                if let holder = self.next(&state.names[candidate]) { return .device(holder) }
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

    /// The last one, or where visitors are spread the last one of each device in turn.
    private func next(_ entry: inout Entry?) -> Holder? {
        guard let known = entry, let last = known.holders.last else { return nil }
        guard self.duplicates == .balance else { return last }
        var devices: [Holder] = []
        for holder in known.holders.reversed() where !devices.contains(where: { $0.device == holder.device }) {
            devices.append(holder)
        }
        entry?.turn = (known.turn + 1) % devices.count
        return devices[known.turn % devices.count]
    }

    // MARK: For people, and for ports

    package var names: [String] { self.state.withLock { $0.names.keys.sorted() } }

    /// Whether anything is served, and since when that is so.
    var condition: (isEmpty: Bool, since: NIODeadline) { self.state.withLock { ($0.isEmpty, $0.since) } }

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
