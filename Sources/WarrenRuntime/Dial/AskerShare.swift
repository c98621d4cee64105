// SPDX-License-Identifier: Apache-2.0

import DequeModule
import WarrenCore

/// What one asker has in a ``NameLine``: names that wait, a line for each domain, and threads that it occupies.
struct AskerShare: Sendable {
    private struct Domain {
        /// Some may have been dropped or begun since; they are left out when their turn comes.
        var names = Deque<HostName>()
        /// How many of the names do wait.
        var waiting = 0
        var live = 0
        var abandoned = 0
        var isInTurn = false

        var isIdle: Bool { self.waiting == 0 && self.live == 0 && self.abandoned == 0 }
    }

    var tickets = 0
    /// Stands among those who take turns.
    var isInTurn = false
    /// Threads with a name that somebody waits for.
    private(set) var live = 0
    private var abandoned = 0
    private var waiting = 0
    private var domains: [Substring: Domain] = [:]
    private var turns = Deque<Substring>()

    /// Threads in all.
    var occupied: Int { self.live + self.abandoned }
    var isWaiting: Bool { self.waiting > 0 }
    var isIdle: Bool { self.tickets == 0 && self.occupied == 0 && self.waiting == 0 && !self.isInTurn }

    /// - Returns: true if the asker must join those who take turns.
    mutating func wait(_ name: HostName, _ domain: Substring) -> Bool {
        self.waiting += 1
        self.change(domain) { line in
            line.names.append(name)
            line.waiting += 1
        }
        if self.domains[domain]?.isInTurn == false {
            self.domains[domain]?.isInTurn = true
            self.turns.append(domain)
        }
        defer { self.isInTurn = true }
        return !self.isInTurn
    }

    /// The next name of the next domain that may have one more thread; it is live from now on.
    mutating func take(_ limits: NameLine.Limits, _ isWaiting: (HostName) -> Bool) -> HostName? {
        for _ in 0..<self.turns.count {
            guard let domain = self.turns.popFirst(), var line = self.domains.removeValue(forKey: domain) else {
                continue
            }
            var taken: HostName?
            if line.live < limits.perDomain, line.live + line.abandoned < limits.perDomainWithAbandoned {
                while taken == nil, let name = line.names.popFirst() { if isWaiting(name) { taken = name } }
            }
            if taken != nil {
                line.waiting -= 1
                line.live += 1
                self.waiting -= 1
                self.live += 1
            }
            line.isInTurn = line.waiting > 0
            if line.isInTurn { self.turns.append(domain) } else { line.names.removeAll() }
            if !line.isIdle { self.domains[domain] = line }
            if let taken { return taken }
        }
        return nil
    }

    /// A name of this domain waits no more: another asker's thread looks it up.
    mutating func left(_ domain: Substring) {
        self.waiting -= 1
        self.change(domain) { $0.waiting -= 1 }
    }

    /// The same because nobody asks for it. Names that are gone must not fill the line of one who cannot take his turn.
    mutating func forget(_ domain: Substring, _ isWaiting: (HostName) -> Bool) {
        self.waiting -= 1
        self.change(domain) { line in
            line.waiting -= 1
            guard line.names.count > 2 * line.waiting + 32 else { return }
            var kept = Set<HostName>()
            line.names.removeAll { !isWaiting($0) || !kept.insert($0).inserted }
        }
        guard self.turns.count > 2 * self.waiting + 32 else { return }
        let turns = self.turns
        self.turns.removeAll()
        for domain in turns {
            let isWaiting = (self.domains[domain]?.waiting ?? 0) > 0
            if isWaiting { self.turns.append(domain) } else { self.change(domain) { $0.isInTurn = false } }
        }
    }

    /// Nobody waits any more for the name that a thread looks up.
    mutating func abandon(_ domain: Substring) {
        self.live -= 1
        self.abandoned += 1
        self.change(domain) { line in
            line.live -= 1
            line.abandoned += 1
        }
    }

    /// Somebody waits for it again.
    mutating func resume(_ domain: Substring) {
        self.live += 1
        self.abandoned -= 1
        self.change(domain) { line in
            line.live += 1
            line.abandoned -= 1
        }
    }

    /// A thread has done with a name.
    mutating func end(_ domain: Substring, wasAbandoned: Bool) {
        if !wasAbandoned { self.abandon(domain) }
        self.abandoned -= 1
        self.change(domain) { $0.abandoned -= 1 }
    }

    private mutating func change(_ domain: Substring, _ body: (inout Domain) -> Void) {
        var line = self.domains.removeValue(forKey: domain) ?? Domain()
        body(&line)
        // In turn it stays until its turn comes: the entry there must not be added twice.
        if !line.isIdle || line.isInTurn { self.domains[domain] = line }
    }
}
