// SPDX-License-Identifier: Apache-2.0

package import Logging
import NIOCore
import NIOPosix
package import ServiceLifecycle
import WarrenCore
package import WarrenRuntime

/// A configuration that is known to be good, ready to be run. Making it opens nothing.
package struct Assembly {
    fileprivate struct Inbound {
        let entry: Entry
        let type: InboundType
        let draft: InboundDraft
    }

    fileprivate struct Outbound {
        let entry: Entry
        let type: OutboundType
        let draft: OutboundDraft
    }

    private let configuration: Configuration
    private let inbounds: [Inbound]
    private let outbounds: [Outbound]
    private let policy: EgressPolicy
    /// What works and still deserves a warning.
    package let warnings: [String]

    /// Reads the keys of every entry's type.
    ///
    /// - Throws: every problem of the configuration, those found before included.
    package init(_ configuration: Configuration, findings: Findings) throws(ConfigurationFailure) {
        self.configuration = configuration
        self.inbounds = configuration.inbounds.compactMap { entry in
            guard let type = Registry.inbounds.first(where: { $0.entry.name == entry.type }) else { return nil }
            let draft = type.read(entry, configuration.limits)
            entry.section.finish()
            return draft.map { Inbound(entry: entry, type: type, draft: $0) }
        }
        self.outbounds = configuration.outbounds.compactMap { entry in
            guard let type = Registry.outbounds.first(where: { $0.entry.name == entry.type }) else { return nil }
            let draft = type.read(entry, configuration.limits)
            entry.section.finish()
            return draft.map { Outbound(entry: entry, type: type, draft: $0) }
        }
        self.policy = EgressPolicy(configuration.egress, findings)
        Self.checkPorts(self.inbounds, findings)
        try findings.check()
        self.warnings = findings.notes.map(\.description) + Self.exposures(self.inbounds, self.outbounds)
    }

    package var log: Configuration.Log { self.configuration.log }

    /// Puts everything together. What comes back runs as services of one group.
    ///
    /// - Parameter onReady: called once, with the name and address of every listener.
    package func services(
        logger: Logger, streams: (any StreamLog)? = nil, loops: Loops, resolver: any AddressResolver = SystemResolver(),
        onReady: @escaping @Sendable ([BoundListener]) -> Void
    ) -> [any Service] {
        let reporter = Reporter(logger: logger, streams: streams)
        var dialer = Dialer(resolver: resolver, policy: self.policy)
        dialer.onRefusal = reporter.egressRefused
        var plan = Node.Plan()
        plan.limits.idle = self.configuration.limits.idle
        plan.limits.sessions = self.configuration.limits.sessions
        plan.limits.drain = self.configuration.drain
        var targets: [String: any WarrenRuntime.Outbound] = [
            EntryList.direct: DirectOutbound(name: EntryList.direct, dialer: dialer)
        ]
        for outbound in self.outbounds {
            let built = outbound.build(dialer: dialer, loops: loops, reporter: reporter)
            targets[outbound.entry.name] = built
            if let session = built as? SessionOutbound { plan.outbounds.append(session) }
        }
        var watched: [FileWatcher.Watched] = []
        for inbound in self.inbounds {
            guard let target = targets[inbound.entry.to?.value ?? EntryList.direct] else { continue }
            plan.listeners.append(
                inbound.listener(
                    to: target, handshake: self.configuration.limits.handshake, loops: loops, reporter: reporter,
                    watched: &watched
                )
            )
        }
        let node = Node(plan, loops: loops, reporter: reporter, onReady: onReady)
        return watched.isEmpty ? [node] : [FileWatcher(watched), node]
    }

    /// Two listeners on one address would only be found when the second one is bound.
    private static func checkPorts(_ inbounds: [Inbound], _ findings: Findings) {
        var taken: [ListenAddress: String] = [:]
        for inbound in inbounds where inbound.draft.listen.port > 0 {
            let listen = inbound.draft.listen
            if let other = taken.updateValue(inbound.entry.name, forKey: listen) {
                let place = inbound.entry.section.place(of: "listen")
                findings.report("\(quoted(other)) listens on \(listen) already", at: place, hint: "choose another port")
            }
        }
    }

    private static func exposures(_ inbounds: [Inbound], _ outbounds: [Outbound]) -> [String] {
        let listeners = inbounds.compactMap { inbound -> String? in
            guard inbound.draft.tls == nil, inbound.draft.listen.host?.isLoopback != true else { return nil }
            let place = "\(inbound.entry.name) (\(inbound.entry.type)) listens on \(inbound.draft.listen) without TLS"
            return "\(place): a stranger on the path could read \(inbound.type.exposure)"
        }
        let carriers = outbounds.compactMap { outbound -> String? in
            guard case .session(let draft) = outbound.draft, let exposure = outbound.type.exposure, draft.tls == nil,
                !draft.server.host.isLoopback
            else { return nil }
            let place = "\(outbound.entry.name) (\(outbound.entry.type)) dials \(draft.server) without TLS"
            return "\(place): a stranger on the path could read \(exposure)"
        }
        let open = inbounds.compactMap { inbound -> String? in
            guard inbound.draft.isOpenToAll, inbound.draft.listen.host?.isLoopback != true else { return nil }
            let place = "\(inbound.entry.name) (\(inbound.entry.type)) listens on \(inbound.draft.listen) without users"
            return "\(place): everybody who reaches it may use it"
        }
        return listeners + carriers + open
    }
}

