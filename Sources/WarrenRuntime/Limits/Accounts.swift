// SPDX-License-Identifier: Apache-2.0

package import NIOCore
import Synchronization

/// The accounts of one inbound: that of all, and those of its users.
package final class Accounts: Sendable {
    package struct Plan: Hashable, Sendable {
        package var all = AccountLimits()
        /// For each user who has none of its own, and together for those without a name.
        package var perUser = AccountLimits()
        package var users: [String: AccountLimits] = [:]

        package init() {}

        var isEmpty: Bool { self.all.isEmpty && self.perUser.isEmpty && self.users.values.allSatisfy(\.isEmpty) }

        func limits(of user: String?) -> AccountLimits { user.flatMap { self.users[$0] } ?? self.perUser }
    }

    /// Users whose judge takes any name must not fill the memory.
    private static let mostUsers = 100_000

    private struct State {
        var plan: Plan
        var all: Account
        var users: [String?: Account] = [:]
    }

    private let state: Mutex<State>
    private let active: Atomic<Bool>

    package init(_ plan: Plan = Plan(), now: NIODeadline = .now()) {
        self.state = Mutex(State(plan: plan, all: Account(plan.all, now: now)))
        self.active = Atomic(!plan.isEmpty)
    }

    /// False where nothing is limited, so that nothing is counted.
    var isActive: Bool { self.active.load(ordering: .relaxed) }

    /// For streams from now on, and for the rates of those that are counted already.
    package func exchange(_ plan: Plan) {
        self.active.store(!plan.isEmpty, ordering: .relaxed)
        self.state.withLock { state in
            guard plan != state.plan else { return }
            state.plan = plan
            state.all.allow(plan.all)
            for (user, account) in state.users { account.allow(plan.limits(of: user)) }
        }
    }

    /// What a stream of this user is charged to.
    func of(_ user: String?, now: NIODeadline) -> [Account] {
        self.state.withLock { state in
            var accounts = state.plan.all.isEmpty ? [] : [state.all]
            let limits = state.plan.limits(of: user)
            guard !limits.isEmpty else { return accounts }
            if let known = state.users[user] { return accounts + [known] }
            if state.users.count >= Self.mostUsers { state.users = state.users.filter { $0.value.streams > 0 } }
            let made = Account(limits, now: now)
            state.users[user] = made
            accounts.append(made)
            return accounts
        }
    }
}

/// What one stream is charged to.
package final class StreamMeter: Sendable {
    private let accounts: [Account]
    private let isCounted = Atomic<Bool>(false)
    private static let steps = (4 << 10)...(128 << 10)

    init(_ accounts: [Account]) { self.accounts = accounts }

    /// How much is read at once in a direction, so that its rate is even: a twentieth of a second's worth. Nil without a rate.
    func step(up: Bool) -> Int? {
        let rate = self.accounts.compactMap { $0.rate(up: up) }.min()
        return rate.map { min(max($0 / 20, Self.steps.lowerBound), Self.steps.upperBound) }
    }

    /// Counts bytes that have come.
    ///
    /// - Parameter booked: so many of them are paid for already.
    func take(_ count: Int, booked: Int, up: Bool, now: NIODeadline) {
        for account in self.accounts { account.take(count, booked: booked, up: up, now: now) }
    }

    /// Pays for bytes that are to be read next; less than nothing to give back.
    ///
    /// - Returns: how long to wait before they are read; nil for not at all.
    func book(_ count: Int, up: Bool, now: NIODeadline) -> TimeAmount? {
        self.accounts.compactMap { $0.book(count, up: up, now: now) }.max()
    }

    /// - Returns: false where a limit is reached.
    func enter(now: NIODeadline) -> Bool {
        for (index, account) in self.accounts.enumerated() where !account.enter(now: now) {
            for earlier in self.accounts[..<index] { earlier.leave() }
            return false
        }
        self.isCounted.store(true, ordering: .relaxed)
        return true
    }

    /// The stream is over, or could not be had.
    func leave() {
        guard self.isCounted.exchange(false, ordering: .relaxed) else { return }
        for account in self.accounts { account.leave() }
    }

    /// - Parameter reserved: so many of them are paid for already.
}
