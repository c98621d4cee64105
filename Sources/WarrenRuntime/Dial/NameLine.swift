// SPDX-License-Identifier: Apache-2.0

import DequeModule
import NIOCore
import WarrenCore

/// The names that wait to be looked up by a bounded number of threads, as a value: who is next, who shares, who is told.
///
/// ```
/// asked ──kept answer──────────────────────────────────> known
/// asked ──> waiting ──begin──> under way ──answered────> told, and kept for a while
///              └── dropped by all who asked ──> gone      (under way: goes on, abandoned)
/// ```
///
/// Fair between askers: they take turns, and one may occupy another thread only as long as it occupies less than a third
/// of those that are free. So there is one for whoever has none, until very many hold all. Within an asker the domains
/// take turns, because dead names mostly have their dead servers in common.
struct NameLine: Sendable {
    struct Limits: Hashable, Sendable {
        /// Look-ups at the same time.
        var threads = 128
        /// Of these, such as somebody of one asker waits for: in all, and for one domain.
        var perAsker = 24
        var perDomain = 12
        /// The same with those that nobody waits for any more.
        var perDomainWithAbandoned = 24
        /// Tickets of all askers together; each may have as many as are left.
        var tickets = 4096
        /// Answers kept.
        var kept = 1024
        var keepsAddresses = TimeAmount.seconds(5)
        var keepsFailures = TimeAmount.seconds(2)
    }

    /// Stands for one who asked.
    struct Ticket: Hashable, Sendable { let number: UInt64 }

    enum Admission: Hashable {
        case known([IPAddress])
        case waiting(Ticket)
        case full
    }

    private struct Query {
        var tickets: [Ticket: Asker] = [:]
        /// How many tickets each asker has.
        var askers: [Asker: Int] = [:]
        /// Who occupies a thread with it; nil while it waits.
        var holder: Asker?
        let domain: Substring

        func isWaiting(for asker: Asker) -> Bool { self.holder == nil && self.askers[asker] != nil }
    }

    let limits: Limits
    private var queries: [HostName: Query] = [:]
    private var names: [Ticket: HostName] = [:]
    private var shares: [Asker: AskerShare] = [:]
    /// The askers with names that wait, the next one first.
    private var turns = Deque<Asker>()
    private var kept = KeptAnswers()
    private var lastTicket: UInt64 = 0
    private(set) var running = 0

    init(_ limits: Limits = Limits()) { self.limits = limits }

    /// Everything this holds besides kept answers, in numbers.
    var counts: (tickets: Int, queries: Int, askers: Int, turns: Int) {
        (self.names.count, self.queries.count, self.shares.count, self.turns.count)
    }

    // MARK: Asking

    mutating func ask(_ name: HostName, for asker: Asker, now: NIODeadline) -> Admission {
        if let addresses = self.kept.addresses(of: name, now: now) { return .known(addresses) }
        var share = self.shares[asker] ?? AskerShare()
        guard share.tickets < self.limits.tickets - self.names.count else { return .full }
        share.tickets += 1
        self.lastTicket += 1
        let ticket = Ticket(number: self.lastTicket)
        // Taken out while it changes, here as below: a second reference would make every change a copy.
        var query = self.queries.removeValue(forKey: name) ?? Query(domain: name.domain)
        self.names[ticket] = name
        query.tickets[ticket] = asker
        query.askers[asker, default: 0] += 1
        self.shares[asker] = share
        if let holder = query.holder {
            if query.tickets.count == 1 { self.shares[holder]?.resume(query.domain) }
        } else if query.askers[asker] == 1, self.shares[asker]?.wait(name, query.domain) == true {
            self.turns.append(asker)
        }
        self.queries[name] = query
        return .waiting(ticket)
    }

