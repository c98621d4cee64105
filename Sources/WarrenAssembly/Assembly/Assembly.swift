// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOPosix
package import WarrenConfiguration
import WarrenCore
import WarrenLoop
import WarrenRuntime

/// A configuration that is known to be good, ready to be run. Making it opens nothing.
package struct Assembly: @unchecked Sendable {
    // Sendable: the sections of its entries have been read; from here on only what is written there is looked at.

    struct Inbound {
        let entry: Entry
        let type: InboundType
        let draft: InboundDraft
        /// What it and its users may use.
        let accounts: Accounts.Plan
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

    package let configuration: Configuration
    let inbounds: [Inbound]
    let outbounds: [Outbound]
    let relays: [Relay]
    let chains: Chains
    let routes: [Route]
    let policies: EgressPolicies
    /// What works and still deserves a warning.
    package let warnings: [Problem]

    /// Reads the keys of every entry's type.
    ///
    /// - Throws: every problem of the configuration, those found before included.
    package init(_ configuration: Configuration, findings: Findings) throws(ConfigurationFailure) {
        self.configuration = configuration
        let limits = configuration.limits
        self.inbounds = configuration.inbounds.compactMap { entry in
            guard let type = Registry.inbounds.first(where: { $0.entry.name == entry.type }) else { return nil }
            let accounts = entry.section.accountPlan()
            let draft = type.read(entry, limits)
            entry.section.finish()
            return draft.map { Inbound(entry: entry, type: type, draft: $0, accounts: accounts) }
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
        self.policies = EgressPolicies(configuration.egress, findings)
        let listening = Self.places(self.inbounds, self.outbounds, self.relays)
        Self.checkPorts(listening, findings)
        Self.checkTargets(self.inbounds, configuration.outbounds, findings)
        Self.checkCircles(self.inbounds, configuration.outbounds, findings)
        Self.checkNames(self.inbounds, configuration.outbounds, findings)
        Self.checkShared(self.outbounds, configuration.inbounds, findings)
        self.chains.check(findings)
        Self.checkRoutes(configuration, findings)
        Self.checkThrough(self.inbounds, self.outbounds, findings)
        try findings.check()
        Self.noteExposures(listening, findings)
        Self.noteExposures(dialling: self.inbounds, self.outbounds, findings)
        Self.noteOpenPlaces(listening, findings)
        Self.noteUnused(configuration, findings)
        self.warnings = findings.notes
    }

    /// The hosts that relays tell their clients.
    package var instances: [Located<String>] { self.relays.compactMap(\.draft.instance) }

    package var log: Configuration.Log { self.configuration.log }

    /// A sentence if the process may not have as many descriptors open as the connections that it may accept.
    package var descriptorShortfall: String? {
        let listeners = Self.places(self.inbounds, self.outbounds, self.relays).count
        guard listeners > 0 else { return nil }
        // Each loop has an event queue and a bell, and listens on every port.
        let others = 32 + System.coreCount * (2 + listeners)
        return DescriptorLimit.process.shortfall(sessions: self.configuration.limits.sessions, others: others)
    }
}