extension Assembly.Outbound {
    fileprivate func build(dialer: Dialer, loops: Loops, reporter: Reporter) -> any WarrenRuntime.Outbound {
        switch self.draft {
        case .direct(let draft):
            var dialer = dialer
            dialer.bind = draft.bind
            if draft.prefersIPv4 { dialer.prefer = .v4 }
            return DirectOutbound(name: self.entry.name, dialer: dialer)
        case .session(let draft):
            let tls = draft.tls.map { TLSClient(context: $0.context, serverName: $0.serverName) }
            let carrier = CarrierDialer(dialer: dialer, host: draft.server.host, port: draft.server.port, tls: tls)
            return SessionOutbound(
                name: self.entry.name, home: loops.next(), carrier: carrier, reporter: reporter
            ) { leg, owner, loop in
                try draft.install(leg, owner, loops.site(on: loop))
            }
        }
    }
}

extension Assembly.Inbound {
    fileprivate func listener(
        to target: any WarrenRuntime.Outbound, handshake: TimeAmount, loops: Loops, reporter: Reporter,
        watched: inout [FileWatcher.Watched]
    ) -> Listener.Plan {
        let sessions = InboundSessions(
            name: self.entry.name, protocol: self.entry.type, outbound: target, judge: self.draft.judge,
            isTrusted: self.draft.isTrusted, isTunnel: self.draft.isTunnel, reporter: reporter
        )
        watched += self.draft.watched.map { $0.reporting(to: reporter, about: self.entry.name) }
        var server: TLSServer?
        if let tls = self.draft.tls {
            let made = TLSServer(context: tls.context)
            server = made
            let changed = FileWatcher.Watched(paths: tls.files) { made.replace(by: try tls.reread()) }
            watched.append(changed.reporting(to: reporter, about: self.entry.name))
        }
        let install = self.draft.install
        return Listener.Plan(
            name: self.entry.name, protocol: self.entry.type, host: self.draft.listen.host?.description,
            port: self.draft.listen.port, tls: server, handshake: handshake, sockets: self.draft.sockets,
            home: target.home
        ) { leg, loop in
            try install(leg, sessions, loops.site(on: loop))
        }
    }
}

extension Host {
    var isLoopback: Bool {
        switch self {
        case .address(let address): AddressClass(address) == .loopback
        case .name(let name): name == "localhost"
        }
    }
}
