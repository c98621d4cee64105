// SPDX-License-Identifier: Apache-2.0

import WarrenCore

extension JET {
    /// Takes the text of a head apart, line by line, and judges every byte on the way.
    ///
    /// Where the text ends too early the answer is nil: that is allowed, and what stood before it counts.
    struct HeadReader {
        private var rest: Substring.UTF8View
        /// Whether a line ended without a carriage return.
        private(set) var hasBareLineFeed = false

        init(_ text: String) { self.rest = text[...].utf8 }

        var isAtEnd: Bool { self.rest.isEmpty }

        /// Takes a line end, if one comes next.
        ///
        /// - Returns: whether it did; nil where the text ends before or inside it.
        /// - Throws: ``WireError`` `.badValue` in `head.newline` for a carriage return that ends no line.
        mutating func readNewline() throws(WireError) -> Bool? {
            switch self.rest.first {
            case nil: return nil
            case .lineFeed?:
                self.rest = self.rest.dropFirst()
                self.hasBareLineFeed = true
                return true
            case .carriageReturn?:
                self.rest = self.rest.dropFirst()
                guard let second = self.rest.popFirst() else { return nil }
                guard second == .lineFeed else { throw WireError(.badValue, in: "head.newline", found: "a lone CR") }
                return true
            case _?: return false
            }
        }

        /// Reads a line of text with its end, and returns it without.
        ///
        /// - Throws: ``WireError`` `.badValue` in `field` for control characters other than tabs.
        mutating func readLine(_ field: String) throws(WireError) -> Substring.UTF8View? {
            let line = self.read { $0.isText }
            guard let isEnded = try self.readNewline() else { return nil }
            guard isEnded else { throw WireError(.badValue, in: field, found: "a control character") }
            return line
        }

        /// Reads `name ":" value`: a token with the colon right behind it, and a line, trimmed of spaces and tabs.
        ///
        /// - Throws: ``WireError`` `.badValue` in `header.name` or `header.value`.
        mutating func readHeader() throws(WireError) -> Head.Header? {
            let name = self.read { $0.isToken }
            guard let colon = self.rest.popFirst() else { return nil }
            guard !name.isEmpty, colon == UInt8(ascii: ":") else { throw WireError(.badValue, in: "header.name") }
            guard let line = try self.readLine("header.value") else { return nil }
            return Head.Header(name: name, value: line.trimmed)
        }

        private mutating func read(while isAllowed: (UInt8) -> Bool) -> Substring.UTF8View {
            let end = self.rest.firstIndex { !isAllowed($0) } ?? self.rest.endIndex
            defer { self.rest = self.rest[end...] }
            return self.rest[..<end]
        }
    }
}

extension UInt8 {
    fileprivate static let lineFeed = UInt8(ascii: "\n")
    fileprivate static let carriageReturn = UInt8(ascii: "\r")

    /// Tabs, spaces, what is visible, and every part of a character outside ASCII.
    fileprivate var isText: Bool { self >= 0x20 && self != 0x7F || self == 0x09 }

    fileprivate var isBlank: Bool { self == 0x20 || self == 0x09 }

    /// The token characters of HTTP.
    fileprivate var isToken: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
        case UInt8(ascii: "0")...UInt8(ascii: "9"): true
        default: "!#$%&'*+-.^_`|~".utf8.contains(self)
        }
    }
}

extension Substring.UTF8View {
    fileprivate var trimmed: Self {
        guard let last = self.lastIndex(where: { !$0.isBlank }) else { return self.suffix(0) }
        return self[...last].drop { $0.isBlank }
    }
}
