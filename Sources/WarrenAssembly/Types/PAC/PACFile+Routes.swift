// SPDX-License-Identifier: Apache-2.0

import WarrenCore
import WarrenRuntime
import WarrenWebSocks

extension WebSocks.PACFile {
    /// Some requests go through a proxy, all others directly.
    init(through proxy: [Way], _ rules: [EgressRule]) {
        self.init(rules.flatMap { Pattern.all(of: $0) }.map { Rule($0, proxy) })
    }

    /// `DIRECT` only for what the rules surely lead to `direct`. What depends on something else than the host, such as the
    /// user, goes through the proxy, which knows it.
    init(through proxy: [Way], following signposts: Signposts) {
        self.init(Self.rules(proxy, signposts))
    }

    private static func rules(_ proxy: [Way], _ signposts: Signposts) -> [Rule] {
        var rules: [Rule] = []
        for rule in signposts.rules where rule.network != .udp {
            let isSure = rule.users == nil && rule.ports == nil && !rule.resolves
            let ways = isSure && signposts.isDirect(rule) ? [Way.direct] : proxy
            guard let destinations = rule.destinations else { return rules + [Rule(.any, ways)] }
            for destination in destinations {
                // Some addresses are neither public nor private; browsers are told of no such thing.
                let isKnown = destination.port == nil && destination.subject != .class(.public)
                rules += Pattern.all(of: destination).map { Rule($0, isKnown ? ways : proxy) }
            }
            // Any name may have such an address.
            if rule.resolves { return rules + [Rule(.any, proxy)] }
        }
        return rules + [Rule(.any, signposts.lastIsDirect ? [.direct] : proxy)]
    }
}

extension WebSocks.PACFile.Pattern {
    /// What a rule names, whatever its port.
    fileprivate static func all(of rule: EgressRule) -> [Self] {
        switch rule.subject {
        case .host(let name): [.wildcard(name)]
        case .subdomains(let parent): [.wildcard("*." + parent)]
        case .network(let address, let length): [.network(address, length: length)]
        case .class(.private): Self.private
        case .class(.loopback): Self.loopback
        case .class: Self.networks(["0.0.0.0/0", "::/0"])
        }
    }

    private static let `private` = Self.networks([
        "10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "64:ff9b:1::/48",
    ])
    private static let loopback = Self.networks(["127.0.0.0/8", "::1"])

    private static func networks(_ texts: [String]) -> [Self] {
        texts.compactMap { text in
            guard case .network(let address, let length) = try? EgressRule(text).subject else { return nil }
            return .network(address, length: length)
        }
    }
}
