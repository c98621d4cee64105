// SPDX-License-Identifier: Apache-2.0

/// Reads the lists of entries and checks what holds between them: names, types and where streams go.
struct EntryList {
    private struct Draft {
        let name: Located<String>?
        let type: Located<String>?
        let to: Located<String>?
        let through: Located<String>?
        let section: Section
        /// False if there is no type, or it has been reported.
        let isKnown: Bool
    }

    /// All names, those of entries of unknown types included.
    private(set) var names: [String] = []
    private(set) var entries: [Entry] = []
    private var targets: [Located<String>] = []
    private let role: Entry.Role
    private let findings: Findings

    init(_ role: Entry.Role, _ sections: [Section], types: EntryTypes, findings: Findings) {
        self.role = role
        self.findings = findings
        let drafts = sections.map { self.draft($0, types: types) }
        self.targets = drafts.compactMap(\.to) + drafts.compactMap(\.through)
        var taken = self.explicitNames(of: drafts)
        self.names = Array(taken)
        var numbers: [String: Int] = [:]
        for draft in drafts {
            guard let type = draft.type?.value else { continue }
            var name = draft.name?.value ?? type
            while draft.name == nil, !taken.insert(name).inserted {
                numbers[type, default: 1] += 1
                name = "\(type)-\(numbers[type, default: 1])"
            }
            if draft.name == nil { self.names.append(name) }
            guard draft.isKnown else { continue }
            let section = draft.section
            self.entries.append(
                Entry(
                    role: role, name: name, type: type, to: draft.to, through: draft.through, place: section.place,
                    section: section)
            )
        }
    }

    /// Reports every `to` and `through` that names no outbound.
    func checkTargets(among outbounds: [String]) {
        let known = Set(outbounds).union([Entry.direct])
        for to in self.targets where !known.contains(to.value) {
            let hint = Nearest.hint("outbound", for: to.value, among: Array(known))
            self.findings.report("there is no outbound \(quoted(to.value))", at: to.place, hint: hint)
        }
    }

    private func draft(_ section: Section, types: EntryTypes) -> Draft {
        let name = section.optional("name", .located(.name))
        let to = self.role == .inbound ? section.optional("to", .located(.name)) : nil
        let through = self.role == .relay ? nil : section.optional("through", .located(.name))
        let known = types[self.role].map(\.name)
        let type: Located<String>? = section.required(
            "type", .located(.text("one of the types \(known.sorted().joined(separator: ", "))")))
        let isKnown = type.map { known.contains($0.value) } ?? false
        if let type, !isKnown {
            let home = Entry.Role.allCases.first { types[$0].contains { $0.name == type.value } }
            let hint =
                home.map { "an entry of this type belongs under \($0.rawValue)s:" }
                ?? Nearest.hint("type", for: type.value, among: known)
            let what = "there is no \(self.role.rawValue) of type \(quoted(type.value))"
            self.findings.report(what, at: type.place, hint: hint)
        }
        return Draft(name: name, type: type, to: to, through: through, section: section, isKnown: isKnown)
    }

    /// Reports names that are used twice or reserved.
    private func explicitNames(of drafts: [Draft]) -> Set<String> {
        var places: [String: Place] = [:]
        for draft in drafts {
            guard let name = draft.name else { continue }
            if self.role == .outbound, name.value == Entry.direct, draft.type?.value != Entry.direct {
                let what = "the name direct is reserved for the outbound of type direct"
                self.findings.report(what, at: name.place, hint: "choose another name")
            }
            if let earlier = places[name.value] {
                let hint = "first used at \(earlier)"
                self.findings.report("the name \(quoted(name.value)) is taken", at: name.place, hint: hint)
            } else {
                places[name.value] = name.place
            }
        }
        return Set(places.keys)
    }
}
