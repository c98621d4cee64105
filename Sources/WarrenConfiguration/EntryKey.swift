// SPDX-License-Identifier: Apache-2.0

/// One key of an entry and its value, as the argument of a command gave them; `tls.ca` is the key under a key.
public struct EntryKey: Hashable, Sendable {
    public let key: String
    public let value: String
    /// What the user wrote it for: `--to`, `RELAY`. Messages about the value start with it.
    public let label: String

    public init(_ key: String, _ value: String, label: String) {
        self.key = key
        self.value = value
        self.label = label
    }
}

extension Configuration {
    /// One inbound, and the outbound it leads to; `direct` if that has no keys.
    package init(inbound: [EntryKey], outbound: [EntryKey], types: EntryTypes, _ findings: Findings) {
        self.init()
        let name = "far"
        let ends = outbound.isEmpty ? [] : [EntryKey("name", name, label: "name")]
        let leads = outbound.isEmpty ? [] : [EntryKey("to", name, label: "to")]
        let outbounds = outbound.isEmpty ? [] : [Self.section(outbound + ends, findings)]
        self.readEntries([Self.section(inbound + leads, findings)], outbounds, [], types: types, findings: findings)
    }

    private static func section(_ arguments: [EntryKey], _ findings: Findings) -> Section {
        let pairs = arguments.enumerated().map { position, argument in
            let place = Place(argument: argument.label, position: position)
            let keys = argument.key.split(separator: ".").map(String.init)
            var node = ConfigNode(.scalar(.init(argument.value, isQuoted: true)), at: place)
            for key in keys.dropFirst().reversed() { node = ConfigNode(.map([.init(key, at: place, node)]), at: place) }
            return ConfigNode.Pair(keys.first ?? "", at: place, node)
        }
        let whole = Place.command
        return Section(ConfigNode(.map(pairs), at: whole), folder: "", findings: findings)
    }
}
