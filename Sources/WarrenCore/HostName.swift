// SPDX-License-Identifier: Apache-2.0

/// A host name as DNS compares names: in lower case, international labels in their `xn--` form.
///
/// Letters, digits, `-` and `_` in labels of 1 to 63 bytes. Everything else is refused: some resolvers read `\100` as
/// the character of that number, some parsers end a name at a zero, `%` names an interface, `/` and `@` end the host of a
/// URL. What one part of a chain takes for one name, and the next for another, leads around every rule about names.
public struct HostName: Hashable, Sendable {
    /// The longest name that DNS can hold, in bytes.
    public static let longest = 253
    public static let longestLabel = 63

    /// Without a dot at the end: `xn--bcher-kva.example` for `Bücher.Example.`.
    public let text: String
    /// It ended with a dot: it is whole, and no resolver may try it with a domain of its own behind it.
    public let isAbsolute: Bool

    /// - Returns: nil for what no host name may be.
    public init?(_ text: String) {
        // A bound for the work below; composed and in its `xn--` form a name may get shorter or longer.
        guard text.utf8.count <= 4 * Self.longest else { return nil }
        let isAbsolute = text.utf8.last == UInt8(ascii: ".")
        let name = isAbsolute ? text.dropLast() : text[...]
        let isASCII = name.utf8.allSatisfy { $0 < 0x80 }
        let canonical = isASCII ? name.lowercased() : Self.ascii(name)
        guard let canonical, Self.isWellFormed(canonical.utf8) else { return nil }
        self.text = canonical
        self.isAbsolute = isAbsolute
    }

    /// As it is said to a resolver.
    public var written: String { self.isAbsolute ? self.text + "." : self.text }

    /// `localhost` or a name under it, which is always this machine (RFC 6761, section 6.3).
    public var isLocalhost: Bool { self.text == "localhost" || self.isUnder("localhost") }

    /// - Parameter parent: the ``text`` of another name.
    public func isUnder(_ parent: String) -> Bool {
        let (name, parent) = (self.text.utf8, parent.utf8)
        guard name.count > parent.count + 1 else { return false }
        return name.suffix(parent.count).elementsEqual(parent)
            && name.dropLast(parent.count).last == UInt8(ascii: ".")
    }

    private static func ascii(_ name: Substring) -> String? {
        let folded = name.lowercased().composed
        let labels = folded.unicodeScalars.split(separator: ".", omittingEmptySubsequences: false)
        let texts = labels.compactMap { label -> String? in
            guard label.count <= Self.longestLabel, label.allSatisfy(\.isInLabel) else { return nil }
            if label.allSatisfy(\.isASCII) { return String(String.UnicodeScalarView(label)) }
            return Punycode.encode(label).map { "xn--" + $0 }
        }
        return texts.count == labels.count ? texts.joined(separator: ".") : nil
    }

    private static func isWellFormed(_ name: String.UTF8View) -> Bool {
        guard (1...Self.longest).contains(name.count) else { return false }
        return name.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).allSatisfy { label in
            (1...Self.longestLabel).contains(label.count) && label.allSatisfy(\.isInLabel)
        }
    }
}

extension UInt8 {
    fileprivate var isInLabel: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"),
            UInt8(ascii: "_"):
            true
        default: false
        }
    }
}

extension Unicode.Scalar {
    /// Letters, marks and digits of every script; no dots, spaces, signs or invisible characters.
    fileprivate var isInLabel: Bool {
        guard !self.isASCII else { return UInt8(truncatingIfNeeded: self.value).isInLabel }
        switch self.properties.generalCategory {
        case .lowercaseLetter, .modifierLetter, .otherLetter, .nonspacingMark, .spacingMark, .decimalNumber: return true
        case .uppercaseLetter, .titlecaseLetter, .enclosingMark, .letterNumber, .otherNumber, .connectorPunctuation,
            .dashPunctuation, .openPunctuation, .closePunctuation, .initialPunctuation, .finalPunctuation,
            .otherPunctuation, .mathSymbol, .currencySymbol, .modifierSymbol, .otherSymbol, .spaceSeparator,
            .lineSeparator, .paragraphSeparator, .control, .format, .surrogate, .privateUse, .unassigned:
            return false
        @unknown default: return false
        }
    }
}
