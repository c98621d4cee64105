// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// Tells of bytes that come in pieces whether they may be the beginning of a request: a method, and a first line that ends in
/// a version. Looks for the end of the line at every byte once.
struct HTTPBeginning {
    private static let longestMethod = 24

    /// They are left over from sloppy bodies (RFC 9112, section 2.2).
    private let skipsEmptyLines: Bool
    /// Where the line begins.
    private var start = 0
    /// How much of it was searched.
    private var searched = 0
    private var isWhole = false

    init(skippingEmptyLines: Bool = false) { self.skipsEmptyLines = skippingEmptyLines }

    /// - Parameter head: the same bytes as last time and perhaps more after them.
    mutating func mayGoOn(_ head: ByteBufferView) -> Bool {
        guard !self.isWhole else { return true }
        if self.skipsEmptyLines, !self.skipEmptyLines(of: head) { return true }
        let line = head.dropFirst(self.start)
        let method = line.prefix(Self.longestMethod).prefix { $0.isToken }
        guard !method.isEmpty else { return line.isEmpty }
        guard method.endIndex < line.endIndex else { return true }
        guard line[method.endIndex] == UInt8(ascii: " ") else { return false }
        let end = line.dropFirst(self.searched).firstIndex(of: UInt8(ascii: "\n"))
        self.searched = line.count
        guard let end else { return true }
        self.isWhole = line[..<end].firstRange(of: Array(" HTTP/1.".utf8)) != nil
        return self.isWhole
    }

    /// - Returns: false where the next byte tells whether there is one more.
    private mutating func skipEmptyLines(of head: ByteBufferView) -> Bool {
        while head.dropFirst(self.start).starts(with: "\r\n".utf8) { self.start += 2 }
        return !head.dropFirst(self.start).elementsEqual("\r".utf8)
    }
}
