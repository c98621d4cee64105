// SPDX-License-Identifier: Apache-2.0

package import WarrenConfiguration

/// What can be written in one place of a configuration, from what the reader of that place asks for.
package struct ConfigurationHelp {
    /// Unique, such as `jproxy inbound` for a type and `limits` for a block.
    package let title: String
    /// What is asked for by `warren help config WORD`; several places may share it.
    package let word: String
    /// Nil for a block.
    package let role: Entry.Role?
    /// Those of a type without those that every entry of its role has.
    package let keys: [KeyDescription]

    /// The blocks in the order of a file, then all types.
    package static var all: [ConfigurationHelp] { self.blocks + self.types }

    private static var types: [ConfigurationHelp] {
        let limits = Configuration().limits
        var all: [ConfigurationHelp] = []
        func add(_ role: Entry.Role, _ type: EntryType, _ read: (Entry) -> Void) {
            let entry = Entry.sample(role, type: type.name)
            read(entry)
            all.append(
                ConfigurationHelp(
                    title: "\(type.name) \(role.rawValue)", word: type.name, role: role, keys: entry.section.keys))
        }
        for type in Registry.inbounds { add(.inbound, type.entry) { _ = type.read($0, limits) } }
        for type in Registry.outbounds { add(.outbound, type.entry) { _ = type.read($0, limits) } }
        for type in Registry.relays { add(.relay, type.entry) { _ = type.read($0, limits) } }
        return all
    }

    private static var blocks: [ConfigurationHelp] {
        let file = Configuration.sample(types: Registry.types)
        let mixed = Entry.sample(.inbound, type: "mixed")
        _ = InboundType.mixed.read(mixed, Configuration().limits)
        _ = mixed.section.accountPlan()
        let inbound = file.below("inbounds")
        _ = inbound?.accountPlan()
        let blocks: [(title: String, word: String, section: Section?)] = [
            ("file", "file", file),
            ("log", "log", file.below("log")),
            ("admin", "admin", file.below("admin")),
            ("inbounds", "inbounds", inbound),
            ("outbounds", "outbounds", file.below("outbounds")),
            ("relays", "relays", file.below("relays")),
            ("routes", "routes", file.below("routes")),
            ("egress", "egress", file.below("egress")),
            ("limits", "limits", file.below("limits")),
            ("limits of an inbound", "limits", inbound?.below("limits")),
            ("users", "users", mixed.section.below("users")),
            ("tls", "tls", mixed.section.below("tls")),
            ("pac", "pac", mixed.section.below("pac")),
        ]
        return blocks.map {
            // Not every type has users.
            let hidden: Set<String> = $0.title == "inbounds" ? ["users"] : []
            let keys = ($0.section?.keys ?? []).filter { !hidden.contains($0.name) }
            return ConfigurationHelp(title: $0.title, word: $0.word, role: nil, keys: keys)
        }
    }

    /// What it is, in one line.
    package var purpose: String? { KeyPurposes.places[self.title] }

    /// What a key is for; nil for one that nobody has described.
    package func purpose(of key: String) -> String? {
        let own = KeyPurposes.own[self.title]?[key]
        return self.role == nil ? own : own ?? KeyPurposes.shared[key]
    }

    /// What holds where the key is not there.
    package func need(of key: KeyDescription) -> String {
        if key.isRequired { return "required" }
        let usual = KeyPurposes.usual["\(self.title) \(key.name)"] ?? key.usual
        return usual.map { "default: \($0)" } ?? "optional"
    }
}

// MARK: - As text

extension ConfigurationHelp {
    private var text: String {
        var lines = ["\(self.title)\(self.purpose.map { ": \($0)" } ?? "")"]
        if let role {
            lines.append("  besides the keys of all \(role.rawValue)s (warren help config \(role.rawValue)s)")
        }
        let width = self.keys.map(\.name.count).max() ?? 0
        let indent = String(repeating: " ", count: width + 4)
        for key in self.keys {
            let pad = String(repeating: " ", count: width - key.name.count)
            lines.append("  \(key.name)\(pad)  \(self.purpose(of: key.name) ?? "")")
            lines.append("\(indent)\([key.expected, self.need(of: key)].compactMap { $0 }.joined(separator: "; "))")
        }
        if self.keys.isEmpty { lines.append("  no keys of its own") }
        return lines.joined(separator: "\n")
    }

    /// Every word that can be asked for, each once.
    package static var words: [String] {
        self.all.reduce(into: []) { words, help in if !words.contains(help.word) { words.append(help.word) } }
    }

    /// The names of all blocks and types.
    package static var overview: String {
        let all = self.all
        var blocks: [String] = []
        for help in all where help.role == nil && !blocks.contains(help.word) { blocks.append(help.word) }
        let lines = Entry.Role.allCases.map { role in
            let types = all.filter { $0.role == role }.map(\.word).joined(separator: ", ")
            return "types of \(role.rawValue)s: \(types)"
        }
        return
            (["blocks: \(blocks.joined(separator: ", "))"] + lines + [
                "warren help config WORD shows the keys of a block or a type."
            ]).joined(separator: "\n")
    }

    /// All places of that name, one after the other; nil if there is none.
    package static func text(of word: String) -> String? {
        let texts = self.all.filter { $0.word == word }.map(\.text)
        return texts.isEmpty ? nil : texts.joined(separator: "\n\n")
    }
}
