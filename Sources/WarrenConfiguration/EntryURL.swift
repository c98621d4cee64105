// SPDX-License-Identifier: Apache-2.0

/// The parts of `scheme[+tls]://authority/path?key=value&…`, decoded.
///
/// Other than a URL for the web: `+` is itself, nothing but the query holds settings, and secrets are refused.
struct EntryURL: Hashable, Sendable {
    /// In lower case, what follows a `+` not included: `socks5`.
    let type: String
    /// What follows each `+` of the scheme: `tls`, `relay`.
    let options: [String]
    /// `host:port`; may be empty.
    let authority: String
    /// Without the slash it starts with; may be empty.
    let path: String
    /// In the order they were written.
    let items: [Item]

    struct Item: Hashable, Sendable {
        let key: String
        let value: String
    }

    /// - Throws: a ``Refusal`` whose sentence follows the place of the argument.
    ///
    /// - Parameter loginHint: what to write instead of a login in the URL.
    init(_ text: String, loginHint: String = "use the keys user and passwordFile") throws(Refusal) {
        guard let (scheme, rest) = Self.split(text, at: "://") else {
            throw Refusal("this is not a URL", hint: "write type://host:port, such as mixed://127.0.0.1:1080")
        }
        let words = scheme.lowercased().split(separator: "+", omittingEmptySubsequences: false).map(String.init)
        self.type = words.first ?? ""
        self.options = Array(words.dropFirst())
        let (location, query) = Self.split(rest, at: "?") ?? (rest, "")
        let (authority, path) = Self.split(location, at: "/") ?? (location, "")
        // Behind a ? or a / stands the rest of a password that holds one.
        guard !location.contains("@"),
            !query.split(separator: "&").contains(where: { !$0.contains("=") && $0.contains("@") })
        else {
            let hint = loginHint
            throw Refusal("a user or a password does not belong here, where every process sees it", hint: hint)
        }
        guard !rest.contains("#") else {
            throw Refusal("# has no meaning in this URL", hint: "write %23 for the character")
        }
        self.authority = try Self.decoded(authority)
        self.path = try Self.decoded(path)
        var items: [Item] = []
        for part in query.split(separator: "&") {
            guard let (key, value) = Self.split(part, at: "="), !key.isEmpty else {
                throw Refusal("every part of the query needs a key and a value", hint: "write key=value&key=value")
            }
            items.append(Item(key: try Self.decoded(key), value: try Self.decoded(value)))
        }
        self.items = items
    }

    /// The URL as a message may show it: no user information, no query, at most 60 characters.
    static func shown(_ text: String) -> String? {
        guard let (scheme, rest) = Self.split(text, at: "://") else { return nil }
        let end = rest.firstIndex { "?#".contains($0) } ?? rest.endIndex
        var location = rest[..<end]
        if let at = location.lastIndex(of: "@") {
            location = "…" + location[at...]
        } else if rest[end...].contains("@"), location.contains(":") {
            // The start of a password that holds one of the two, perhaps.
            return "\(quoted(String(scheme)).dropFirst().dropLast())://…"
        }
        let plain = quoted("\(scheme)://\(location)").dropFirst().dropLast()
        return end < rest.endIndex ? "\(plain)?…" : String(plain)
    }

    private static func split(_ text: some StringProtocol, at mark: String) -> (Substring, Substring)? {
        let text = Substring(text)
        guard let range = text.firstRange(of: mark) else { return nil }
        return (text[..<range.lowerBound], text[range.upperBound...])
    }

    private static func decoded(_ text: Substring) throws(Refusal) -> String {
        var bytes: [UInt8] = []
        var rest = text.utf8
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            let digits = rest.prefix(2)
            rest = rest.dropFirst(2)
            guard digits.count == 2, digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
                let code = UInt8(String(Substring(digits)), radix: 16)
            else {
                throw Refusal("a % must be followed by two hexadecimal digits", hint: "write %25 for the character")
            }
            bytes.append(code)
        }
        guard let decoded = String(validating: bytes, as: UTF8.self) else {
            throw Refusal("the percent codes do not give UTF-8 text", hint: "write the characters themselves")
        }
        return decoded
    }
}
