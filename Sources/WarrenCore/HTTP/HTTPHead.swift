// SPDX-License-Identifier: Apache-2.0

package import NIOCore

/// A whole head of HTTP/1, taken apart: its first line, and its fields in their order.
package struct HTTPHead: Hashable {
    package let line: ByteBufferView
    package private(set) var fields: [HTTPField] = []

    /// Reads the head of a request, in which two readers must not see different things: nothing is forgiven.
    ///
    /// - Parameter head: all of it with its last empty line, as ``HTTPHeadScan`` has found it.
    package init(request head: ByteBufferView) throws(HTTPFlaw) {
        var lines = HTTPLines(head)
        self.line = lines.firstFilled
        try self.line.checkLine()
        while let line = lines.next(), !line.isBlank { self.fields.append(try HTTPField(line.text)) }
        guard !lines.hasBareLineFeed else { throw .bareLineFeed }
    }

    /// Reads the head of an answer. Origins are many and old, so what RFC 9112 lets a reader forgive is forgiven: bare LF,
    /// folded lines, and lines that are no field, which are left out.
    ///
    /// - Parameter head: all of it with its last empty line, as ``HTTPHeadScan`` has found it.
    package init(answer head: ByteBufferView) {
        var lines = HTTPLines(head)
        self.line = lines.firstFilled
        while let line = lines.next(), !line.isBlank {
            if line.text.first?.isBlank == true {
                self.unfold(line.text)
            } else if let field = HTTPField(forgiving: line.text) {
                self.fields.append(field)
            }
        }
    }

    /// A folded line goes on with the one before (RFC 9112, section 5.2).
    private mutating func unfold(_ line: ByteBufferView) {
        guard let last = self.fields.indices.last else { return }
        var value = ByteBuffer(bytes: self.fields[last].value)
        value.writeString(" ")
        value.writeBytes(line.withoutControls.trimmed)
        self.fields[last].value = value.readableBytesView
    }

    /// The words of the first line, which single spaces part.
    ///
    /// - Parameter most: the last one may hold spaces.
    package func words(most: Int) -> [ByteBufferView] {
        self.line.split(separator: UInt8(ascii: " "), maxSplits: most - 1, omittingEmptySubsequences: false)
    }
}

extension HTTPLines {
    /// Empty lines before the first one are left over from sloppy bodies (RFC 9112, section 2.2).
    fileprivate var firstFilled: ByteBufferView {
        mutating get {
            while let line = self.next() {
                if !line.text.isEmpty { return line.text }
            }
            return ByteBuffer().readableBytesView
        }
    }
}
