// SPDX-License-Identifier: Apache-2.0

package import WarrenRuntime

extension Section {
    /// What `limits:` of an inbound says, and those of its users.
    package func accountPlan() -> Accounts.Plan {
        var plan = Accounts.Plan()
        if let limits = self.section("limits") {
            plan.all = limits.accountLimits()
            if let perUser = limits.section("perUser") { plan.perUser = perUser.accountLimits() }
        }
        // A folder of keys says nothing of limits.
        if !self.isSample {
            guard self.contains("users"), case .map = self.node("users")?.content else { return plan }
        }
        for (name, section) in self.sections("users", isReported: true) ?? [] {
            guard let limits = section.section("limits") else { continue }
            plan.users[name.value] = limits.accountLimits()
        }
        return plan
    }

    /// Reads `{ streams, streamsPerSecond, up, down, total }`.
    private func accountLimits() -> AccountLimits {
        var limits = AccountLimits()
        let count = ValueKind.int(in: 1...1_000_000_000)
        limits.streams = self.optional("streams", count)
        limits.streamsPerSecond = self.optional("streamsPerSecond", count)
        limits.up = self.optional("up", .rate)
        limits.down = self.optional("down", .rate)
        limits.total = self.optional("total", .size)
        return limits
    }
}

extension ValueKind where Value == Int {
    /// Bytes per second: `64KiB`, `10MiB`; no less than can be kept to.
    fileprivate static var rate: Self {
        .scalar("bytes per second such as 10MiB") { text throws(Refusal) in
            let bytes = try Quantity.sum(of: text, units: Size.units, example: "64KiB or 10MiB")
            guard let rate = Int(exactly: bytes), rate >= 1024 else {
                throw Refusal("is too slow to be of use", hint: "write 1KiB or more")
            }
            return rate
        }
    }
}
