// SPDX-License-Identifier: Apache-2.0

package import WarrenConfiguration
package import WarrenCore
import WarrenRuntime

extension Assembly {
    /// Reports names in `routes:` that nobody has.
    static func checkRoutes(_ configuration: Configuration, _ findings: Findings) {
        let inbounds = configuration.inbounds.map(\.name)
        let outbounds = configuration.outbounds.map(\.name) + [Entry.direct]
        for route in configuration.routes {
            for name in route.inbounds ?? [] where !inbounds.contains(name.value) {
                let hint = Nearest.hint("inbound", for: name.value, among: inbounds)
                findings.report("there is no inbound \(quoted(name.value))", at: name.place, hint: hint)
            }
            for name in route.to where name.value != Route.block && !outbounds.contains(name.value) {
                let hint = Nearest.hint("outbound", for: name.value, among: outbounds + [Route.block])
                findings.report("there is no outbound \(quoted(name.value))", at: name.place, hint: hint)
            }
        }
        for outbound in configuration.outbounds where outbound.name == Route.block && !configuration.routes.isEmpty {
            let hint = "choose another name for this outbound"
            findings.report("the word block has a meaning in routes", at: outbound.place, hint: hint)
        }
    }

    /// The rules that streams of an inbound may match, in order.
    static func rules(for inbound: String, _ routes: [Route]) -> [RouteRule] {
        routes.filter { $0.concerns(inbound) }.map(\.rule)
    }
}

// MARK: - Explaining

extension Assembly {
    /// Which rule a stream would meet, and what `egress` would say of it. Opens nothing.
    ///
    /// - Parameters:
    ///   - user: as whom the opener has logged in.
    ///   - addresses: those of the target's name; nil if it was not resolved.
    /// - Throws: what is wrong with the question; the sentence follows it.
    package func explain(
        inbound name: String, target text: String, user: String?, addresses: [IPAddress]? = nil
    ) throws(Refusal) -> String {
        guard let inbound = self.inbounds.first(where: { $0.entry.name == name }) else {
            let hint = Nearest.hint("inbound", for: name, among: self.inbounds.map(\.entry.name))
            throw Refusal("there is no inbound \(quoted(name))", hint: hint)
        }
        let target = try Target(parsing: text, defaultPort: nil)
        let destination = Destination.tcp(target.host, port: target.port)
        let stream = "\(destination)\(user.map { " as \($0)" } ?? "")"
        for rule in Self.rules(for: name, self.routes) {
            switch rule.match(destination, user: user, addresses: addresses) {
            case .no: continue
            case .mustResolve:
                return "\(stream): the rule at \(rule.place) asks for the address of \(target.host); add --resolve"
            case .yes: break
            }
            guard case .outbounds(let names, let balance) = rule.target else {
                return "\(stream) is blocked by the rule at \(rule.place)"
            }
            let how = names.count > 1 ? " (\(balance.rawValue))" : ""
            let way = "\(stream) goes to \(names.joined(separator: ", "))\(how) by the rule at \(rule.place)"
            return way + self.verdict(names, target, of: inbound, user, addresses)
        }
        let last = inbound.entry.to?.value ?? Entry.direct
        let place = inbound.entry.to?.place ?? inbound.entry.place
        let way = "\(stream) goes to \(last), its inbound's own at \(place)"
        return way + self.verdict([last], target, of: inbound, user, addresses)
    }

    /// What `egress` says where one of these outbounds leaves from here.
    private func verdict(
        _ outbounds: [String], _ target: Target, of inbound: Inbound, _ user: String?, _ addresses: [IPAddress]?
    ) -> String {
        let types = self.outbounds.filter { outbounds.contains($0.entry.name) }.map(\.entry.type)
        guard types.contains(Entry.direct) || outbounds.contains(Entry.direct) else { return "" }
        guard !inbound.draft.isTrusted else { return "; egress has no say, the target is your own word" }
        let egress = self.configuration.egress.of(user)
        switch target.host {
        case .address(let address): return "; " + egress.verdict(on: address, port: target.port, name: nil)
        case .name(let name):
            guard let addresses else { return "; egress judges the address of \(name) when it is known (--resolve)" }
            guard !addresses.isEmpty else { return "; \(name) has no address" }
            return addresses.map { "; " + egress.verdict(on: $0, port: target.port, name: name) }.joined()
        }
    }
}

extension InboundDraft {
    fileprivate var isTrusted: Bool {
        switch self {
        case .listening(let draft): draft.isTrusted
        case .part(let draft): draft.isTrusted
        }
    }
}
