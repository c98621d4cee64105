// SPDX-License-Identifier: Apache-2.0

/// Which outbounds are reached through which others (`through:`).
struct Chains {
    private var nearer: [String: Located<String>] = [:]
    /// For each outbound that shares its loop with others, one of them.
    private var groups: [String: String] = [:]

    init(_ inbounds: [Entry], _ outbounds: [Entry]) {
        for entry in outbounds { self.nearer[entry.name] = entry.through }
        for entry in outbounds {
            if let through = entry.through { self.join(entry.name, through.value) }
        }
        for entry in inbounds {
            // The carrier's loop is that of the streams that come over it.
            if let through = entry.through { self.join(entry.to?.value ?? EntryList.direct, through.value) }
        }
    }

    /// Whether it lives on the loop of another one: then the same word for all of them.
    func group(of name: String) -> String? { self.groups[name] == nil ? nil : self.root(of: name) }

    /// How many others it is reached through.
    func depth(of name: String) -> Int {
        var (count, next) = (0, self.nearer[name])
        while let through = next, count <= self.nearer.count { (count, next) = (count + 1, self.nearer[through.value]) }
        return count
    }

    /// Reports every outbound that is reached through itself.
    func check(_ findings: Findings) {
        for (name, through) in self.nearer {
            var (seen, next) = (Set([name]), through as Located<String>?)
            while let step = next, seen.insert(step.value).inserted { next = self.nearer[step.value] }
            guard next?.value == name else { continue }
            let hint = "take one \"through\" out of the circle"
            findings.report("\(quoted(name)) would be reached through itself", at: through.place, hint: hint)
        }
    }

    private func root(of name: String) -> String {
        var root = name
        while let next = self.groups[root], next != root { root = next }
        return root
    }

    private mutating func join(_ one: String, _ other: String) {
        for name in [one, other] where self.groups[name] == nil { self.groups[name] = name }
        self.groups[self.root(of: one)] = self.root(of: other)
    }
}
