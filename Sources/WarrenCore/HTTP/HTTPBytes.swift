// SPDX-License-Identifier: Apache-2.0

package import NIOCore

// The bytes that heads of HTTP/1 are made of (RFC 9110, section 5; RFC 9112, sections 2 and 5).
extension UInt8 {
    /// True for the characters of methods and field names (`tchar`).
    package var isToken: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "!"), UInt8(ascii: "#"), UInt8(ascii: "$"),
            UInt8(ascii: "%"), UInt8(ascii: "&"), UInt8(ascii: "'"), UInt8(ascii: "*"), UInt8(ascii: "+"),
            UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "^"), UInt8(ascii: "_"), UInt8(ascii: "`"),
            UInt8(ascii: "|"), UInt8(ascii: "~"):
            true
        default: false
        }
    }

    /// A space or a tab.
    package var isBlank: Bool { self == 0x20 || self == 0x09 }

    /// Blanks, what is visible, and every part of a character outside ASCII: what a line may hold.
    package var isLineText: Bool { self >= 0x20 && self != 0x7F || self == 0x09 }

    package var isDigit: Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self) }

    /// Byte by byte: Unicode would make ASCII of letters that others do not take for it (U+212A is a "k").
    package var lowercasedASCII: UInt8 {
        (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(self) ? self | 0x20 : self
    }
}

extension ByteBufferView {
    /// Without the blanks around it.
    package var trimmed: ByteBufferView {
        let rest = self.drop(while: \.isBlank)
        guard let last = rest.lastIndex(where: { !$0.isBlank }) else { return rest.prefix(0) }
        return rest[...last]
    }

    /// The entries of a comma-separated list, without the blanks around them. What is between two commas is none if it is
    /// nothing at all, and one without bytes if it is blanks.
    package var listed: [ByteBufferView] { self.split(separator: UInt8(ascii: ",")).map(\.trimmed) }

    /// With spaces for what no field may hold (RFC 9110, section 5.5).
    package var withoutControls: ByteBufferView {
        guard !self.allSatisfy(\.isLineText) else { return self }
        return ByteBuffer(bytes: self.map { $0.isLineText ? $0 : UInt8(ascii: " ") }).readableBytesView
    }
}

extension Collection<UInt8> {
    /// The number that digits and nothing else make, 18 at most: they always fit into an Int.
    package var decimal: Int? {
        guard (1...18).contains(self.count), self.allSatisfy(\.isDigit) else { return nil }
        return Int(String(decoding: self, as: UTF8.self))
    }

    /// Compares with ASCII text; only the case of ASCII letters is ignored.
    package func equalsIgnoringCase(_ text: String) -> Bool {
        self.elementsEqual(text.utf8) { $0.lowercasedASCII == $1.lowercasedASCII }
    }
}
