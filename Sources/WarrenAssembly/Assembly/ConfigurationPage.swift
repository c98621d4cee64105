// SPDX-License-Identifier: Apache-2.0

import WarrenConfiguration

/// A page in Markdown with tables of keys between `<!-- keys: TITLE -->`, or `<!-- types: ROLE -->`, and `<!-- end -->`.
package enum ConfigurationPage {
    /// The page with all its tables made anew, and the titles of those that it has.
    package static func renewed(_ page: String) -> (text: String, titles: [String]) {
        var (lines, titles): ([String], [String]) = ([], [])
        var isOld = false
        for line in page.split(separator: "\n", omittingEmptySubsequences: false).map(String.init) {
            if isOld, line == "<!-- end -->" { isOld = false }
            if !isOld { lines.append(line) }
            guard let match = line.wholeMatch(of: /<!-- (keys|types): (.+) -->/) else { continue }
            let title = String(match.2)
            let table = match.1 == "keys" ? Self.keys(title) : Self.types(title)
            guard let table else { continue }
            titles.append(title)
            lines += table
            isOld = true
        }
        return (lines.joined(separator: "\n"), titles)
    }

    private static func keys(_ title: String) -> [String]? {
        guard let help = ConfigurationHelp.all.first(where: { $0.title == title }) else { return nil }
        return ["| key | is | without it | means |", "|---|---|---|---|"]
            + help.keys.map { key in
                let (name, need) = ("`\(key.name)`", help.need(of: key).replacing("default: ", with: ""))
                return Self.row([name, key.expected ?? "", need, help.purpose(of: key.name) ?? ""])
            }
    }

    private static func types(_ role: String) -> [String]? {
        guard let role = Entry.Role(rawValue: role) else { return nil }
        return ["| \(role.rawValue) | is |", "|---|---|"]
            + ConfigurationHelp.all.filter { $0.role == role }.map { Self.row(["`\($0.word)`", $0.purpose ?? ""]) }
    }

    private static func row(_ cells: [String]) -> String {
        "| " + cells.map { $0.replacing("|", with: "\\|") }.joined(separator: " | ") + " |"
    }
}
