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
    /// Any of them; nil for every destination. Those of addresses say nothing of a name.
    package var destinations: [EgressRule]?
    /// Nil for every port.
    package var ports: [ClosedRange<UInt16>]?
    package var network: Network?
    package var target: Target

    package init(place: String, target: Target) {
        self.place = place
        self.target = target
    }

    /// - Parameter user: as whom the opener has logged in.
    package func matches(_ destination: Destination, user: String?) -> Bool {
        if let users, !(user.map { users.contains($0) } ?? false) { return false }
        guard self.destinations != nil || self.ports != nil || self.network != nil else { return true }
        guard case .host(let host, let port, let network) = destination else { return false }
        if let wanted = self.network, wanted != network { return false }
        if let ports, !ports.contains(where: { $0.contains(port) }) { return false }
        return self.destinations?.contains { $0.names(host, port: port) } ?? true
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
