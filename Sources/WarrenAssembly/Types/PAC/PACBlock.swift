// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenConfiguration
import WarrenCore
import WarrenRuntime
import WarrenWebSocks

/// A `pac` block: where browsers get the file that tells them which requests go through an inbound.
struct PACBlock: Sendable {
    /// In which protocols browsers can use the inbound, the best first.
    enum Speech: Hashable, Sendable {
        case socks5
        case http
        /// An HTTP proxy behind TLS.
        case https
    }

    let listen: ListenAddress
    /// Where browsers find the inbound; without a host it is the one that they asked for the file.
    let proxy: ListenAddress
    let speech: [Speech]
    /// What goes through the inbound, and nothing else; nil to follow `routes:`.
    let routes: [EgressRule]?
}

extension Section {
    /// Reads `pac` of an inbound that listens on `listen`.
    ///
    /// - Parameter speech: what browsers can speak to the inbound; empty where they can use it in no way.
    func pac(for speech: [PACBlock.Speech], at inbound: ListenAddress?) -> PACBlock? {
        guard let section = self.section("pac") else { return nil }
        let listen = section.required("listen", .listenAddress)
        let proxy = section.optional("proxy", .target)
        let routes = section.optional("routes", .oneOrMore(.requestRule))
        guard let listen, let inbound else { return nil }
        guard !speech.isEmpty else {
            let what = "no browser speaks SOCKS over TLS, or logs in to it"
            section.findings.report(what, at: section.place, hint: "take type: http")
            return nil
        }
        guard let proxy = proxy.map({ ListenAddress(host: $0.host, port: $0.port) }) ?? inbound.asSeen else {
            section.missing("proxy", expected: "where browsers find the inbound, whose port the system chooses")
            return nil
        }
        return PACBlock(listen: listen, proxy: proxy, speech: speech, routes: routes)
    }
}

extension ListenAddress {
    /// As others reach it; nil if the port is not known.
    fileprivate var asSeen: ListenAddress? {
        guard self.port > 0 else { return nil }
        guard let host, host.isUnspecified else { return self }
        return ListenAddress(host: nil, port: self.port)
    }
}

extension ValueKind where Value == EgressRule {
    /// What a browser can tell of a request: its host.
    fileprivate static var requestRule: Self {
        .scalar("a host, *.example.net, a network or private") { text throws(Refusal) in
            do throws(EgressRule.ParseError) {
                let rule = try EgressRule(text)
                if rule.port == nil { return rule }
            } catch {
                throw Refusal("is no rule: \(error)")
            }
            throw Refusal("names a port", hint: "leave the port away: it counts for no browser")
        }
    }
}

extension PACBlock {
    /// What is left of an inbound's protocols for browsers, which take SOCKS neither with a login nor over TLS.
    static func usable(_ speech: [Speech], hasLogin: Bool, isSealed: Bool) -> [Speech] {
        if isSealed { return speech.contains(.http) ? [.https] : [] }
        return speech.filter { $0 != .socks5 || !hasLogin }
    }

    /// The listener that serves the file.
    func listener(_ around: BuildContext, of target: StreamTarget) -> Listener.Plan {
        let service = PACService(self, of: target)
        var limits = HTTPServiceLimits()
        limits.body = 0
        return Listener.Plan(
            name: around.name + ".pac", protocol: "pac", host: self.listen.host?.description, port: self.listen.port
        ) { [limits] leg, loop in
            try service.install(on: leg, loop: loop, limits: limits)
        }
    }

    /// The proxies of the file.
    ///
    /// - Parameter asked: the host by which a browser asked for the file.
    func ways(asked: Host) -> [WebSocks.PACFile.Way] {
        let (host, port) = (self.proxy.host ?? asked, self.proxy.port)
        return self.speech.map { speech in
            switch speech {
            case .socks5: .socks5(host, port: port)
            case .http: .http(host, port: port)
            case .https: .https(host, port: port)
            }
        }
    }
}
