// SPDX-License-Identifier: Apache-2.0

package import WarrenConfiguration

/// What can be written in a configuration, from what the readers of the types ask for.
package struct ConfigurationHelp {
    package let role: Entry.Role
    package let type: String
    /// The keys of the type, without those that every entry of its role has.
    package let keys: [KeyDescription]

    package static var all: [ConfigurationHelp] {
        let limits = Configuration().limits
        var all: [ConfigurationHelp] = []
        func add(_ role: Entry.Role, _ type: EntryType, _ read: (Entry) -> Void) {
            let entry = Entry.empty(role, type: type.name)
            read(entry)
            all.append(ConfigurationHelp(role: role, type: type.name, keys: entry.section.keys))
        }
        for type in Registry.inbounds { add(.inbound, type.entry) { _ = type.read($0, limits) } }
        for type in Registry.outbounds { add(.outbound, type.entry) { _ = type.read($0, limits) } }
        for type in Registry.relays { add(.relay, type.entry) { _ = type.read($0, limits) } }
        return all
    }

    /// What a key is for; nil for one that nobody has described.
    package func purpose(of key: String) -> String? {
        KeyPurposes.own["\(self.type) \(self.role.rawValue)"]?[key] ?? KeyPurposes.shared[key]
    }

    package var text: String {
        var lines = ["\(self.type) \(self.role.rawValue)"]
        let name = self.role == .relay ? "" : ", through"
        let common = "type, name" + (self.role == .inbound ? ", to, limits" : "") + name
        lines.append("  besides \(common), where they apply (docs/configuration.md):")
        let width = self.keys.map(\.name.count).max() ?? 0
        for key in self.keys {
            let pad = String(repeating: " ", count: width - key.name.count)
            lines.append("  \(key.name)\(pad)  \(self.purpose(of: key.name) ?? "")")
            let indent = String(repeating: " ", count: width + 4)
            // The default of this one is that of the machine.
            let usual = key.name == "instance" ? "this machine's host name" : key.usual
            let need = key.isRequired ? "required" : usual.map { "default: \($0)" } ?? "optional"
            lines.append("\(indent)\([key.expected, need].compactMap { $0 }.joined(separator: "; "))")
        }
        if self.keys.isEmpty { lines.append("  no keys of its own") }
        return lines.joined(separator: "\n")
    }

    /// The names of all types, role by role.
    package static var overview: String {
        let all = self.all
        let lines = Entry.Role.allCases.map { role in
            let types = all.filter { $0.role == role }.map(\.type).joined(separator: ", ")
            return "\(role.rawValue)s: \(types)"
        }
        return (lines + ["warren help config TYPE shows the keys of a type."]).joined(separator: "\n")
    }

    /// All roles of a type, one after the other; nil if there is none.
    package static func text(of type: String) -> String? {
        let texts = self.all.filter { $0.type == type }.map(\.text)
        return texts.isEmpty ? nil : texts.joined(separator: "\n\n")
    }
}
