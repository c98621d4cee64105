// SPDX-License-Identifier: Apache-2.0

package import NIOCore

/// Finds the end of a head, looking at every byte once however it arrives.
///
/// What is no head of its kind is told so at its first wrong byte, and not after the deadline.
package struct HTTPHeadScan {
    package enum Kind {
        /// Two readers of a request must not see different lines in it. So the only line end is CR LF, and no control
        /// character gets past.
        case request
        /// Lines may end in LF alone, as those of old origins do.
        case answer
    }

    private static let answerStart = Array("HTTP/1.".utf8)

    private let kind: Kind
    private let most: Int
    private var scanned = 0
    private var lineLength = 0
    private var endsWithCR = false
    private var hasLine = false

    /// - Parameter most: bytes of the first line and the fields, with their line ends.
    package init(_ kind: Kind, most: Int) {
        self.kind = kind
        self.most = most
    }

    /// The head's length in bytes with its last empty line; nil while incomplete.
    ///
    /// - Parameter input: the same bytes as last time and perhaps more after them; nothing is consumed.
    package mutating func length(in input: ByteBuffer) throws(HTTPFlaw) -> Int? {
        for byte in input.readableBytesView.dropFirst(self.scanned) {
            guard self.scanned < self.most else { throw .tooLarge }
            self.scanned += 1
            if try self.isLast(byte) { return self.scanned }
        }
        return nil
    }

    private mutating func isLast(_ byte: UInt8) throws(HTTPFlaw) -> Bool {
        if byte == UInt8(ascii: "\n") { return try self.endsHead() }
        if self.endsWithCR { try self.takeLoneReturn() }
        if byte == UInt8(ascii: "\r") {
            self.endsWithCR = true
            return false
        }
        guard self.kind == .answer || byte.isLineText else { throw .controlCharacter }
        guard self.hasLine || self.mayStand(byte) else { throw .notHTTP }
        self.lineLength += 1
        return false
    }

    private mutating func endsHead() throws(HTTPFlaw) -> Bool {
        guard self.endsWithCR || self.kind == .answer else { throw .bareLineFeed }
        let isBlank = self.lineLength == 0
        if isBlank && self.hasLine { return true }
        // Empty lines may come first: they are left over from sloppy bodies (RFC 9112, section 2.2).
        self.hasLine = self.hasLine || !isBlank
        self.lineLength = 0
        self.endsWithCR = false
        return false
    }

    private mutating func takeLoneReturn() throws(HTTPFlaw) {
        guard self.kind == .answer else { throw .loneReturn }
        guard self.hasLine || self.lineLength >= Self.answerStart.count else { throw .notHTTP }
        self.endsWithCR = false
        self.lineLength += 1
    }

    /// Whether the first line may go on with this byte.
    private func mayStand(_ byte: UInt8) -> Bool {
        switch self.kind {
        case .request: self.lineLength > 0 || byte.isToken
        case .answer:
            self.lineLength >= Self.answerStart.count || byte == Self.answerStart[self.lineLength]
        }
    }
}
