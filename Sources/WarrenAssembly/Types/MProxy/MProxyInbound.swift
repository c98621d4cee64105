// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenConfiguration
import WarrenCore
import WarrenMProxy
import WarrenRuntime

extension InboundType {
    /// The device: dials relays, and serves names and ports there from local targets.
    static let mproxy = InboundType("mproxy", authority: "relay", exposure: mproxyExposure) { entry, limits in
        let section = entry.section
        let carriers = section.carriersToDial("relay", defaultPort: 443)
        let tokens = section.required("tokenFile", .oneOrMore(.secretFile))
        let services = section.services()
        var device = MProxy.DeviceConfiguration(tokens: tokens?.map(\.text) ?? [])
        device.dialect = section.optional("dialect", .oneOf(MProxy.Dialect.self))
        device.linger = section.value("linger", .durationOrZero, default: device.linger)
        device.stall = section.value("stall", .duration, default: device.stall)
        device.limits = section.sessionLimits(limits)
        guard !carriers.isEmpty, tokens != nil, let services else { return nil }
        for carrier in carriers where !carrier.scheme.isWebSocket {
            let hint = "write wss://\(carrier.target), or ws:// where that is safe"
            section.report("\(carrier) is no WebSocket", at: "relay", hint: hint)
            return nil
        }
        let configuration = device
        return .part(
            DialledInboundDraft(carriers: carriers, isTrusted: true) { around, sessions in
                let ways = carriers.map { carrier in
                    // Relays in Go want a token in the upgrade; the others do not look there.
                    let path = configuration.dialect == .go ? "/ws" : "/"
                    let token = configuration.dialect == .go ? configuration.tokens.first : nil
                    let dialer = carrier.dialer(
                        around, webSocket: carrier.prefix.isEmpty ? path : "", ping: MProxyService.ping,
                        headers: token.map { [("Authorization", "Bearer \($0)")] } ?? [], carriesSession: true)
                    return SessionCarrier(dialer) { leg, owner, loop in
                        around.loops.context(on: loop).start(MProxy.DeviceMachine(configuration), on: leg, owner: owner)
                    }
                }
                var plan = DialledInbound.Plan(carriers: ways, succession: .whenLost)
                plan.serve = services.serve
                plan.onGrant = around.hooks.onGrant
                let loop = sessions.home ?? around.through?.home ?? around.loops.next()
                return DialledInbound(plan, sessions: sessions, on: loop, reporter: around.reporter)
            }
        )
    }
}

/// Which name or port of a relay is served by which target.
struct Services: Sendable {
    private var names: [String: Target] = [:]
    private var ports: [UInt16: Target] = [:]

    /// - Parameter key: a name, `*.name`, or a port.
    /// - Returns: nil for what is none of them.
    mutating func add(_ key: String, _ target: Target) -> Bool {
        if let port = UInt16(key), port > 0 {
            self.ports[port] = target
            return true
        }
        let isWildcard = key.hasPrefix("*.")
        guard let name = HostName(isWildcard ? String(key.dropFirst(2)) : key) else {
            return key == "*" && self.addAll(target)
        }
        self.names[isWildcard ? "*." + name.text : name.text] = target
        return true
    }

    private mutating func addAll(_ target: Target) -> Bool {
        self.names["*"] = target
        return true
    }

    /// Where a visitor of a name or port goes; nil where nothing serves it. The longest name that fits has it.
    @Sendable func serve(_ destination: Destination) -> Destination? {
        guard case .service(let name, let port) = destination else { return nil }
        let target = name.isEmpty ? self.ports[port] : self.target(of: name)
        return target.map { .tcp($0.host, port: $0.port) }
    }

    private func target(of name: String) -> Target? {
        if let target = self.names[name] { return target }
        var rest = name[...]
        while let dot = rest.firstIndex(of: ".") {
            rest = rest[rest.index(after: dot)...]
            if let target = self.names["*.\(rest)"] ?? self.names[String(rest)] { return target }
        }
        return self.names["*"]
    }
}

extension Section {
    /// The map under `services`; nil after a report.
    fileprivate func services() -> Services? {
        guard let pairs = self.required("services", .map(.target)) else { return nil }
        var services = Services()
        for (key, target) in pairs {
            guard services.add(key.value, target) else {
                let hint =
                    "write a name such as www.example.net, *.example.net, or a port of the relay such as \"2222\""
                self.findings.report("\(quoted(key.value)) is neither a name nor a port", at: key.place, hint: hint)
                return nil
            }
        }
        guard !pairs.isEmpty else {
            self.missing("services", expected: "at least one name or port and its target")
            return nil
        }
        return services
    }
}
