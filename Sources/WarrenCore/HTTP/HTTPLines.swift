// SPDX-License-Identifier: Apache-2.0

package import NIOCore

/// Cuts text into lines at LF; a CR before it belongs to the line's end. It judges nothing but that.
package struct HTTPLines {
    package struct Line: Hashable {
        /// Without its end.
        package let text: ByteBufferView
        /// False where the text ends before the line does: what is there may be a part of it.
        package let isEnded: Bool

        package var isBlank: Bool { self.isEnded && self.text.isEmpty }
    }

    private var rest: ByteBufferView
    /// A line so far has ended in LF alone.
    package private(set) var hasBareLineFeed = false

    package init(_ text: ByteBufferView) { self.rest = text }

    package var isAtEnd: Bool { self.rest.isEmpty }

    package mutating func next() -> Line? {
        guard !self.rest.isEmpty else { return nil }
        let end = self.rest.firstIndex(of: UInt8(ascii: "\n"))
        let text = self.rest[..<(end ?? self.rest.endIndex)]
        self.rest = end.map { self.rest[self.rest.index(after: $0)...] } ?? self.rest.suffix(0)
        let hasReturn = text.last == UInt8(ascii: "\r")
        if end != nil && !hasReturn { self.hasBareLineFeed = true }
        return Line(text: hasReturn ? text.dropLast() : text, isEnded: end != nil)
    }
}

extension ByteBufferView {
    /// Judges what stands in a line.
    ///
    /// - Throws: ``HTTPFlaw/loneReturn`` or ``HTTPFlaw/controlCharacter``, whichever comes first.
    package func checkLine() throws(HTTPFlaw) {
        guard let bad = self.first(where: { !$0.isLineText }) else { return }
        throw bad == UInt8(ascii: "\r") ? .loneReturn : .controlCharacter
    }
}
