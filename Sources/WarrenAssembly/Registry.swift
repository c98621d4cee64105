// SPDX-License-Identifier: Apache-2.0

package import WarrenConfiguration

/// Everything that a configuration may name. A new protocol is one more entry in each list it belongs to.
package enum Registry {
    static let inbounds: [InboundType] = [
        .mixed, .socks5, .http, .forward, .stdio,
        .jproxy, .jet, .zhwkprox, .mproxy, .public,
        .vproxy, .websocks,
    ]

    static let outbounds: [OutboundType] = [
        .direct, .stdio, .socks5, .http,
        .jproxy, .jet, .zhwkprox, .mproxy,
        .vproxy, .websocks,
    ]

    static let relays: [RelayType] = [.jet]

    package static var types: EntryTypes {
        EntryTypes(
            inbounds: self.inbounds.map(\.entry), outbounds: self.outbounds.map(\.entry),
            relays: self.relays.map(\.entry)
        )
    }
}
