// SPDX-License-Identifier: Apache-2.0

/// The word a mistyped one was probably meant to be.
package enum Nearest {
    /// The known word with the fewest edits to `word`; nil if none is close enough to be a guess worth printing.
    package static func word(to word: String, among known: [String]) -> String? {
        let wanted = Self.folded(word)
        // Of two that are equally near, the one that starts alike.
        let candidates = known.map { word in
            let folded = Self.folded(word)
            let edits = Self.edits(from: wanted, to: folded)
            return (word: word, edits: edits, start: folded.first == wanted.first ? 0 : 1)
        }
        let best = candidates.min { ($0.edits, $0.start, $0.word) < ($1.edits, $1.start, $1.word) }
        // A word that was cut short: `warn`, `info`.
        let whole = known.filter { wanted.count >= 3 && Self.folded($0).starts(with: wanted) }
        if let only = whole.first, whole.count == 1 { return only }
        guard let best, best.edits <= max(1, min(wanted.count, 12) / 2) else { return nil }
        return best.word
    }

    /// `nearest known key: listen`, or all there are if none is close; nil if nothing is known.
    package static func hint(_ what: String, for word: String, among known: [String]) -> String? {
        guard !known.isEmpty else { return nil }
        if let nearest = Self.word(to: word, among: known) { return "nearest known \(what): \(nearest)" }
        let many = what.hasSuffix("x") ? "\(what)es" : "\(what)s"
        return "known \(many): \(known.sorted().joined(separator: ", "))"
    }

    /// `password-file`, `password_file` and `PasswordFile` all mean `passwordFile`.
    private static func folded(_ word: String) -> [Character] {
        word.prefix(64).lowercased().filter { $0 != "-" && $0 != "_" }
    }

    /// Insertions, deletions, replacements and swaps of neighbours (optimal string alignment).
    static func edits(from source: [Character], to target: [Character]) -> Int {
        guard !source.isEmpty, !target.isEmpty else { return max(source.count, target.count) }
        var beforeLast: [Int] = []
        var last = Array(0...target.count)
        for row in 1...source.count {
            var current = [row]
            for column in 1...target.count {
                let same = source[row - 1] == target[column - 1]
                var best = min(last[column] + 1, current[column - 1] + 1, last[column - 1] + (same ? 0 : 1))
                if row > 1, column > 1, source[row - 1] == target[column - 2], source[row - 2] == target[column - 1] {
                    best = min(best, beforeLast[column - 2] + 1)
                }
                current.append(best)
            }
            (beforeLast, last) = (last, current)
        }
        return last[target.count]
    }
}
