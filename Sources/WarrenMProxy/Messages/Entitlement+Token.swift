// SPDX-License-Identifier: Apache-2.0

import NIOCore
package import WarrenCore

extension MProxy.Entitlement {
    /// What stands in a token, whoever has signed it: `header.claims.signature`, each in the Base64 of URLs.
    ///
    /// - Returns: nil for what is no token, or names what is no name.
    package init?(unverified token: String) {
        let parts = token.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, let claims = parts.dropFirst().first else { return nil }
        let digits = claims.utf8.map { digit -> UInt8 in
            switch digit {
            case UInt8(ascii: "-"): UInt8(ascii: "+")
            case UInt8(ascii: "_"): UInt8(ascii: "/")
            default: digit
            }
        }
        guard let bytes = Base64.decode(digits, .java) else { return nil }
        try? self.init(claims: ByteBuffer(bytes: bytes))
    }

    /// As a relay grants it that serves all of it.
    package var grants: [Grant] {
        self.names.map { Grant(.service(name: $0, port: 443)) }
            + self.ports.map { Grant(.service(name: "", port: $0)) }
    }
}
