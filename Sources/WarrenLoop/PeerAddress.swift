// SPDX-License-Identifier: Apache-2.0

package import CWarrenSystem
package import NIOCore
package import WarrenCore

/// The far end of a connection, as a value without an allocation: most connections' is never looked at.
package struct PeerAddress: Hashable, Sendable {
    package let address: IPAddress
    package var port: UInt16

    package init(_ address: IPAddress, port: UInt16) {
        self.address = address
        self.port = port
    }

    /// Nil for anything but TCP.
    package init?(_ address: SocketAddress) {
        guard let ip = IPAddress(address), let port = address.port, let port = UInt16(exactly: port) else { return nil }
        self.init(ip, port: port)
    }

    /// Who it is: what a socket for both families calls an IPv4 peer is of use to that socket alone.
    package var unmapped: PeerAddress { PeerAddress(self.address.unmapped, port: self.port) }

    package var socketAddress: SocketAddress { self.address.socketAddress(port: self.port) }
}

extension PeerAddress {
    package init(_ system: cws_address) {
        let isV4 = system.version == 4
        let address = isV4 ? IPAddress(v4: UInt32(system.low)) : IPAddress(high: system.high, low: system.low)
        self.init(address, port: system.port)
    }

    package var system: cws_address {
        cws_address(
            high: self.address.high, low: self.address.low, port: self.port,
            version: self.address.family == .v4 ? 4 : 6
        )
    }
}
