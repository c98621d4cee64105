// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenConfiguration
import WarrenCore
import WarrenRuntime

extension InboundType {
    /// Where visitors of public names and ports come in; leads to an `mproxy` outbound.
    static let `public` = InboundType(
        "public", exposure: "the names that are visited, and everything that is not encrypted itself"
    ) { entry, limits in
        let section = entry.section
        let session = SessionLimits(handshake: limits.handshake, streams: limits.streamsPerSession)
        var visitors = PublicServer.Configuration(limits: session)
        visitors.mode = section.value("mode", .oneOf(["auto", "tls", "http"]), default: "auto").asMode
        visitors.redirects = section.value("http", .oneOf(["redirect", "pass"]), default: "redirect") == "redirect"
        let ports = section.optional("ports", .oneOrMore(.portRange)) ?? []
        var raw = visitors
        raw.mode = .tcp
        let (named, unnamed) = (visitors, raw)
        var draft = ListeningDraft(section) { leg, sessions, context in
            context.start(PublicServer(named, port: leg.localPort), on: leg, owner: sessions)
        }
        draft?.needsNames = true
        guard !ports.isEmpty else { return draft.map { .listening($0) } }
        let host = draft?.listen.host
        draft?.parts = { around, sessions, outbound in
            guard let outbound = outbound as? PublicNamesOutbound else { return [] }
            let (name, loops) = (around.name, around.loops)
            return [
                PublicPorts(of: outbound, allowed: ports, name: name, loops: loops, reporter: around.reporter) { port in
                    Listener.Plan(name: name, protocol: "public", host: host?.description, port: port) { leg, loop in
                        loops.context(on: loop).start(PublicServer(unnamed, port: port), on: leg, owner: sessions)
                    }
                }
            ]
        }
        return draft.map { .listening($0) }
    }
}

extension String {
    fileprivate var asMode: PublicServer.Mode { PublicServer.Mode(rawValue: self) ?? .auto }
}

extension ValueKind where Value == ClosedRange<UInt16> {
    /// `2222`, or `20000-20999`.
    fileprivate static var portRange: Self {
        .scalar("a port such as 2222, or ports such as 20000-20999") { text throws(Refusal) in
            let ends = text.split(separator: "-", omittingEmptySubsequences: false).map { UInt16($0) }
            guard let first = ends.first ?? nil, let last = ends.last ?? nil, ends.count <= 2, first > 0, first <= last
            else { throw Refusal() }
            return first...last
        }
    }
}
