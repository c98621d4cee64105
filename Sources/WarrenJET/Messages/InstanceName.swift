// SPDX-License-Identifier: Apache-2.0

/// A relay's name: `host`, `host:port`, `[2001:db8::1]:port` or a bare IPv6 address.
struct InstanceName: Hashable, Sendable {
    /// Without brackets.
    let host: String
    let port: UInt16?

    init(_ text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]),
            text[..<colon].hasSuffix("]") || !text[..<colon].contains(":")
        else {
            self.host = Self.bare(text[...])
            self.port = nil
            return
        }
        self.host = Self.bare(text[..<colon])
        self.port = port
    }

    var hostInURL: String { self.host.contains(":") ? "[\(self.host)]" : self.host }

    func hasSameHost(as other: InstanceName) -> Bool { self.host.lowercased() == other.host.lowercased() }

    private static func bare(_ text: Substring) -> String {
        String(text.hasPrefix("[") && text.hasSuffix("]") ? text.dropFirst().dropLast() : text)
    }
}
