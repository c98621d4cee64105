// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Synchronization
import WarrenCore
import WarrenLoop

/// Which device serves which public name and port. Asked on any loop.
///
/// A name is served with all that is under it; `*.name` leaves the name itself out. The longest name that fits has a visitor, also
/// while its device is away; one that was withdrawn leaves visitors to its parents.
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
        /// Which of its processes: sessions of one are lanes, and have visitors in turn. Nil for one that has no lanes.
        var instance: String?

        fileprivate func isSame(_ other: any Session) -> Bool { self.session === other }

        fileprivate func isLane(of other: Holder) -> Bool {
            self.isSame(other.session)
                || self.instance != nil && self.device == other.device && self.instance == other.instance
        }
    }

    /// Who takes a visitor.
    enum Found {
        case device(Holder)
        /// Somebody has served it, and nobody does since then, nor its parents, which are asked where it was given back.
        case offline(since: NIODeadline)
        case unknown
    }

    /// The last holder comes first; those before it have their turn again when it goes.
    private struct Entry {
        var holders: [Holder] = []
        var turn = UInt(0)

        /// Whether only this device is there, if any is.
        func isOf(_ device: String) -> Bool { self.holders.allSatisfy { $0.device == device } }

        mutating func add(_ holder: Holder) {
            self.remove(holder.session)
            self.holders.append(holder)
        }

        mutating func remove(_ session: any Session) { self.holders.removeAll { $0.isSame(session) } }
    }

    /// That nobody serves a name any more.
    private struct Absence {
        var since: NIODeadline
        /// It was withdrawn, so that nobody is expected back: visitors are its parents' as if it had never been there.
        var isGivenBack = false
        /// It was served elsewhere when it was last known: it is away from when that is first found not to be so any more.
        var isUnseen = false

        static var unseen: Self { Self(since: .uptimeNanoseconds(0), isUnseen: true) }
    }

    /// What one session serves.
    private struct Served {
        var names: Set<String> = []
        var ports: Set<UInt16> = []
    }

    private struct State {
        var names: [String: Entry] = [:]
        var ports: [UInt16: Entry] = [:]
        /// By session, so that whoever leaves costs what it has served.
        var served: [ObjectIdentifier: Served] = [:]
        /// Names that were served and are not now.
        var offline: [String: Absence] = [:]
        var watchers: [ObjectIdentifier: @Sendable (UInt16) -> Void] = [:]
        var watchersOfNames: [ObjectIdentifier: @Sendable (String) -> Void] = [:]
        /// Since when something is served, or nothing.
        var since = NIODeadline.now()

        var isEmpty: Bool { self.names.isEmpty && self.ports.isEmpty }

        mutating func remove(_ name: String, of session: any Session, isGivenBack: Bool) {
            guard var entry = self.names[name] else { return }
            entry.remove(session)
            self.names[name] = entry.holders.isEmpty ? nil : entry
            guard entry.holders.isEmpty else { return }
            if self.offline.count >= NameTable.mostOffline { self.offline.removeAll() }
            self.offline[name] = Absence(since: .now(), isGivenBack: isGivenBack)
        }

        /// - Returns: ports that nobody has any more.
        mutating func remove(_ served: Served, of session: any Session, isGivenBack: Bool) -> [UInt16] {
            for name in served.names { self.remove(name, of: session, isGivenBack: isGivenBack) }
            var closed: [UInt16] = []
            for port in served.ports where self.remove(port, of: session) { closed.append(port) }
            return closed
        }

        /// - Returns: whether nobody has the port any more.
        mutating func remove(_ port: UInt16, of session: any Session) -> Bool {
            guard var entry = self.ports[port] else { return false }
            entry.remove(session)
            self.ports[port] = entry.holders.isEmpty ? nil : entry
            return entry.holders.isEmpty
        }

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
        let watchers = self.state.withLock {
            $0.change { state -> [@Sendable (String) -> Void]? in
                var entry = state.names[name] ?? Entry()
                guard self.duplicates != .reject || entry.isOf(holder.device) else { return nil }
                state.offline[name] = nil
                entry.add(holder)
                state.names[name] = entry
                state.served[ObjectIdentifier(holder.session), default: Served()].names.insert(name)
                return Array(state.watchersOfNames.values)
            }
        }
        for watcher in watchers ?? [] { watcher(name) }
        return watchers != nil
    }

    private func serve(_ port: UInt16, by holder: Holder) -> Bool {
        let watchers = self.state.withLock {
            $0.change { state -> [@Sendable (UInt16) -> Void]? in
                var entry = state.ports[port] ?? Entry()
                // Whoever reaches a port says nothing by which visitors could be told apart.
                guard self.duplicates == .replace || entry.isOf(holder.device) else { return nil }
                let isNew = entry.holders.isEmpty
                entry.add(holder)
                state.ports[port] = entry
                state.served[ObjectIdentifier(holder.session), default: Served()].ports.insert(port)
                return isNew ? Array(state.watchers.values) : []
            }
        }
        for watcher in watchers ?? [] { watcher(port) }
        return watchers != nil
    }

    func withdraw(_ destination: Destination, by session: any Session) {
        guard case .service(let name, let port) = destination else { return }
        let closed = self.state.withLock {
            $0.change { state in
                let id = ObjectIdentifier(session)
                var left = state.served[id] ?? Served()
                // What it does not serve is nothing that it could withdraw.
                var gone = Served()
                if left.names.remove(name) != nil { gone.names = [name] }
                if name.isEmpty, left.ports.remove(port) != nil { gone.ports = [port] }
                state.served[id] = left.names.isEmpty && left.ports.isEmpty ? nil : left
                return state.remove(gone, of: session, isGivenBack: true)
            }
        }
        self.tell(of: closed)
    }

    /// The session is over: nothing is its any more.
    func leave(_ session: any Session) {
        let closed = self.state.withLock {
            $0.change { state in
                let served = state.served.removeValue(forKey: ObjectIdentifier(session))
                return state.remove(served ?? Served(), of: session, isGivenBack: false)
            }
        }
        self.tell(of: closed)
    }

    private func tell(of ports: [UInt16]) {
        guard !ports.isEmpty else { return }
        let watchers = self.state.withLock { Array($0.watchers.values) }
        for port in ports { for watcher in watchers { watcher(port) } }
    }

    /// Names that were served elsewhere will be served here.
    func expect(_ names: [String]) {
        self.state.withLock { state in
            for name in names.prefix(Self.mostOffline) { state.offline[name] = .unseen }
        }
    }

    // MARK: Visitors

    /// - Parameters:
    ///   - loop: where the visitor is: a lane there is better than one elsewhere.
    ///   - takesTurn: false where the visitor comes again.
    ///   - others: asked for what nobody serves here; none of them asks this one.
    func find(
        _ destination: Destination, from loop: SocketLoop? = nil, takesTurn: Bool = true,
        before others: [NameTable] = []
    ) -> Found {
        let visit = Visit(loop: loop, takesTurn: takesTurn)
        guard case .service(let name, let port) = destination else { return .unknown }
        return self.state.withLock { state in
            if name.isEmpty {
                let holder = self.next(on: port, &state, visit) ?? Self.first(of: others) { $0.holder(of: port, visit) }
                return holder.map { .device($0) } ?? .unknown
            }
            var givenBack: Absence?
            for candidate in Self.candidates(for: name) {
                let holder =
                    self.next(as: candidate, &state, visit)
                    ?? Self.first(of: others) { $0.holder(of: candidate, visit) }
                if let holder { return .device(holder) }
                guard let own = state.offline[candidate] else { continue }
                var absence = others.compactMap { $0.absence(of: candidate) }.reduce(own, Self.last)
                if absence.isUnseen {
                    absence = Absence(since: .now())
                    state.offline[candidate] = absence
                }
                guard absence.isGivenBack else { return .offline(since: absence.since) }
                givenBack = givenBack.map { Self.last($0, absence) } ?? absence
            }
            return givenBack.map { .offline(since: $0.since) } ?? .unknown
        }
    }

    /// Asks each table once at most, as an answer takes a turn: a lazy sequence would ask again for what it has found.
    private static func first(of tables: [NameTable], _ holder: (NameTable) -> Holder?) -> Holder? {
        for table in tables {
            if let found = holder(table) { return found }
        }
        return nil
    }

    private func absence(of name: String) -> Absence? { self.state.withLock { $0.offline[name] } }

    private static func last(_ one: Absence, _ other: Absence) -> Absence { other.since > one.since ? other : one }

    private struct Visit {
        var loop: SocketLoop?
        var takesTurn: Bool
    }

    private func holder(of port: UInt16, _ visit: Visit) -> Holder? {
        self.state.withLock { self.next(on: port, &$0, visit) }
    }

    private func holder(of name: String, _ visit: Visit) -> Holder? {
        self.state.withLock { self.next(as: name, &$0, visit) }
    }

    /// A port is one device's, whatever is done with names.
    private func next(on port: UInt16, _ state: inout State, _ visit: Visit) -> Holder? {
        Self.next(&state.ports[port], balances: false, visit)
    }

    private func next(as name: String, _ state: inout State, _ visit: Visit) -> Holder? {
        Self.next(&state.names[name], balances: self.duplicates == .balance, visit)
    }

    /// The name, then `*.parent` and `parent` for each of its parents.
    static func candidates(for name: String) -> [String] {
        var all = [name]
        var rest = name[...]
        while let dot = rest.firstIndex(of: "."), all.count < 2 * 127 {
            rest = rest[rest.index(after: dot)...]
            all.append("*.\(rest)")
            all.append(String(rest))
        }
        return all
    }

    /// The last one, or where visitors are spread the last one of each device in turn; of its lanes one on the visitor's loop,
    /// or each in turn.
    private static func next(_ entry: inout Entry?, balances: Bool, _ visit: Visit) -> Holder? {
        guard let known = entry, let last = known.holders.last else { return nil }
        guard known.holders.count > 1 else { return last }
        var devices = [last]
        if balances {
            for holder in known.holders.reversed() where !devices.contains(where: { $0.device == holder.device }) {
                devices.append(holder)
            }
        }
        if visit.takesTurn { entry?.turn = known.turn &+ 1 }
        let chosen = devices[Int(known.turn % UInt(devices.count))]
        let lanes = known.holders.filter { $0.isLane(of: chosen) }
        if let near = lanes.first(where: { $0.loop === visit.loop }) { return near }
        return lanes.isEmpty ? chosen : lanes[Int(known.turn / UInt(devices.count) % UInt(lanes.count))]
    }

    // MARK: For people, and for ports

    package var names: [String] { self.state.withLock { $0.names.keys.sorted() } }

    /// Whether anything is served, and since when that is so.
    var condition: (isEmpty: Bool, since: NIODeadline) { self.state.withLock { ($0.isEmpty, $0.since) } }

    func servesPort(_ port: UInt16) -> Bool { self.state.withLock { $0.ports[port] != nil } }

    /// Tells of each name that a session serves from now on. On any thread.
    func watchNames(_ watcher: AnyObject, _ tell: @escaping @Sendable (String) -> Void) {
        let id = ObjectIdentifier(watcher)
        self.state.withLock { $0.watchersOfNames[id] = tell }
    }

    func unwatchNames(_ watcher: AnyObject) {
        let id = ObjectIdentifier(watcher)
        self.state.withLock { $0.watchersOfNames[id] = nil }
    }

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
