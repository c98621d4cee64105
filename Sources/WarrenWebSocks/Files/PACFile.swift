// SPDX-License-Identifier: Apache-2.0

public import WarrenCore

extension WebSocks {
    /// A proxy auto-config file: which of a browser's requests go to which proxy.
    public struct PACFile: Hashable, Sendable {
        public enum Pattern: Hashable, Sendable {
            /// The name and everything under it.
            case suffix(String)
            /// A name with `*` and `?`, as shells have them.
            case wildcard(String)
            /// Requests by address; names are not resolved for it, since that would tell them to a resolver.
            case network(IPAddress, length: Int)
            /// All of them.
            case any
        }

        public enum Way: Hashable, Sendable {
            case direct
            case socks5(Host, port: UInt16)
            case http(Host, port: UInt16)
            /// An HTTP proxy behind TLS.
            case https(Host, port: UInt16)
        }

        public struct Rule: Hashable, Sendable {
            public var pattern: Pattern
            /// In the order in which a browser tries them; nothing means `DIRECT`.
            public var ways: [Way]

            public init(_ pattern: Pattern, _ ways: [Way]) {
                self.pattern = pattern
                self.ways = ways
            }
        }

        /// The first one that matches counts; `DIRECT` where none does.
        public var rules: [Rule]

        public init(_ rules: [Rule]) { self.rules = rules }

        /// JavaScript with the function that browsers call.
        ///
        /// - Throws: ``WireError`` `.badValue` in `pac.proxy` for a proxy whose name could be read as more than one, in
        ///   `pac.network` for a length that the address does not have.
        public func script() throws(WireError) -> String {
            var lines = ["function FindProxyForURL(url, host) {", "  host = host.toLowerCase().replace(/\\.$/, \"\");"]
            for rule in self.rules {
                let ways = Self.quoted(try Self.ways(rule.ways))
                lines.append("  if (\(try Self.condition(rule.pattern))) return \(ways);")
            }
            lines += ["  return \"DIRECT\";", "}", ""]
            return lines.joined(separator: "\n")
        }
    }
}

extension WebSocks.PACFile {
    private static func condition(_ pattern: Pattern) throws(WireError) -> String {
        switch pattern {
        case .any: return "true"
        case .suffix(let name):
            let bare = name.lowercased().drop { $0 == "." }
            return "host === \(Self.quoted(String(bare))) || dnsDomainIs(host, \(Self.quoted("." + bare)))"
        case .wildcard(let text): return "shExpMatch(host, \(Self.quoted(text.lowercased())))"
        case .network(let address, let length):
            guard (0...address.bitWidth).contains(length) else {
                throw WireError(.badValue, in: "pac.network", found: "/\(length)")
            }
            switch address.family {
            case .v4:
                let mask = length == 0 ? 0 : UInt32.max << UInt32(32 - length)
                let network = "isInNet(host, \"\(address)\", \"\(IPAddress(v4: mask))\")"
                return "/^[0-9]+(\\.[0-9]+){3}$/.test(host) && \(network)"
            case .v6:
                return "host.indexOf(\":\") >= 0 && typeof isInNetEx === \"function\""
                    + " && isInNetEx(host, \"\(address)/\(length)\")"
            }
        }
    }

    private static func ways(_ ways: [Way]) throws(WireError) -> String {
        var texts: [String] = []
        for way in ways {
            switch way {
            case .direct: texts.append("DIRECT")
            case .socks5(let host, let port): texts.append("SOCKS5 \(try Self.place(host, port))")
            case .http(let host, let port): texts.append("PROXY \(try Self.place(host, port))")
            case .https(let host, let port): texts.append("HTTPS \(try Self.place(host, port))")
            }
        }
        return texts.isEmpty ? "DIRECT" : texts.joined(separator: "; ")
    }

    private static func place(_ host: Host, _ port: UInt16) throws(WireError) -> String {
        if case .name(let name) = host, HostName(name) == nil {
            throw WireError(.badValue, in: "pac.proxy", found: "what is no host name")
        }
        return Destination.tcp(host, port: port).description
    }

    /// A string of JavaScript; only printable ASCII is left as it is, and nothing that ends a script in a page.
    static func quoted(_ text: String) -> String {
        var result = "\""
        for unit in text.utf16 {
            switch unit {
            case 0x22, 0x5C: result += "\\" + String(UnicodeScalar(UInt8(truncatingIfNeeded: unit)))
            case 0x20...0x7E where unit != 0x3C && unit != 0x3E && unit != 0x26:
                result += String(UnicodeScalar(UInt8(truncatingIfNeeded: unit)))
            default:
                let digits = String(unit, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            }
        }
        return result + "\""
    }
}
