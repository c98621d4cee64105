// SPDX-License-Identifier: Apache-2.0

import WarrenCore

extension ZhwkproX {
    /// A destination, which is also all that names a stream in the deployed protocol.
    struct StreamAddress: Hashable, Sendable {
        var address: IPAddress
        var port: UInt16

        var destination: Destination { .tcp(.address(self.address), port: self.port) }
    }
}

extension ZhwkproX.StreamAddress {
    /// Of a request for an address; an IPv4 address that is written as an IPv6 one becomes IPv4 again.
    ///
    /// - Throws: `unsupported` for names, which the inter-server has to resolve, and for all but TCP.
    init(_ destination: Destination) throws(StreamFault) {
        guard case .host(.address(let address), let port, .tcp) = destination else { throw .unsupported }
        self.address = address.unmapped
        self.port = port
    }
}
