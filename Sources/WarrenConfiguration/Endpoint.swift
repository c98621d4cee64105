// SPDX-License-Identifier: Apache-2.0

package import WarrenCore

/// An address to listen on; without a host, every interface.
package struct ListenAddress: Hashable, Sendable {
    package let host: Host?
    /// 0 lets the system choose.
    package let port: UInt16

    package init(host: Host?, port: UInt16) {
        self.host = host
        self.port = port
    }
}

/// A host and port to reach.
package struct Target: Hashable, Sendable {
    package let host: Host
    package let port: UInt16

    package init(host: Host, port: UInt16) {
        self.host = host
        self.port = port
    }
}

extension ListenAddress: CustomStringConvertible {
    /// As it could be written in a file.
    package var description: String {
        self.host.map { Destination.tcp($0, port: self.port).description } ?? ":\(self.port)"
    }
}

extension Target: CustomStringConvertible {
    package var description: String { Destination.tcp(self.host, port: self.port).description }
}

extension ValueKind where Value == ListenAddress {
    /// `127.0.0.1:1080`, `[::1]:1080`, `localhost:1080`, or `:1080` for every interface.
    package static var listenAddress: Self {
        .scalar("an address to listen on such as 127.0.0.1:1080") { text throws(Refusal) in
            try ListenAddress(parsing: text)
        }
    }
}

extension ListenAddress {
    init(parsing text: String) throws(Refusal) {
        if HostAndPort.isPort(text) {
            throw Refusal("is only a port", hint: "write 127.0.0.1:\(text), or \":\(text)\" for every interface")
        }
        let parts = try HostAndPort(text)
        guard let port = parts.port else {
            throw Refusal("has no port", hint: "write host:port, or :port for every interface")
        }
        guard let host = parts.host else {
            self.init(host: nil, port: port)
            return
        }
        guard host != "*" else { throw Refusal("is not an address to listen on", hint: "write :\(port)") }
        self.init(host: try HostAndPort.host(host), port: port)
    }
}

extension ValueKind where Value == Target {
    /// `example.net:443`, `192.0.2.1:443`, `[2001:db8::1]:443`; the port may be left out if there is a default.
    package static func target(defaultPort: UInt16? = nil) -> Self {
        .scalar("a host and port such as example.net:443") { text throws(Refusal) in
            try Target(parsing: text, defaultPort: defaultPort)
        }
    }

    package static var target: Self { self.target() }
}

extension Target {
    package init(parsing text: String, defaultPort: UInt16?) throws(Refusal) {
        if HostAndPort.isPort(text) {
            throw Refusal("is only a port", hint: "write host:\(text), such as 127.0.0.1:\(text)")
        }
        let parts = try HostAndPort(text)
        guard let host = parts.host else { throw Refusal("has no host", hint: "write host:port") }
        guard let port = parts.port ?? defaultPort else { throw Refusal("has no port", hint: "write host:port") }
        guard port > 0 else { throw Refusal("has port 0", hint: "write a port from 1 to 65535") }
        self.init(host: try HostAndPort.host(host), port: port)
    }
}

/// `host:port` taken apart.
private struct HostAndPort {
    /// With brackets around IPv6; nil if there is nothing before the colon.
    let host: String?
    let port: UInt16?

    init(_ text: String) throws(Refusal) {
        if text.hasPrefix("unix:") || text.hasPrefix("/") {
            throw Refusal("is a Unix domain socket, which is not supported", hint: "write host:port")
        }
        guard !text.contains("@") else {
            throw Refusal(
                "holds a user before the @", hint: "write host:port, and the keys user and passwordFile beside it")
        }
        guard !text.contains("://") else { throw Refusal("is a URL", hint: "write host:port without a scheme") }
        let end: String.Index
        if text.hasPrefix("[") {
            guard let bracket = text.firstIndex(of: "]") else {
                throw Refusal("opens [ and never closes it", hint: "write [::1]:1080")
            }
            end = text.index(after: bracket)
        } else {
            guard text.utf8.count(where: { $0 == UInt8(ascii: ":") }) < 2 else {
                throw Refusal("holds an IPv6 address without brackets", hint: "write [::1]:1080")
            }
            end = text.firstIndex(of: ":") ?? text.endIndex
        }
        let rest = text[end...]
        guard rest.isEmpty || rest.first == ":" else {
            throw Refusal("has text between ] and the port", hint: "write [::1]:1080")
        }
        let digits = rest.dropFirst()
        self.host = end == text.startIndex ? nil : String(text[..<end])
        self.port = UInt16(digits)
        guard rest.isEmpty || (self.port != nil && digits.first != "+") else {
            throw Refusal("does not end in a port", hint: "write a port from 0 to 65535 after the colon")
        }
    }

    /// A number and nothing else.
    static func isPort(_ text: String) -> Bool { UInt16(text) != nil && text.first != "+" }

    static func host(_ text: String) throws(Refusal) -> Host {
        let host = Host(text)
        guard case .name(let name) = host else { return host }
        guard !name.hasPrefix("[") else {
            throw Refusal("has no IPv6 address between [ and ]", hint: "write [::1]:1080")
        }
        let isPlain = name.unicodeScalars.allSatisfy {
            $0.isASCII && ($0.properties.isAlphabetic || ("0"..."9" ~= $0) || $0 == "-" || $0 == "." || $0 == "_")
        }
        guard isPlain else {
            let isInternational = name.unicodeScalars.contains { !$0.isASCII }
            throw Refusal(
                "does not name a host",
                hint: isInternational
                    ? "write the xn-- form of the name" : "use letters, digits, dashes and dots")
        }
        guard HostName(name) != nil else {
            throw Refusal("does not name a host", hint: "write at most 253 bytes, and 1 to 63 between dots")
        }
        // Only numbers in the last label can never be a name (RFC 3696), but a mistyped IPv4 address looks like this.
        let last = name.split(separator: ".").last ?? ""
        guard !last.allSatisfy(\.isWholeNumber) else {
            throw Refusal("does not hold a whole IPv4 address", hint: "write four numbers from 0 to 255 with dots")
        }
        return host
    }
}
