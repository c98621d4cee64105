// SPDX-License-Identifier: Apache-2.0

extension String {
    /// With letters and their marks as one character where there is one (`ü` for `u` and two dots).
    ///
    /// The standard library compares strings by what they show but has no public call that writes the composed form
    /// (NFC), so that this looks for the character that is equal.
    var composed: String {
        var text = String.UnicodeScalarView()
        for character in self {
            let scalars = character.unicodeScalars
            if scalars.allSatisfy(\.isASCII) {
                text.append(contentsOf: scalars)
            } else {
                Self.compose(Array(scalars.prefix(8)), to: &text)
                text.append(contentsOf: scalars.dropFirst(8))
            }
        }
        return String(text)
    }

    private static func compose(_ scalars: [Unicode.Scalar], to text: inout String.UnicodeScalarView) {
        var rest = scalars[...]
        while let first = rest.first {
            let longest = (1...rest.count).reversed().lazy.compactMap { count in
                Self.single(equalTo: rest.prefix(count)).map { (count, $0) }
            }.first
            let (count, found) = longest ?? (1, String(first))
            text.append(contentsOf: found.unicodeScalars)
            rest = rest.dropFirst(count)
        }
    }

    private static func single(equalTo scalars: ArraySlice<Unicode.Scalar>) -> String? {
        Self.composites[String(String.UnicodeScalarView(scalars))] ?? Self.syllable(scalars).map { String($0) }
    }

    /// The letters of Latin, Greek, Cyrillic, Arabic, the scripts of India and Japanese that have a longer form. Where two
    /// are equal, the first is the one that texts use.
    private static let composites: [String: String] = {
        var found: [String: String] = [:]
        // These are always written as two (The Unicode Standard, "Composition Exclusions").
        for (mark, bases) in Self.neverComposed {
            for base in bases {
                let text = String(String.UnicodeScalarView([base, mark]))
                found[text] = text
            }
        }
        for range in [0xC0...0x6FF, 0x900...0xDFF, 0x1B00...0x1FFF, 0x3040...0x30FF] as [ClosedRange<UInt32>] {
            for text in range.lazy.compactMap(Unicode.Scalar.init).map({ String($0) }) where found[text] == nil {
                found[text] = text
            }
        }
        return found
    }()

    private static let neverComposed: [(mark: Unicode.Scalar, bases: [Unicode.Scalar])] = [
        (
            "\u{93C}",
            ["\u{915}", "\u{916}", "\u{917}", "\u{91C}", "\u{921}", "\u{922}", "\u{92B}", "\u{92F}"]
        ),
        ("\u{9BC}", ["\u{9A1}", "\u{9A2}", "\u{9AF}"]),
        ("\u{A3C}", ["\u{A32}", "\u{A38}", "\u{A16}", "\u{A17}", "\u{A1C}", "\u{A2B}"]),
        ("\u{B3C}", ["\u{B21}", "\u{B22}"]),
    ]

    /// Korean syllables are composed by arithmetic (The Unicode Standard, section 3.12).
    private static func syllable(_ scalars: ArraySlice<Unicode.Scalar>) -> Unicode.Scalar? {
        guard scalars.count <= 3, let lead = scalars.first?.value, let vowel = scalars.dropFirst().first?.value,
            (0x1100..<0x1113).contains(lead), (0x1161..<0x1176).contains(vowel)
        else { return nil }
        let open = 0xAC00 + ((lead - 0x1100) * 21 + vowel - 0x1161) * 28
        guard let tail = scalars.dropFirst(2).first?.value else { return Unicode.Scalar(open) }
        return (0x11A8..<0x11C3).contains(tail) ? Unicode.Scalar(open + tail - 0x11A7) : nil
    }
}
