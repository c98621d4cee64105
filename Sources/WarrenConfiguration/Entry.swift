// SPDX-License-Identifier: Apache-2.0

/// One inbound, outbound or relay: what all types have in common, and a section for what only its type knows.
///
/// Whoever knows the type reads the rest of ``section`` and then calls its `finish()`, once per entry.
package struct Entry {
    package enum Role: String, Hashable, Sendable, CaseIterable {
        case inbound
        case outbound
        case relay
    }

    /// The name and the type of an outbound that always exists.
    package static let direct = "direct"

    package let role: Role
    /// Unique among the entries of its role; `socks5-2` for the second without a name.
    package let name: String
    /// One of the known types.
    package let type: String
    /// The outbound an inbound sends its streams to; nil means `direct`. Always a name that exists.
    package let to: Located<String>?
    /// The outbound through which its carriers are dialled; nil to dial them directly. Always a name that exists.
    package let through: Located<String>?
    package let place: Place
    package let section: Section

    /// It stands for the arguments of a command such as `jet connect`, and has a name that nobody gave.
    package var isOfCommand: Bool { self.place == .command }
}

/// What a type is called, and where the parts of its URL form go.
package struct EntryType: Hashable, Sendable {
    package let name: String
    /// The key that the `host:port` of a URL fills; nil if the type has none.
    package let authority: String?
    /// The key that the path of a URL fills: `forward://:8080/target:80`.
    package let path: String?

    package init(_ name: String, authority: String?, path: String? = nil) {
        self.name = name
        self.authority = authority
        self.path = path
    }
}

/// All types a configuration may name.
package struct EntryTypes: Hashable, Sendable {
    package var inbounds: [EntryType]
    package var outbounds: [EntryType]
    package var relays: [EntryType]

    package init(inbounds: [EntryType], outbounds: [EntryType], relays: [EntryType]) {
        self.inbounds = inbounds
        self.outbounds = outbounds
        self.relays = relays
    }

    package subscript(role: Entry.Role) -> [EntryType] {
        switch role {
        case .inbound: self.inbounds
        case .outbound: self.outbounds
        case .relay: self.relays
        }
    }
}
