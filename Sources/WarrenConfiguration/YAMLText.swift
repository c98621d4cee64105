// SPDX-License-Identifier: Apache-2.0

/// The text of a YAML file, made ready for a parser that stops at the first repeated key and copies every alias.
///
/// Two kinds of characters are replaced by private ones, one for one, so that all places stay true:
/// - every `*`: an alias then arrives as a plain scalar, and ``YAMLTree`` follows it within its budget; a wildcard
///   whose quotes were forgotten gets a sentence of its own.
/// - the first character of a key that its map repeats: the parser reads on, and all repetitions are reported.
struct YAMLText {
    /// Stands for `*`.
    static let star: Unicode.Scalar = "\u{10FA00}"
    private static let reserved: ClosedRange<UInt32> = 0x10FA00...0x10FAFF

    private var scalars: [Unicode.Scalar]
    private var renamed: [Unicode.Scalar: Unicode.Scalar] = [Self.star: "*"]

    /// Reports characters that YAML forbids and returns nil then.
    init?(_ text: String, file: String, findings: Findings) {
        self.scalars = []
        self.scalars.reserveCapacity(text.utf8.count)
        var (line, column) = (1, 1)
        for scalar in text.unicodeScalars {
            guard Self.isAllowed(scalar) else {
                let code = String(scalar.value, radix: 16, uppercase: true)
                let name = "U+\(String(repeating: "0", count: max(0, 4 - code.utf8.count)))\(code)"
                let place = Place(file: file, line: line, column: column)
                findings.report("the character \(name) may not stand in a YAML file", at: place, hint: "remove it")
                return nil
            }
            self.scalars.append(scalar == "*" ? Self.star : scalar)
            (line, column) = scalar == "\n" ? (line + 1, 1) : (line, column + 1)
        }
    }

    /// The text for the parser.
    var prepared: String {
        var text = String.UnicodeScalarView()
        text.append(contentsOf: self.scalars)
        return String(text)
    }

    /// The text of a scalar as the user wrote it.
    func restored(_ text: String) -> String {
        // All replacements lie in plane 16, whose UTF-8 starts with this byte.
        guard text.utf8.contains(0xF4) else { return text }
        var restored = String.UnicodeScalarView()
        restored.append(contentsOf: text.unicodeScalars.lazy.map { self.renamed[$0] ?? $0 })
        return String(restored)
    }

    /// Makes the key that starts at a place differ from all others.
    ///
    /// - Returns: false if the key is not written there literally, or too many have been renamed.
    mutating func rename(key: String, line: Int, column: Int) -> Bool {
        guard self.renamed.count < 32, var index = self.index(line: line, column: column) else { return false }
        if self.scalars[index] == "\"" || self.scalars[index] == "'" { index += 1 }
        let key = Array(key.unicodeScalars)
        guard let first = key.first, self.renamed[first] == nil, self.scalars[index...].starts(with: key),
            let name = Unicode.Scalar(Self.reserved.lowerBound + UInt32(self.renamed.count))
        else { return false }
        self.renamed[name] = first
        self.scalars[index] = name
        return true
    }

    /// The character at a place.
    func scalar(line: Int, column: Int) -> Unicode.Scalar? {
        self.index(line: line, column: column).map { self.scalars[$0] }
    }

    private func index(line: Int, column: Int) -> Int? {
        var start = 0
        for _ in 1..<max(line, 1) {
            guard let end = self.scalars[start...].firstIndex(of: "\n") else { return nil }
            start = end + 1
        }
        let index = start + column - 1
        return self.scalars.indices.contains(index) ? index : nil
    }

    /// Looks like a space and is none to YAML.
    static func isOddSpace(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0xA0, 0x1680, 0x2000...0x200B, 0x202F, 0x205F, 0x2060, 0x3000, 0xFEFF: true
        default: false
        }
    }

    /// A line of the text, counted from 1, without its end.
    func line(_ number: Int) -> String {
        guard number > 0, let start = self.index(line: number, column: 1) else { return "" }
        let end = self.scalars[start...].firstIndex(of: "\n") ?? self.scalars.endIndex
        var line = String.UnicodeScalarView()
        line.append(contentsOf: self.scalars[start..<end])
        return self.restored(String(line))
    }

    private static func isAllowed(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x09, 0x0A, 0x0D, 0x85: true
        case 0..<0x20, 0x7F..<0xA0, 0xFFFE, 0xFFFF, Self.reserved: false
        default: true
        }
    }
}
