// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// Which address of a host is tried when (RFC 8305, "Happy Eyeballs" version 2), without sockets, clock or resolver.
///
/// ```
/// both families are asked ──first answer──> (50 ms for the preferred one) ──> connect
/// connect ──250 ms or a failure──> connect to the next, families in turn ──> first one up wins
/// ```
///
/// Commands only change it; ``next(now:)`` says what is to be done. Any order of commands is right, also what comes late.
struct AddressRace {
    enum Step: Hashable {
        case connect(IPAddress, attempt: Int)
        /// Everything was tried, or nothing was there. The last step.
        case fail(StreamFault)
    }

    private static let resolutionDelay = TimeAmount.milliseconds(50)
    private static let connectionDelay = TimeAmount.milliseconds(250)

    private let prefer: IPAddress.Family
    private let insistence: Insistence?
    private var known: [IPAddress] = []
    /// Families whose answer is due.
    private var asked: Set<IPAddress.Family> = []
    private var resolveBy: NIODeadline?
    private var line: AddressLine
    /// The other family's answer is there; the preferred one has until then.
    private var startAt: NIODeadline?
    private var hasStarted = false
    /// Few at a time, and one as a rule.
    private var underWay: [Int] = []
    private var attempts = 0
    /// While attempts are under way, when the next one may begin.
    private var nextAt: NIODeadline?
    private var firstStart: NIODeadline?
    private var lastStart: NIODeadline?
    private var fault: StreamFault?
    private var isOver = false

    /// Everything is tried once more while the tries that are under way are silent, so that a network that comes back is
    /// found at once: the system repeats a connect ever more seldom.
    struct Insistence {
        var pause: TimeAmount
        /// From the first try to the end of the race.
        var limit: TimeAmount
    }

    /// A race to one address.
    init(to address: IPAddress, insisting insistence: Insistence? = nil) {
        self.prefer = address.family
        self.line = AddressLine(first: address.family)
        self.line.append(address)
        self.hasStarted = true
        self.insistence = insistence
        self.known = [address]
    }

    /// A race to a name: both families are asked.
    ///
    /// - Parameter resolveBy: a resolver has no time limit of its own that could be relied on.
    init(prefer: IPAddress.Family, resolveBy: NIODeadline, insisting insistence: Insistence? = nil) {
        self.insistence = insistence
        self.prefer = prefer
        self.line = AddressLine(first: prefer)
        self.asked = [.v4, .v6]
        self.resolveBy = resolveBy
    }

    /// When `next` must be called though nothing has happened.
    var deadline: NIODeadline? {
        guard !self.isOver else { return nil }
        var first = self.insistAt ?? .distantFuture
        if let endAt { first = min(first, endAt) }
        if !self.asked.isEmpty, let resolveBy { first = min(first, resolveBy) }
        if !self.hasStarted, let startAt { first = min(first, startAt) }
        if !self.underWay.isEmpty, !self.line.isEmpty, let nextAt { first = min(first, nextAt) }
        return first == .distantFuture ? nil : first
    }

    /// - Parameters:
    ///   - addresses: those that may be tried.
    ///   - fault: why there are no others.
    mutating func resolved(
        _ family: IPAddress.Family, _ addresses: [IPAddress], _ fault: StreamFault?, now: NIODeadline
    ) {
        guard !self.isOver, self.asked.remove(family) != nil else { return }
        if let fault { self.note(fault) }
        for address in addresses { self.line.append(address) }
        if self.insistence != nil { self.known += addresses }
        guard !self.hasStarted else { return }
        if self.asked.isEmpty || (family == self.prefer && !self.line.isEmpty) {
            self.hasStarted = true
        } else if !self.line.isEmpty {
            self.startAt = now + Self.resolutionDelay
        }
    }

    /// An attempt has come to nothing: the next one need not wait.
    mutating func failed(_ attempt: Int, _ fault: StreamFault) {
        let before = self.underWay.count
        self.underWay.removeAll { $0 == attempt }
        guard self.underWay.count < before else { return }
        self.note(fault)
        self.nextAt = nil
    }

    /// An attempt is through, or the race is called off.
    mutating func end() { self.isOver = true }

    mutating func next(now: NIODeadline) -> Step? {
        guard !self.isOver else { return nil }
        if !self.asked.isEmpty, let resolveBy, resolveBy <= now {
            self.asked = []
            self.note(.timedOut)
            self.hasStarted = true
        }
        if !self.hasStarted, let startAt, startAt <= now { self.hasStarted = true }
        guard self.hasStarted else { return nil }
        if let endAt, endAt <= now { return self.fail(.timedOut) }
        if let insistAt, insistAt <= now {
            for address in self.known { self.line.append(address) }
            self.nextAt = now
        }
        if self.underWay.isEmpty || self.nextAt.map({ $0 <= now }) ?? true, let address = self.line.next() {
            self.attempts += 1
            self.underWay.append(self.attempts)
            self.nextAt = now + Self.connectionDelay
            self.lastStart = now
            if self.firstStart == nil { self.firstStart = now }
            return .connect(address, attempt: self.attempts)
        }
        guard self.underWay.isEmpty, self.asked.isEmpty, self.line.isEmpty else { return nil }
        return self.fail(.unknownHost)
    }

    /// - Parameter fault: what is said where nothing else is known.
    private mutating func fail(_ fault: StreamFault) -> Step {
        self.isOver = true
        return .fail(self.fault ?? fault)
    }

    /// When everything is tried once more.
    private var insistAt: NIODeadline? {
        guard let insistence, let lastStart, self.line.isEmpty, !self.underWay.isEmpty else { return nil }
        return lastStart + insistence.pause
    }

    private var endAt: NIODeadline? {
        guard let insistence, let firstStart else { return nil }
        return firstStart + insistence.limit
    }

    /// Keeps the fault that tells most: a "no" of the target says more than a way that could not be gone.
    private mutating func note(_ fault: StreamFault) {
        if let old = self.fault, old.tells >= fault.tells { return }
        self.fault = fault
    }
}

extension StreamFault {
    /// How much it says about a destination, compared with others.
    var tells: Int {
        switch self {
        case .refused: 5
        case .timedOut: 4
        case .notAllowed: 3
        case .unreachable: 2
        default: 1
        }
    }
}

/// Addresses to be tried, each family in its order, the families in turn. Without an allocation for a family of none.
private struct AddressLine {
    private var v4: ArraySlice<IPAddress> = []
    private var v6: ArraySlice<IPAddress> = []
    private var turn: IPAddress.Family

    init(first: IPAddress.Family) { self.turn = first }

    var isEmpty: Bool { self.v4.isEmpty && self.v6.isEmpty }

    mutating func append(_ address: IPAddress) {
        switch address.family {
        case .v4: self.v4.append(address)
        case .v6: self.v6.append(address)
        }
    }

    mutating func next() -> IPAddress? {
        let next =
            switch self.turn {
            case .v4: self.v4.popFirst() ?? self.v6.popFirst()
            case .v6: self.v6.popFirst() ?? self.v4.popFirst()
            }
        if let next { self.turn = next.family == .v4 ? .v6 : .v4 }
        return next
    }
}
