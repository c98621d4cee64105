// SPDX-License-Identifier: Apache-2.0

/// What a carrier runs over.
package enum CarrierScheme: String, Hashable, Sendable, CaseIterable {
    case tcp
    case tls
    case ws
    case wss

    package var isSecure: Bool { self == .tls || self == .wss }
    package var isWebSocket: Bool { self == .ws || self == .wss }
}

/// An address with or without a scheme in front: `relay.example.net:8080`, `wss://relay.example.net`.
package struct CarrierAddress<Address: Hashable & Sendable>: Hashable, Sendable {
    /// Nil if none was written: TLS if there is a `tls:` block, plain TCP otherwise.
    package let scheme: CarrierScheme?
    package let address: Address
    /// What stands before the paths of the protocol, such as `/tunnel`, without a slash at its end; for WebSockets only.
    package let prefix: String
    /// With its question mark; for WebSockets that are dialled only.
    package let query: String

    package func scheme(hasTLS: Bool) -> CarrierScheme { self.scheme ?? (hasTLS ? .tls : .tcp) }
}

extension CarrierAddress: CustomStringConvertible where Address: CustomStringConvertible {
    package var description: String {
        (self.scheme.map { "\($0.rawValue)://" } ?? "") + self.address.description + self.prefix
    }
}

extension ValueKind where Value == CarrierAddress<ListenAddress> {
    /// `:8080`, `tls://:8443`, `ws://127.0.0.1:8081/prefix`.
    package static var carrierToListen: Self {
        .scalar("an address to listen on such as :8080 or wss://:8443") { text throws(Refusal) in
            let parts = try CarrierParts(text)
            guard parts.query.isEmpty else { throw Refusal("has a query", hint: "write ws://host:port/prefix") }
            return parts.address(try ListenAddress(parsing: parts.authority))
        }
    }
}

extension ValueKind where Value == CarrierAddress<Target> {
    /// `relay.example.net:8080`, `tls://relay.example.net:8443`, `wss://relay.example.net/prefix?key=value`.
    ///
    /// - Parameter defaultPort: without scheme; `ws` and `wss` have those of the web.
    package static func carrierToDial(defaultPort: UInt16) -> Self {
        .scalar("a host and port such as relay.example.net:8080 or wss://relay.example.net") { text throws(Refusal) in
            let parts = try CarrierParts(text)
            let port: UInt16 =
                switch parts.scheme {
                case .wss: 443
                case .ws: 80
                case .tcp, .tls, nil: defaultPort
                }
            return parts.address(try Target(parsing: parts.authority, defaultPort: port))
        }
    }
}

/// `scheme://authority/prefix?query` taken apart.
private struct CarrierParts {
    var scheme: CarrierScheme?
    var authority: String
    var prefix = ""
    var query = ""

    init(_ text: String) throws(Refusal) {
        guard let mark = text.firstRange(of: "://") else {
            self.authority = text
            return
        }
        let word = text[..<mark.lowerBound].lowercased()
        guard let scheme = CarrierScheme(rawValue: word) else {
            let known = CarrierScheme.allCases.map(\.rawValue)
            throw Refusal("starts with an unknown scheme", hint: Nearest.hint("scheme", for: word, among: known))
        }
        let rest = text[mark.upperBound...]
        let end = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
        self.scheme = scheme
        self.authority = String(rest[..<end])
        let query = rest[end...].firstIndex(of: "?") ?? rest.endIndex
        self.prefix = String(rest[end..<query])
        while self.prefix.hasSuffix("/") { self.prefix = String(self.prefix.dropLast()) }
        self.query = String(rest[query...])
        try self.checkPath()
    }

    private func checkPath() throws(Refusal) {
        guard !self.prefix.isEmpty || !self.query.isEmpty else { return }
        guard self.scheme?.isWebSocket == true else {
            throw Refusal("has a path", hint: "write scheme://host:port; only ws and wss have a path")
        }
        let isPlain = (self.prefix + self.query).utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "#") }
        guard isPlain else {
            throw Refusal(
                "has characters in its path that HTTP does not allow", hint: "write odd characters as % and two digits")
        }
    }

    func address<Address>(_ address: Address) -> CarrierAddress<Address> {
        CarrierAddress(scheme: self.scheme, address: address, prefix: self.prefix, query: self.query)
    }
}
