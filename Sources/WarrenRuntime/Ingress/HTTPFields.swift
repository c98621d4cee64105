// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

extension [HTTPField] {
    /// Without those about one connection alone, which are no business of whoever is behind the next one (RFC 9110,
    /// section 7.6.1): the known ones and those that `Connection` names.
    ///
    /// - Parameter dropped: further names that are not passed on.
    func endToEnd(without dropped: Set<String> = []) -> [HTTPField] {
        let named = Set(self.words("connection")).subtracting(Self.kept)
        return self.filter {
            !Self.hopByHop.contains($0.key) && !named.contains($0.key) && !dropped.contains($0.key)
        }
    }

    private static var hopByHop: Set<String> { HopByHop.names }
    private static var kept: Set<String> { HopByHop.kept }
}

private enum HopByHop {
    static let names: Set<String> = [
        "connection", "keep-alive", "proxy-connection", "proxy-authorization", "proxy-authenticate",
        "proxy-authentication-info", "te", "upgrade",
    ]
    /// What `Connection` cannot take away: without these the next one would see another message than we do, or lose
    /// what proxies must pass on.
    static let kept: Set<String> = ["content-length", "transfer-encoding", "host", "via", "max-forwards"]
}

extension ByteBuffer {
    /// Writes `name: value` and its line end.
    mutating func writeField(_ field: HTTPField) {
        self.writeString("\(field.name): ")
        self.writeBytes(field.value)
        self.writeString("\r\n")
    }

    /// Who has passed the message on, and in which version it came (RFC 9110, section 7.6.3).
    mutating func writeVia(minorVersion: Int) { self.writeString("Via: 1.\(minorVersion) warren\r\n") }
}
