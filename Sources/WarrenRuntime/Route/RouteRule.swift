// SPDX-License-Identifier: Apache-2.0

package import WarrenCore

/// One rule of `routes:`: which streams it is for, and where they go.
package struct RouteRule: Hashable, Sendable {
    package enum Target: Hashable, Sendable {
        /// Refused with "not allowed".
        case block
        /// The names of outbounds, and how one of several is chosen; not empty.
        case outbounds([String], Balance)

        /// Of outbounds.
        package var names: [String] {
            switch self {
            case .block: []
            case .outbounds(let names, _): names
            }
        }
    }

    /// How one of several outbounds is chosen. One that has just been found down comes last, whatever the way.
    package enum Balance: String, Hashable, Sendable, CaseIterable {
        /// As they stand in the rule; the others stand by.
        case first
        case roundRobin
        /// The one with the fewest streams.
        case leastStreams
    }

    /// Where it stands in the file, for people.
    package var place: String
    /// Nil for every user, those without a login included.
    package var users: Set<String>?
    /// Any of them; nil for every destination. Those of addresses say nothing of a name, unless it is resolved.
    package var destinations: [EgressRule]?
    /// The addresses of a name count, too.
    package var resolves = false
    /// Nil for every port.
    package var ports: [ClosedRange<UInt16>]?
    package var network: Network?
    package var target: Target

    package init(place: String, target: Target) {
        self.place = place
        self.target = target
    }

    /// What a rule says of a stream.
    package enum Match: Hashable, Sendable {
        case yes
        case no
        /// It depends on the addresses of the name.
        case mustResolve
    }

    /// - Parameters:
    ///   - user: as whom the opener has logged in.
    ///   - addresses: those of the destination's name, once that is resolved.
    package func match(_ destination: Destination, user: String?, addresses: [IPAddress]? = nil) -> Match {
        if let users, !(user.map { users.contains($0) } ?? false) { return .no }
        guard self.destinations != nil || self.ports != nil || self.network != nil else { return .yes }
        guard case .host(let host, let port, let network) = destination else { return .no }
        if let wanted = self.network, wanted != network { return .no }
        if let ports, !ports.contains(where: { $0.contains(port) }) { return .no }
        guard let destinations else { return .yes }
        if destinations.contains(where: { $0.names(host, port: port) }) { return .yes }
        guard self.resolves, case .name(let name) = host else { return .no }
        guard let addresses else { return .mustResolve }
        let found = addresses.contains { address in
            destinations.contains { $0.allows(address, port: port, name: HostName(name)) }
        }
        return found ? .yes : .no
    }
}

extension EgressRule {
    /// Whether the rule names the host as it was given: nothing is resolved.
    fileprivate func names(_ host: Host, port: UInt16) -> Bool {
        switch host {
        case .address(let address): self.allows(address, port: port, name: nil)
        case .name(let text): self.names(HostName(text), port: port)
        }
    }
}