    /// Whoever had this ticket waits no more.
    mutating func drop(_ ticket: Ticket) {
        guard let name = self.names.removeValue(forKey: ticket), var query = self.queries.removeValue(forKey: name),
            let asker = query.tickets.removeValue(forKey: ticket)
        else { return }
        self.shares[asker]?.tickets -= 1
        let left = (query.askers[asker] ?? 1) - 1
        query.askers[asker] = left > 0 ? left : nil
        if let holder = query.holder {
            if query.tickets.isEmpty { self.shares[holder]?.abandon(query.domain) }
        } else if left == 0 {
            let queries = self.queries
            self.shares[asker]?.forget(query.domain) { queries[$0]?.isWaiting(for: asker) == true }
        }
        if !query.tickets.isEmpty || query.holder != nil { self.queries[name] = query }
        self.clear(asker)
        if self.turns.count > 2 * self.names.count + 64 { self.clearTurns() }
    }

    /// Leaves out those who wait for nothing any more: with all threads busy no turn comes that would.
    private mutating func clearTurns() {
        let turns = self.turns
        self.turns.removeAll()
        for asker in turns {
            if self.shares[asker]?.isWaiting == true {
                self.turns.append(asker)
            } else {
                self.shares[asker]?.isInTurn = false
                self.clear(asker)
            }
        }
    }

    // MARK: Looking up

    /// The name that is to be looked up next; nil if there is none or no thread for it.
    mutating func begin() -> HostName? {
        guard self.running < self.limits.threads else { return nil }
        for _ in 0..<self.turns.count {
            guard let asker = self.turns.popFirst() else { return nil }
            let name = self.takeName(of: asker)
            if self.shares[asker]?.isWaiting == true {
                self.turns.append(asker)
            } else {
                self.shares[asker]?.isInTurn = false
                self.clear(asker)
            }
            if let name { return name }
        }
        return nil
    }

    private mutating func takeName(of asker: Asker) -> HostName? {
        guard var share = self.shares.removeValue(forKey: asker) else { return nil }
        let name = self.takeName(of: asker, &share)
        self.shares[asker] = share
        return name
    }

    private mutating func takeName(of asker: Asker, _ share: inout AskerShare) -> HostName? {
        let free = self.limits.threads - self.running
        guard 3 * share.occupied < free, share.live < self.limits.perAsker else { return nil }
        let taken = share.take(self.limits) { self.queries[$0]?.isWaiting(for: asker) == true }
        guard let name = taken, var query = self.queries.removeValue(forKey: name) else { return nil }
        // It leaves the lines of the others who wait for it, too.
        for other in query.askers.keys where other != asker { self.shares[other]?.left(query.domain) }
        query.holder = asker
        self.queries[name] = query
        self.running += 1
        return name
    }

    /// A look-up has ended.
    ///
    /// - Parameter result: kept if there are addresses, or none; a fault is only told.
    /// - Returns: whom to tell.
    mutating func answered(_ name: HostName, _ result: Result<[IPAddress], StreamFault>, now: NIODeadline) -> [Ticket] {
        guard let query = self.queries[name], let holder = query.holder else { return [] }
        self.queries[name] = nil
        self.running -= 1
        self.shares[holder]?.end(query.domain, wasAbandoned: query.tickets.isEmpty)
        for (ticket, asker) in query.tickets {
            self.names[ticket] = nil
            self.shares[asker]?.tickets -= 1
        }
        for asker in query.askers.keys { self.clear(asker) }
        self.clear(holder)
        if case .success(let addresses) = result {
            let time = addresses.isEmpty ? self.limits.keepsFailures : self.limits.keepsAddresses
            self.kept.keep(addresses, of: name, until: now + time, now: now, most: self.limits.kept)
        }
        return query.tickets.keys.sorted { $0.number < $1.number }
    }

    /// An asker with nothing here is forgotten.
    private mutating func clear(_ asker: Asker) {
        if self.shares[asker]?.isIdle == true { self.shares[asker] = nil }
    }
}

extension HostName {
    /// The last two labels: names that share these mostly share their servers.
    fileprivate var domain: Substring {
        guard let last = self.text.lastIndex(of: ".") else { return self.text[...] }
        let rest = self.text[..<last]
        guard let dot = rest.lastIndex(of: ".") else { return self.text[...] }
        return self.text[self.text.index(after: dot)...]
    }
}
