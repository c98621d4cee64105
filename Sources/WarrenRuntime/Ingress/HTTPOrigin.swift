// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// The one origin of an inbound that stands before a server and not before users of a proxy, and what its requests say then.
package struct HTTPOrigin: Hashable, Sendable {
    package struct Visitor: Hashable, Sendable {
        /// Nil where it is not known.
        package var address: String?
        /// `https` or `http`, as the visitor came.
        package var scheme: String
    }

    /// In the place of the visitor's `Host`.
    package var host: String?
    /// Told to the origin.
    package var visitor: Visitor?

    package init() {}

    /// What only whoever stands next to the origin may say: a visitor's own are taken out, as nobody has verified them.
    private static let told: Set<String> = [
        "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port", "x-real-ip", "forwarded",
    ]

    /// Whether a field of the visitor does not go on. CGI and all that took over its names for fields (WSGI, Rack, PHP) read `_`
    /// as `-`.
    ///
    /// - Parameter key: its name in small letters.
    func drops(_ key: String) -> Bool {
        guard self.visitor != nil else { return false }
        guard key.utf8.contains(UInt8(ascii: "_")) else { return Self.told.contains(key) }
        return Self.told.contains(String(key.map { $0 == "_" ? "-" : $0 }))
    }

    /// - Parameter name: the host that the visitor asked for.
    func write(to head: inout ByteBuffer, asking name: ByteBufferView?) {
        guard let visitor else { return }
        if let address = visitor.address { head.writeString("X-Forwarded-For: \(address)\r\n") }
        head.writeString("X-Forwarded-Proto: \(visitor.scheme)\r\n")
        guard let name else { return }
        head.writeString("X-Forwarded-Host: ")
        head.writeBytes(name)
        head.writeString("\r\n")
    }
}

extension HTTPTarget {
    /// Reads the origin form `/path`, `*` for OPTIONS, or the absolute form, whose host says nothing that `Host` does not.
    init(
        _ text: ByteBufferView, method: String, at origin: HTTPOrigin, _ fields: [HTTPField]
    ) throws(HTTPAnswer) {
        guard method != "CONNECT" else {
            throw HTTPAnswer(405, "Method Not Allowed", "This is a web server, which connects nobody to others.")
        }
        guard text.allSatisfy({ $0 > 0x20 && $0 != 0x7F && $0 != UInt8(ascii: "#") }) else {
            throw .malformed("The request target holds white space or a fragment.")
        }
        let name = fields.first { $0.key == "host" }.map { String(decoding: $0.value, as: UTF8.self) }
        if text.first == UInt8(ascii: "/") || (method == "OPTIONS" && text.elementsEqual("*".utf8)) {
            let port: UInt16 = origin.visitor?.scheme == "https" ? 443 : 80
            self.init(path: ByteBuffer(bytes: text), authority: origin.host ?? name ?? "", asked: name, port: port)
        } else {
            try self.init(text, method: method)
            self.authority = origin.host ?? self.authority
        }
    }

    /// Where it leads is known to whoever opens the stream; messages name the host that the visitor asked for.
    private init(path: ByteBuffer, authority: String, asked name: String?, port: UInt16) {
        let host = (name ?? "").prefix { $0 != ":" }
        self.host = .name(host.isEmpty ? "this host" : String(host))
        self.port = port
        self.authority = authority
        self.path = path
    }
}
