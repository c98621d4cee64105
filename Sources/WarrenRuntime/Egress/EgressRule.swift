// SPDX-License-Identifier: Apache-2.0

package import WarrenCore

/// One line of `egress.allow` or `egress.deny`: `public`, `private`, `loopback`, an address, a network or a host
/// pattern, each for every port or for one.
package struct EgressRule: Hashable, Sendable {
    package enum Subject: Hashable, Sendable {
        case `class`(AddressClass)
        case network(IPAddress, length: Int)
        /// The text of a ``HostName``.
        case host(String)
        /// Every name under this one, but not the name itself: `*.example.net`.
        case subdomains(of: String)
    }

    package var subject: Subject
    /// Nil means every port.
    package var port: UInt16?

    package init(_ subject: Subject, port: UInt16? = nil) {
        self.subject = subject
        self.port = port
    }

    package static let `public` = EgressRule(.class(.public))
    package static let `private` = EgressRule(.class(.private))
    package static let loopback = EgressRule(.class(.loopback))
}

// MARK: - Matching

extension EgressRule {
    /// Whether this rule, in `deny`, names the destination: by the address written or by the one it stands for.
    func denies(_ address: IPAddress, port: UInt16, name: HostName?) -> Bool {
        guard self.port == nil || self.port == port else { return false }
        switch self.subject {
        case .class(let wanted): return AddressClass(address) == wanted
        case .network(let prefix, let length):
            return address.hasPrefix(prefix, length: length)
                || address.embedded?.address.hasPrefix(prefix, length: length) ?? false
        case .host, .subdomains: return self.names(name)
        }
    }

    /// Whether this rule, in `allow`, names the destination. A wide IPv6 network such as `::/0` says nothing about the
    /// IPv4 addresses that some of its addresses stand for.
    func allows(_ address: IPAddress, port: UInt16, name: HostName?) -> Bool {
        guard self.port == nil || self.port == port else { return false }
        switch self.subject {
        case .class(let wanted): return AddressClass(address) == wanted
        case .network(let prefix, let length):
            guard let (reached, prefixLength) = address.embedded else {
                return address.hasPrefix(prefix, length: length)
            }
            return reached.hasPrefix(prefix, length: length)
                || length >= prefixLength && address.hasPrefix(prefix, length: length)
        case .host, .subdomains: return self.names(name)
        }
    }

    /// The same for a host that has a name and no address yet.
    func names(_ name: HostName?, port: UInt16) -> Bool {
        (self.port == nil || self.port == port) && self.names(name)
    }

    private func names(_ name: HostName?) -> Bool {
        guard let name else { return false }
        switch self.subject {
        case .host(let wanted): return name.text == wanted
        case .subdomains(let parent): return name.isUnder(parent)
        case .class, .network: return false
        }
    }
}

extension EgressRule: CustomStringConvertible {
    /// The rule as it can be written, in its shortest form.
    package var description: String {
        let suffix = self.port.map { ":\($0)" } ?? ""
        switch self.subject {
        case .class(let found): return found.rawValue + suffix
        case .network(let prefix, let length):
            let text = length == prefix.bitWidth ? "\(prefix)" : "\(prefix)/\(length)"
            return (prefix.family == .v6 && self.port != nil ? "[\(text)]" : text) + suffix
        case .host(let name):
            return (name.utf8.contains(UInt8(ascii: ".")) || name == "localhost" ? name : name + ".") + suffix
        case .subdomains(let parent): return "*." + parent + suffix
        }
    }
}

// MARK: - Text

extension EgressRule {
    /// What a rule of one label can say.
    package static let words = ["public", "private", "loopback", "localhost"]

    /// What is wrong with the text of a rule, in one sentence.
    package struct ParseError: Error, Hashable, Sendable, CustomStringConvertible {
        package let description: String
        /// What may have been meant as one of ``EgressRule/words``.
        package let word: String?

        init(_ description: String, word: String? = nil) {
            self.description = description
            self.word = word
        }
    }

