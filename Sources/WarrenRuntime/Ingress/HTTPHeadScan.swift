// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Finds the end of a request's head, looking at every byte once however it arrives.
///
/// Two readers of one head must not see different lines in it. So the only line end is CR LF, and no control character
/// gets past; what is not HTTP at all is told so at its first byte instead of after the deadline.
struct HTTPHeadScan {
    private var scanned = 0
    private var lineLength = 0
    private var endsWithCR = false
    private var hasLine = false

    /// The head's length in bytes with its last empty line; nil while incomplete.
    ///
    /// - Parameter input: the same bytes as last time and perhaps more after them; nothing is consumed.
    mutating func length(in input: ByteBuffer) throws(HTTPAnswer) -> Int? {
        for byte in input.readableBytesView.dropFirst(self.scanned) {
            guard self.scanned < FrontConfiguration.longestHead else { throw .headTooLarge }
            self.scanned += 1
            if try self.isLast(byte) { return self.scanned }
        }
        return nil
    }

    private mutating func isLast(_ byte: UInt8) throws(HTTPAnswer) -> Bool {
        switch byte {
        case UInt8(ascii: "\n"):
            guard self.endsWithCR else { throw .malformed("A line of the request ends in LF without CR.") }
            self.endsWithCR = false
            if self.lineLength == 0 && self.hasLine { return true }
            // Empty lines before the request line are left over from sloppy bodies (RFC 9112, section 2.2).
            self.hasLine = self.hasLine || self.lineLength > 0
            self.lineLength = 0
        case _ where self.endsWithCR: throw .malformed("A line of the request holds a CR without LF.")
        case UInt8(ascii: "\r"): self.endsWithCR = true
        case 0x00..<0x20 where byte != UInt8(ascii: "\t"), 0x7F:
            throw .malformed("The request holds a control character.")
        default:
            guard self.hasLine || self.lineLength > 0 || byte.isToken else {
                throw .malformed("This is an HTTP proxy port, and this is not HTTP.")
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
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "!"), UInt8(ascii: "#"), UInt8(ascii: "$"),
            UInt8(ascii: "%"), UInt8(ascii: "&"), UInt8(ascii: "'"), UInt8(ascii: "*"), UInt8(ascii: "+"),
            UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "^"), UInt8(ascii: "_"), UInt8(ascii: "`"),
            UInt8(ascii: "|"), UInt8(ascii: "~"):
            true
        default: false
        }
    }
}
