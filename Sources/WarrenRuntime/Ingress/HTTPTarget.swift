// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// The target of a request to a proxy: where to connect, and what to ask for there.
struct HTTPTarget: Hashable {
    var host: Host
    var port: UInt16
    /// Host and port as the user wrote them, for the `Host` field.
    var authority: String
    /// What the origin is asked for, starting with `/` or being `*`; nil for CONNECT.
    var path: ByteBuffer?

    var destination: Destination { .tcp(self.host, port: self.port) }

    /// Reads `host:port` of CONNECT, or the absolute form `http://host[:port]/path` of every other method.
    init(_ text: ByteBufferView, method: String) throws(HTTPAnswer) {
        guard text.allSatisfy({ $0 > 0x20 && $0 != 0x7F }) else {
            throw .malformed("The request target holds white space.")
        }
        if method == "CONNECT" {
            try self.init(authority: text, path: nil, defaultPort: nil)
        } else {
            try self.init(absolute: text, isOptions: method == "OPTIONS")
        }
    }

    private init(absolute text: ByteBufferView, isOptions: Bool) throws(HTTPAnswer) {
        if text.first == UInt8(ascii: "/") || text.elementsEqual("*".utf8) {
            throw .malformed(
                "This is a proxy port, not a web server: ask for http://host/path or CONNECT host:port, "
                    + "or set it as the HTTP proxy of your program."
            )
        }
        guard let colon = text.firstIndex(of: UInt8(ascii: ":")), text[colon...].starts(with: "://".utf8) else {
            throw .malformed("The request target is not an absolute URI.")
        }
        let scheme = text[..<colon]
        guard !scheme.equalsIgnoringCase("https") else {
            throw .malformed("Ask a proxy for https with CONNECT host:port.")
        }
        guard scheme.equalsIgnoringCase("http") else {
            throw .malformed("A proxy takes nothing but http:// in absolute form.")
        }
        let rest = text[(colon + 3)...]
        let end = rest.firstIndex { "/?#".utf8.contains($0) } ?? rest.endIndex
        guard !rest[end...].contains(UInt8(ascii: "#")) else {
            throw .malformed("The request target holds a fragment (#).")
        }
        var path = ByteBuffer()
        switch rest[end...].first {
        case UInt8(ascii: "/"): break
        // RFC 9112, section 3.2.4: only OPTIONS may be about the server as a whole.
        case nil where isOptions: path.writeString("*")
        default: path.writeString("/")
        }
        path.writeBytes(rest[end...])
        try self.init(authority: rest[..<end], path: path, defaultPort: 80)
    }

    private init(authority text: ByteBufferView, path: ByteBuffer?, defaultPort: UInt16?) throws(HTTPAnswer) {
        guard !text.contains(UInt8(ascii: "@")) else {
            throw .malformed("The request target holds a user name; logins do not belong there.")
        }
        let isBracketed = text.first == UInt8(ascii: "[")
        let searched = isBracketed ? text[(text.firstIndex(of: UInt8(ascii: "]")) ?? text.startIndex)...] : text
        let colon = searched.firstIndex(of: UInt8(ascii: ":")) ?? text.endIndex
        let digits = text[colon...].dropFirst()
        if let port = Self.port(digits) {
            self.port = port
        } else if digits.isEmpty, let defaultPort {
            self.port = defaultPort
        } else {
            throw .malformed(
                digits.isEmpty ? "The request target has no port." : "The port of the request target is not 1 to 65535."
            )
        }
        self.host = try Self.host(text[..<colon], isBracketed: isBracketed)
        // A port that is said to be empty is not said at all.
        self.authority = String(decoding: digits.isEmpty ? text[..<colon] : text, as: UTF8.self)
        self.path = path
    }

    private static func port(_ digits: ByteBufferView) -> UInt16? {
        guard (1...5).contains(digits.count), digits.allSatisfy(\.isDigit) else { return nil }
        guard let port = UInt16(String(decoding: digits, as: UTF8.self)), port != 0 else { return nil }
        return port
    }

    private static func host(_ text: ByteBufferView, isBracketed: Bool) throws(HTTPAnswer) -> Host {
        if isBracketed {
            guard case .address(let address)? = try? Host(peerNamed: text, in: "target"), address.family == .v6 else {
                throw .malformed("The host in brackets is not an IPv6 address.")
            }
            return .address(address)
        }
        // Without brackets an IPv6 address would be taken for a host with a port by others.
        guard !text.contains(UInt8(ascii: ":")), let host = try? Host(peerNamed: text, in: "target") else {
            throw .malformed(
                text.isEmpty ? "The request target has no host." : "The host of the request target is bad.")
        }
        return host
    }
}
