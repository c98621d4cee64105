// SPDX-License-Identifier: Apache-2.0

import WarrenConfiguration
import WarrenRuntime

/// Which outbounds are reached through which others (`through:`).
struct Chains {
    private var nearer: [String: Located<String>] = [:]

    init(_ configuration: Configuration) {
        for entry in configuration.outbounds { self.nearer[entry.name] = entry.through }
    }

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
}