    /// Reads a rule as it stands in the configuration.
    ///
    /// | text | means |
    /// |---|---|
    /// | `public`, `private`, `loopback` | the addresses of this class |
    /// | `192.0.2.7`, `2001:db8::1` | one address |
    /// | `10.0.0.0/8`, `2001:db8::/32` | a network |
    /// | `example.net`, `*.example.net` | whatever address this name, or a name under it, has |
    /// | `nas.` | the same for a name of one label, which without its dot would be a word |
    /// | `public:443`, `[2001:db8::/32]:443` | the same on one port |
    package init(_ text: String) throws(ParseError) {
        guard !text.isEmpty else { throw ParseError("The rule is empty.") }
        guard text.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7F }) else {
            throw ParseError("'\(text)' holds white space or a control character.")
        }
        let (subject, port) = try Self.split(text)
        self.port = try port.map { (port) throws(ParseError) in try Self.port(port, of: text) }
        self.subject = try Self.subject(subject)
    }

    private static func split(_ text: String) throws(ParseError) -> (Substring, Substring?) {
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else { throw ParseError("'\(text)' has '[' without ']'.") }
            let inside = text[text.index(after: text.startIndex)..<end]
            guard inside.contains(":") else {
                throw ParseError("'\(text)': only IPv6 addresses and networks are written in brackets.")
            }
            let rest = text[text.index(after: end)...]
            if rest.hasPrefix("/") {
                throw ParseError(
                    "'\(text)': write the prefix length inside the brackets, [\(inside)\(rest.prefix { $0 != ":" })].")
            }
            guard rest.isEmpty || rest.hasPrefix(":") else {
                throw ParseError("'\(text)' goes on after ']' with no ':'.")
            }
            return (inside, rest.isEmpty ? nil : rest.dropFirst())
        }
        guard let colon = text.firstIndex(of: ":") else { return (text[...], nil) }
        guard let last = text.lastIndex(of: ":"), last != colon else {
            return (text[..<colon], text[text.index(after: colon)...])
        }
        // Many colons are IPv6, and then there is no port without brackets.
        if let slash = text.firstIndex(of: "/"), slash < last {
            throw ParseError("'\(text)': an IPv6 network with a port is written [\(text[..<last])]\(text[last...]).")
        }
        return (text[...], nil)
    }

    private static func port(_ digits: Substring, of text: String) throws(ParseError) -> UInt16 {
        guard digits.utf8.allSatisfy(\.isDigit), let port = UInt16(digits), port != 0 else {
            throw ParseError("'\(digits)' in '\(text)' is not a port from 1 to 65535.")
        }
        return port
    }

    private static func subject(_ text: Substring) throws(ParseError) -> Subject {
        let word = text.lowercased()
        switch word {
        case "public": return .class(.public)
        case "private": return .class(.private)
        case "loopback": return .class(.loopback)
        case "":
            throw ParseError(
                "The rule has a port and nothing before it; for every address write 'public' and 'private'.")
        case "any", "all", "*", "everything":
            throw ParseError("'\(text)' is not a rule; for every address write 0.0.0.0/0 and ::/0.")
        case "metadata", "linklocal", "link-local", "multicast", "reserved", "unspecified":
            throw ParseError(
                "'\(text)' is not a class that rules know (public, private, loopback); write an address or a network.")
        default: break
        }
        guard !text.contains("%") else { throw ParseError("'\(text)': a rule cannot name an interface (%).") }
        if text.contains("/") { return try Self.network(text) }
        if let address = IPAddress(String(text)) { return .network(address, length: address.bitWidth) }
        guard !text.contains(":") else { throw ParseError("'\(text)' is not an IPv6 address.") }
        if word.hasPrefix("*.") { return .subdomains(of: try Self.name(word.dropFirst(2), of: text)) }
        return try Self.host(word[...], of: text)
    }

    private static func network(_ text: Substring) throws(ParseError) -> Subject {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let address = IPAddress(String(parts[0])) else {
            throw ParseError("'\(text)' is not a network: before '/' must stand an IP address, after it a number.")
        }
        guard !parts[1].isEmpty, parts[1].utf8.allSatisfy(\.isDigit), let length = Int(parts[1]),
            length <= address.bitWidth
        else { throw ParseError("'\(parts[1])' in '\(text)' is not a prefix length from 0 to \(address.bitWidth).") }
        let first = address.masked(to: length)
        guard first == address else {
            throw ParseError(
                "'\(text)' has bits after its prefix; the network is \(first)/\(length), the address \(address).")
        }
        return .network(address, length: length)
    }

    private static func name(_ text: Substring, of rule: Substring) throws(ParseError) -> String {
        guard !text.contains("*") else {
            throw ParseError("'\(rule)': a '*' may only be the whole first label, as in *.example.net.")
        }
        guard let name = HostName(String(text)) else {
            throw ParseError(
                "'\(rule)' is neither public, private, loopback, nor an address, a network or a host name.")
        }
        // No top-level domain is a number, so this was meant as an address.
        let last = name.text.utf8.split(separator: UInt8(ascii: ".")).last
        guard let last, !last.allSatisfy(\.isDigit) else {
            throw ParseError("'\(rule)' is not an IPv4 address: it takes four numbers from 0 to 255.")
        }
        return name.text
    }

    /// A name of one label is more often a mistyped word, which would forbid or allow nothing.
    private static func host(_ text: Substring, of rule: Substring) throws(ParseError) -> Subject {
        let name = try Self.name(text, of: rule)
        guard name.utf8.contains(UInt8(ascii: ".")) || text.hasSuffix(".") || name == "localhost" else {
            throw ParseError(
                "'\(rule)' is none of the words \(Self.words.joined(separator: ", ")); a host of this name is written "
                    + "'\(rule).'.",
                word: name
            )
        }
        return .host(name)
    }
}

extension IPAddress {
    /// The first address of the network of this prefix length; a length of 0 to ``bitWidth``.
    fileprivate func masked(to length: Int) -> IPAddress {
        switch self.family {
        case .v4: IPAddress(v4: UInt32(truncatingIfNeeded: self.low) & UInt32.max << (32 - length))
        case .v6:
            IPAddress(
                high: self.high & UInt64.max << max(0, 64 - length),
                low: self.low & UInt64.max << min(64, 128 - length)
            )
        }
    }
}
