// SPDX-License-Identifier: Apache-2.0

import WarrenCore
package import WarrenRuntime

/// One entry of `routes:`, as written; which names exist is checked later.
package struct Route: Hashable, Sendable {
    /// A target that is no outbound.
    static let block = "block"

    /// Nil for every inbound.
    package var inbounds: [Located<String>]?
    /// Where its streams go, and which ones they are.
    package var rule: RouteRule
    /// The outbounds by name, or ``block`` alone; empty after a report.
    package var to: [Located<String>]

    /// Whether streams of this inbound may match.
    func concerns(_ inbound: String) -> Bool { self.inbounds?.contains { $0.value == inbound } ?? true }
}

extension Route {
    /// Reads `{ inbound, user, destination, port, network, to, balance }`; one value or a list of each.
    init(_ section: Section) {
        self.inbounds = section.optional("inbound", .oneOrMore(.located(.name)))
        self.to = section.required("to", .oneOrMore(.located(.name))) ?? []
        let balance = section.optional("balance", .located(.oneOf(RouteRule.Balance.self)))
        let isBlock = self.to.contains { $0.value == Self.block }
        if isBlock, self.to.count > 1, let place = self.to.first?.place {
            section.findings.report("\"block\" stands beside outbounds", at: place, hint: "give it a rule of its own")
        }
        if let balance, self.to.count < 2 {
            section.findings.report(
                "there is nothing to balance", at: balance.place, hint: "name several outbounds in \"to\"")
        }
        let target: RouteRule.Target =
            isBlock ? .block : .outbounds(self.to.map(\.value), balance?.value ?? .first)
        self.rule = RouteRule(place: "\(section.place)", target: target)
        self.rule.users = section.optional("user", .oneOrMore(.string)).map { Set($0) }
        self.rule.destinations = section.optional("destination", .oneOrMore(.addressOrNameRule))
        self.rule.ports = section.optional("port", .oneOrMore(.ports))
        self.rule.network = section.optional("network", .oneOf(["tcp", "udp"])).flatMap { Network(rawValue: $0) }
        section.finish()
    }
}

extension ValueKind where Value == EgressRule {
    /// A destination, in the words of `egress:`.
    static var addressOrNameRule: Self {
        .scalar("a destination such as *.example.net, 10.0.0.0/8 or private") { text throws(Refusal) in
            do throws(EgressRule.ParseError) {
                return try EgressRule(text)
            } catch {
                let nearest = error.word.flatMap { Nearest.word(to: $0, among: EgressRule.words) }
                throw Refusal("is no destination: \(error)", hint: nearest.map { "nearest: \($0)" })
            }
        }
    }
}

extension ValueKind where Value == ClosedRange<UInt16> {
    /// `443` or `8000-8999`.
    static var ports: Self {
        .scalar("a port such as 443, or a range such as 8000-8999") { text throws(Refusal) in
            let ends = text.split(separator: "-", omittingEmptySubsequences: false).map { UInt16($0) }
            guard ends.count <= 2, let first = ends.first.flatMap({ $0 }), let last = ends.last.flatMap({ $0 }),
                first > 0, text.allSatisfy({ $0.isASCII && ($0.isNumber || $0 == "-") })
            else { throw Refusal() }
            guard first <= last else { throw Refusal("ends before it begins", hint: "write \(last)-\(first)") }
            return first...last
        }
    }
}
