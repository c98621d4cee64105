// SPDX-License-Identifier: Apache-2.0

package import WarrenCore

/// Where clients may have `direct` connect to: what some `allow` rule names and no `deny` rule does.
///
/// Judged on the resolved address, so no name leads around it; the name only lets rules about names match.
package struct EgressPolicy: Hashable, Sendable {
    package var allow: [EgressRule]
    package var deny: [EgressRule]

    package init(allow: [EgressRule] = [.public], deny: [EgressRule] = []) {
        self.allow = allow
        self.deny = deny
    }

    /// For destinations that are the operator's own word.
    package static let everything = EgressPolicy(
        allow: [
            EgressRule(.network(IPAddress(v4: 0), length: 0)),
            EgressRule(.network(IPAddress(high: 0, low: 0), length: 0)),
        ]
    )

    package enum Judgement: Hashable, Sendable {
        case allowed
        case refused(EgressRefusal)
    }

    /// - Parameter name: what the client called the host; nil if it gave the address itself.
    package func judge(_ address: IPAddress, port: UInt16, name: String?) -> Judgement {
        let name = name.flatMap { HostName($0) }
        for rule in self.deny where rule.denies(address, port: port, name: name) {
            return .refused(EgressRefusal(address: address, port: port, rule: rule))
        }
        for rule in self.allow where rule.allows(address, port: port, name: name) { return .allowed }
        return .refused(EgressRefusal(address: address, port: port, rule: nil))
    }
}

/// The policy of everybody, and those of users who have one of their own.
package struct EgressPolicies: Hashable, Sendable {
    package var common: EgressPolicy
    package var users: [String: EgressPolicy]

    package init(_ common: EgressPolicy, users: [String: EgressPolicy] = [:]) {
        self.common = common
        self.users = users
    }

    /// - Parameter user: as whom the opener has logged in.
    package func of(_ user: String?) -> EgressPolicy { user.flatMap { self.users[$0] } ?? self.common }
}

/// Why a connection was not allowed, for the operator's log; a client learns only that it was not.
package struct EgressRefusal: Error, Hashable, Sendable {
    package let address: IPAddress
    package let port: UInt16
    /// The rule of `deny` that names it; nil if none of `allow` does.
    package let rule: EgressRule?
}

extension EgressRefusal: CustomStringConvertible {
    /// `169.254.169.254:80 is cloud metadata, which no allow rule names`, or `10.0.0.1:22 is denied by the rule
    /// 10.0.0.0/8`.
    package var description: String {
        let target = Destination.tcp(.address(self.address), port: self.port)
        if let rule { return "\(target) is denied by the rule \(rule)" }
        let reached = self.address.embedded.map { " (it stands for \($0.address))" } ?? ""
        return "\(target)\(reached) is \(AddressClass(self.address).rawValue), which no allow rule names"
    }
}
