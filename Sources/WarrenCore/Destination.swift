// SPDX-License-Identifier: Apache-2.0

/// The transport a stream asks for at its far end.
public enum Network: String, Hashable, Sendable {
    case tcp
    case udp
}

/// A host as the opener of a stream named it.
public enum Host: Hashable, Sendable {
    case address(IPAddress)
    /// Not yet resolved; never empty, at most 255 bytes.
    case name(String)

    /// An address if the text is one (brackets around IPv6 are taken off), otherwise a name.
    public init(_ text: String) {
        let bare = text.hasPrefix("[") && text.hasSuffix("]") ? String(text.dropFirst().dropLast()) : text
        self = IPAddress(bare).map { .address($0) } ?? .name(text)
    }
}

extension Host: CustomStringConvertible {
    public var description: String {
        switch self {
        case .address(let address): address.description
        case .name(let name): name
        }
    }
}

/// Where a stream wants to go.
///
/// | case | who uses it |
/// |---|---|
/// | `host` | SOCKS, HTTP proxy, forward, jProxy, zhwkproX, WebSocks |
/// | `service` | M-PROXY and `public`: a public name, or a port of the relay without one |
/// | `meeting` | JET: the key two peers share |
/// | `fixed` | vproxy: the stream names no target, the acceptor knows it |
public enum Destination: Hashable, Sendable {
    case host(Host, port: UInt16, Network)
    case service(name: String, port: UInt16)
    case meeting(String)
    case fixed

    public static func tcp(_ host: Host, port: UInt16) -> Destination { .host(host, port: port, .tcp) }
}

extension Destination: CustomStringConvertible {
    /// `example.net:443`, `[2001:db8::1]:443`, `udp:192.0.2.1:53`, for people and logs.
    public var description: String {
        switch self {
        case .host(let host, let port, let network):
            var text = network == .udp ? "udp:" : ""
            if case .address(let address) = host, address.family == .v6 {
                text += "[\(host)]"
            } else {
                text += host.description
            }
            text += ":"
            text += String(port)
            return text
        case .service(let name, let port): return "service \(name.isEmpty ? "*" : name):\(port)"
        case .meeting(let key): return "meeting \(key)"
        case .fixed: return "fixed target"
        }
    }
}
