// SPDX-License-Identifier: Apache-2.0

import WarrenCore

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

extension UUID {
    /// Reads the forms that peers use, in any case: hyphenated, and with lenient decoding also 32 digits, `{hyphenated}`
    /// and `urn:uuid:hyphenated`, whose prefix has to be in lower case.
    ///
    /// Nil for anything else. The nil UUID is one like any other.
    init?(jet text: Substring.UTF8View, _ decoding: JET.Decoding) {
        guard let plain = Self.plain(text, decoding) else { return nil }
        let isHyphenated = plain.utf8.enumerated().allSatisfy { place, byte in
            Self.hyphens.contains(place) ? byte == UInt8(ascii: "-") : byte.isHexDigit
        }
        guard plain.utf8.count == Self.hyphenatedLength, isHyphenated else { return nil }
        self.init(uuidString: plain)
    }

    /// Hyphenated, in lower case.
    var jetText: String { self.uuidString.lowercased() }

    private static let hyphens: Set = [8, 13, 18, 23]
    private static let hyphenatedLength = 36
    private static let urn = "urn:uuid:"

    /// The text without what may stand around it, and with hyphens; what is left is not judged yet.
    private static func plain(_ text: Substring.UTF8View, _ decoding: JET.Decoding) -> String? {
        if text.count == Self.hyphenatedLength { return String(Substring(text)) }
        guard decoding == .lenient else { return nil }
        if text.count == Self.hyphenatedLength + 2, text.first == UInt8(ascii: "{"), text.last == UInt8(ascii: "}") {
            return String(Substring(text.dropFirst().dropLast()))
        }
        if text.count == Self.hyphenatedLength + Self.urn.utf8.count, text.starts(with: Self.urn.utf8) {
            return String(Substring(text.dropFirst(Self.urn.utf8.count)))
        }
        return text.count == 32 ? Self.hyphenate(text) : nil
    }

    private static func hyphenate(_ text: Substring.UTF8View) -> String {
        var rest = text
        let groups = [8, 4, 4, 4, 12].map { length in
            defer { rest = rest.dropFirst(length) }
            return String(Substring(rest.prefix(length)))
        }
        return groups.joined(separator: "-")
    }
}

extension UInt8 {
    fileprivate var isHexDigit: Bool {
        switch self {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"): true
        case UInt8(ascii: "A")...UInt8(ascii: "F"): true
        default: false
        }
    }
}

extension JET.Head {
    /// The UUID in a header; nil if there is no such header.
    ///
    /// - Throws: ``WireError`` `.badValue` in the name for anything else. What was there is not told: who knows an
    ///   association may use it.
    func uuid(_ name: String, _ decoding: JET.Decoding) throws(WireError) -> UUID? {
        guard let value = self[name] else { return nil }
        guard let uuid = UUID(jet: value, decoding) else { throw WireError(.badValue, in: name, found: "no UUID") }
        return uuid
    }
}
