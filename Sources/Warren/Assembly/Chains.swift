// SPDX-License-Identifier: Apache-2.0

import WarrenRuntime

/// Which outbounds are reached through which others (`through:`), and which must live on one loop.
struct Chains {
    private var nearer: [String: Located<String>] = [:]
    /// For each outbound that shares its loop with others, one of them.
    private var groups: [String: String] = [:]

    init(_ configuration: Configuration) {
        for entry in configuration.outbounds { self.nearer[entry.name] = entry.through }
        for entry in configuration.outbounds { self.join([entry.name, entry.through?.value]) }
        for entry in configuration.inbounds {
            // A carrier's loop is that of the streams that come over it, a listener's that of wherever its streams may go.
            let rules = Assembly.rules(for: entry.name, configuration.routes)
            self.join([entry.to?.value, entry.through?.value] + rules.flatMap(\.target.names))
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

    /// `direct` is at home on every loop.
    private mutating func join(_ names: [String?]) {
        let bound = names.compactMap { $0 }.filter { $0 != EntryList.direct }
        guard let first = bound.first, bound.count > 1 else { return }
        for name in bound where self.groups[name] == nil { self.groups[name] = name }
        for name in bound.dropFirst() { self.groups[self.root(of: name)] = self.root(of: first) }
    }
}
