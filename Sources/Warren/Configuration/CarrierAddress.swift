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

    package func scheme(hasTLS: Bool) -> CarrierScheme { self.scheme ?? (hasTLS ? .tls : .tcp) }
}

extension CarrierAddress: CustomStringConvertible where Address: CustomStringConvertible {
    package var description: String { (self.scheme.map { "\($0.rawValue)://" } ?? "") + self.address.description }
}

extension ValueKind where Value == CarrierAddress<ListenAddress> {
    /// `:8080`, `tls://:8443`, `ws://127.0.0.1:8081`.
    package static var carrierToListen: Self {
        .scalar("an address to listen on such as :8080 or wss://:8443") { text throws(Refusal) in
            let (scheme, rest) = try CarrierScheme.split(text)
            return CarrierAddress(scheme: scheme, address: try ListenAddress(parsing: rest))
        }
    }
}

extension ValueKind where Value == CarrierAddress<Target> {
    /// `relay.example.net:8080`, `tls://relay.example.net:8443`, `wss://relay.example.net`.
    ///
    /// - Parameter defaultPort: without scheme; `ws` and `wss` have those of the web.
    package static func carrierToDial(defaultPort: UInt16) -> Self {
        .scalar("a host and port such as relay.example.net:8080 or wss://relay.example.net") { text throws(Refusal) in
            let (scheme, rest) = try CarrierScheme.split(text)
            let port: UInt16 =
                switch scheme {
                case .wss: 443
                case .ws: 80
                case .tcp, .tls, nil: defaultPort
                }
            return CarrierAddress(scheme: scheme, address: try Target(parsing: rest, defaultPort: port))
        }
    }
}

extension CarrierScheme {
    fileprivate static func split(_ text: String) throws(Refusal) -> (CarrierScheme?, String) {
        guard let mark = text.firstRange(of: "://") else { return (nil, text) }
        let word = text[..<mark.lowerBound].lowercased()
        guard let scheme = CarrierScheme(rawValue: word) else {
            let known = Self.allCases.map(\.rawValue)
            throw Refusal("starts with an unknown scheme", hint: Nearest.hint("scheme", for: word, among: known))
        }
        var rest = text[mark.upperBound...]
        if rest.hasSuffix("/") { rest.removeLast() }
        guard !rest.contains("/") else { throw Refusal("has a path", hint: "write scheme://host:port") }
        return (scheme, String(rest))
    }
}
