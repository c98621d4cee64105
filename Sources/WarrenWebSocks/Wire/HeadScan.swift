// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import WarrenCore

/// Finds the end of an HTTP head, looking at every byte once however it arrives.
///
/// The only line end is CR LF, and no control character gets past: RFC 9112, section 2.2 lets a reader take a bare LF, but two
/// readers of one head must not see different lines in it. What is not HTTP at all is told so at its first byte.
package struct HeadScan {
    /// The longest head, in bytes.
    package static let most = 16 << 10

    private var scanned = 0
    private var lineLength = 0
    private var endsWithCR = false
    private var hasLine = false

    package init() {}

    /// The head's length in bytes with its last empty line; nil while incomplete.
    ///
    /// - Parameter input: the same bytes as last time and perhaps more after them; nothing is consumed.
    /// - Throws: ``WireError`` `.tooLong` or `.badValue` in `head`.
    package mutating func length(in input: ByteBuffer) throws(WireError) -> Int? {
        for byte in input.readableBytesView.dropFirst(self.scanned) {
            guard self.scanned < Self.most else { throw WireError(.tooLong, in: "head", found: "> \(Self.most)") }
            self.scanned += 1
            if try self.isLast(byte) { return self.scanned }
        }
        return nil
    }

    private mutating func isLast(_ byte: UInt8) throws(WireError) -> Bool {
        switch byte {
        case UInt8(ascii: "\n"):
            guard self.endsWithCR else { throw WireError(.badValue, in: "head", found: "LF without CR") }
            self.endsWithCR = false
            if self.lineLength == 0 && self.hasLine { return true }
            self.hasLine = self.hasLine || self.lineLength > 0
            self.lineLength = 0
        case _ where self.endsWithCR: throw WireError(.badValue, in: "head", found: "CR without LF")
        case UInt8(ascii: "\r"): self.endsWithCR = true
        case 0x00..<0x20 where byte != UInt8(ascii: "\t"), 0x7F:
            throw WireError(.badValue, in: "head", found: "a control character")
        default:
            guard self.hasLine || self.lineLength > 0 || byte.isToken else {
                throw WireError(.badValue, in: "head", found: "what is no HTTP")
            }
            self.lineLength += 1
        }
        return false
    }
}

extension UInt8 {
    /// True for the characters of methods and field names (RFC 9110, `tchar`).
    var isToken: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: "!#$%&'*+-.^_`|~".utf8.contains(self)
        }
    }
}
