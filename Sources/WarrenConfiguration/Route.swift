// SPDX-License-Identifier: Apache-2.0

import WarrenCore
package import WarrenRuntime

/// One entry of `routes:`, as written; which names exist is checked later.
package struct Route: Hashable, Sendable {
    /// A target that is no outbound.
    package static let block = "block"

    /// Nil for every inbound.
    package var inbounds: [Located<String>]?
    /// Where its streams go, and which ones they are.
    package var rule: RouteRule
    /// The outbounds by name, or ``block`` alone; empty after a report.
    package var to: [Located<String>]

    /// Whether streams of this inbound may match.
    package func concerns(_ inbound: String) -> Bool { self.inbounds?.contains { $0.value == inbound } ?? true }
}

extension Route {
    /// Reads `{ inbound, user, host, cidr, resolve, port, network, to, balance }`; one value or a list of each.
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
        let hosts = section.optional("host", .oneOrMore(.hostRule))
        let networks = section.optional("cidr", .oneOrMore(.networkRule))
        if hosts != nil || networks != nil { self.rule.destinations = (hosts ?? []) + (networks ?? []) }
        self.rule.resolves = section.value("resolve", .bool, default: false)
        if self.rule.resolves, !section.contains("cidr") {
            section.report("there is no address to compare with", at: "resolve", hint: "write cidr beside it")
        }
        self.rule.ports = section.optional("port", .oneOrMore(.ports))
        self.rule.network = section.optional("network", .oneOf(["tcp", "udp"])).flatMap { Network(rawValue: $0) }
        section.finish()
    }
}

extension ValueKind where Value == EgressRule {
    /// A name or the names under one, in the words of `egress:`; an address as it was given is one, too.
    static var hostRule: Self {
        .scalar("a host such as www.example.net or *.example.net") { text throws(Refusal) in
            let rule = try Self.rule(text, "host")
            switch rule.subject {
            case .host, .subdomains: return rule
            case .network(let address, let length) where length == address.bitWidth: return rule
            case .class, .network: throw Refusal("is no host", hint: "write it under cidr")
            }
        }
    }

    /// A network, an address, or a class of addresses.
    static var networkRule: Self {
        .scalar("a network such as 10.0.0.0/8, or private") { text throws(Refusal) in
            let rule = try Self.rule(text, "network")
            switch rule.subject {
            case .class, .network: return rule
            case .host, .subdomains: throw Refusal("is no network", hint: "write it under host")
            }
        }
    }

    private static func rule(_ text: String, _ what: String) throws(Refusal) -> EgressRule {
        do throws(EgressRule.ParseError) {
            return try EgressRule(text)
        } catch {
            let nearest = error.word.flatMap { Nearest.word(to: $0, among: EgressRule.words) }
            throw Refusal("is no \(what): \(error)", hint: nearest.map { "nearest: \($0)" })
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
