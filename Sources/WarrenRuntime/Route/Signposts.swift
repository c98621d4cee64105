// SPDX-License-Identifier: Apache-2.0

/// The rules of an inbound, and which of its ways lead to the destination without a hop between.
package struct Signposts {
    /// In order; what none of them names goes the last way.
    package let rules: [RouteRule]
    package let lastIsDirect: Bool
    /// The names of outbounds.
    private let direct: Set<String>

    init(_ rules: [RouteRule] = [], _ outbounds: [String: any Outbound] = [:], last: any Outbound) {
        self.rules = rules
        self.lastIsDirect = last is DirectOutbound
        self.direct = Set(outbounds.filter { $0.value is DirectOutbound }.keys)
    }

    /// Whether all that the rule may choose from is.
    package func isDirect(_ rule: RouteRule) -> Bool {
        guard case .outbounds(let names, _) = rule.target else { return false }
        return names.allSatisfy { self.direct.contains($0) }
    }
}
