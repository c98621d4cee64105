// SPDX-License-Identifier: Apache-2.0

package import Logging
import NIOCore
import NIOPosix
package import ServiceLifecycle
import WarrenCore
package import WarrenRuntime

/// A configuration that is known to be good, ready to be run. Making it opens nothing.
package struct Assembly {
    struct Inbound {
        let entry: Entry
        let type: InboundType
        let draft: InboundDraft
    }

    struct Outbound {
        let entry: Entry
        let type: OutboundType
        let draft: OutboundDraft
    }

    struct Relay {
        let entry: Entry
        let type: RelayType
        let draft: RelayDraft
    }

    private let configuration: Configuration
    let inbounds: [Inbound]
    let outbounds: [Outbound]
    private let relays: [Relay]
    private let chains: Chains
    let routes: [Route]
    let policy: EgressPolicy
    /// What works and still deserves a warning.
    package let warnings: [String]

    /// Reads the keys of every entry's type.
    ///
    /// - Throws: every problem of the configuration, those found before included.
    package init(_ configuration: Configuration, findings: Findings) throws(ConfigurationFailure) {
        self.configuration = configuration
        let limits = configuration.limits
        self.inbounds = configuration.inbounds.compactMap { entry in
            guard let type = Registry.inbounds.first(where: { $0.entry.name == entry.type }) else { return nil }
            let draft = type.read(entry, limits)
            entry.section.finish()
            return draft.map { Inbound(entry: entry, type: type, draft: $0) }
        }
        self.outbounds = configuration.outbounds.compactMap { entry in
            guard let type = Registry.outbounds.first(where: { $0.entry.name == entry.type }) else { return nil }
            let draft = type.read(entry, limits)
            entry.section.finish()
            return draft.map { Outbound(entry: entry, type: type, draft: $0) }
        }
        self.relays = configuration.relays.compactMap { entry in
            guard let type = Registry.relays.first(where: { $0.entry.name == entry.type }) else { return nil }
            let draft = type.read(entry, limits)
            entry.section.finish()
            return draft.map { Relay(entry: entry, type: type, draft: $0) }
        }
        self.chains = Chains(configuration)
        self.routes = configuration.routes
        self.policy = EgressPolicy(configuration.egress, findings)
        let listening = Self.places(self.inbounds, self.outbounds, self.relays)
        Self.checkPorts(listening, findings)
        Self.checkTargets(self.inbounds, configuration.outbounds, findings)
        Self.checkCircles(self.inbounds, configuration.outbounds, findings)
        Self.checkShared(self.outbounds, configuration.inbounds, findings)
        self.chains.check(findings)
        Self.checkRoutes(configuration, findings)
        Self.checkThrough(self.inbounds, self.outbounds, findings)
        try findings.check()
        let exposures = Self.exposures(listening) + Self.exposures(dialling: self.inbounds, self.outbounds)
        self.warnings = findings.notes.map(\.description) + exposures + Self.openPlaces(listening)
    }

    package var log: Configuration.Log { self.configuration.log }

    /// A sentence if the process may not have as many descriptors open as the connections that it may accept.
    package var descriptorShortfall: String? {
        let listeners = Self.places(self.inbounds, self.outbounds, self.relays).count
        guard listeners > 0 else { return nil }
        // Each loop has an event queue and a bell, and listens on every port.
        let others = 32 + System.coreCount * (2 + listeners)
        return DescriptorLimit.process.shortfall(sessions: self.configuration.limits.sessions, others: others)
    }

    /// Puts everything together. What comes back runs as services of one group.
    ///
    /// - Parameter onReady: called once, with the name and address of every listener.
    package func services(
        logger: Logger, streams: (any StreamLog)? = nil, loops: Loops, resolver: any AddressResolver = SystemResolver(),
        hooks: Hooks = Hooks(), onReady: @escaping @Sendable ([BoundListener]) -> Void
    ) -> [any Service] {
        let reporter = Reporter(logger: logger, streams: streams)
        var dialer = Dialer(resolver: resolver, policy: self.policy)
        dialer.onRefusal = reporter.egressRefused
        dialer.onShortage = { reporter.outOfDescriptors(limit: DescriptorLimit.process.count) }
        var targets: [String: any WarrenRuntime.Outbound] = [
            EntryList.direct: DirectOutbound(name: EntryList.direct, dialer: dialer)
        ]
        func surroundings(_ entry: Entry) -> Surroundings {
            let hop = entry.through.flatMap { targets[$0.value] }
            let direct = hop as? DirectOutbound
            return Surroundings(
                name: entry.name, dialer: direct?.dialer ?? dialer, loops: loops, reporter: reporter,
                limits: self.configuration.limits,
                hooks: hooks, through: direct == nil ? hop : nil, home: loops.next
            )
        }
        var plan = Node.Plan()
        plan.limits.idle = self.configuration.limits.idle
        plan.limits.sessions = self.configuration.limits.sessions
        plan.limits.drain = self.configuration.drain
        var watched: [FileWatcher.Watched] = []
        var shared: [String: SharedPort] = [:]
        // Those that others are reached through come first.
        for outbound in self.outbounds.sorted(by: { self.depth($0) < self.depth($1) }) {
            let around = surroundings(outbound.entry)
            let built = outbound.build(around)
            targets[outbound.entry.name] = built
            if let part = built as? any NodePart { plan.parts.append(part) }
            outbound.listen(for: built, around, into: &plan, &watched)
            outbound.carriers.watch(around, &watched)
            if case .shared(let inbound, let detect) = outbound.arrival, let arriving = built as? ArrivingOutbound {
                shared[inbound.value] = SharedPort(
                    outbound: arriving, detect: detect, patience: around.limits.handshake)
            }
        }
        for relay in self.relays { relay.build(surroundings(relay.entry), into: &plan, &watched) }
        for inbound in self.inbounds {
            guard let target = self.target(of: inbound.entry, among: targets) else { continue }
            let port = shared[inbound.entry.name]
            inbound.build(surroundings(inbound.entry), to: target, sharing: port, into: &plan, &watched)
            inbound.carriers.watch(surroundings(inbound.entry), &watched)
        }
        let node = Node(plan, loops: loops, reporter: reporter, onReady: onReady)
        return watched.isEmpty ? [node] : [FileWatcher(watched, on: loops.all.first ?? loops.next()), node]
    }

    private func depth(_ outbound: Outbound) -> Int { self.chains.depth(of: outbound.entry.name) }
}
