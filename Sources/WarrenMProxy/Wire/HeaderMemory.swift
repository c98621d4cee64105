// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

extension MProxy {
    /// The last data headers that were read: a stream's are alike but for the length, and a header is costly to take apart.
    ///
    /// Keeps no more than ``slots`` of them, each of at most 255 bytes.
    struct HeaderMemory: Sendable {
        private static let slots = 16

        private struct Known: Sendable {
            var header: Header
            /// `family,address,port,`
            var before: ByteBuffer
            /// `,service,…`
            var after: ByteBuffer
        }

        private var known: [Known?] = []

        /// The header that this text is, if its like was read lately; its length is in strict form.
        func recall(_ text: ByteBufferView) -> Header? {
            guard !self.known.isEmpty, let cut = Cut(text), let known = self.known[cut.slot % Self.slots],
                text[..<cut.digits.lowerBound].elementsEqual(known.before.readableBytesView),
                text[cut.digits.upperBound...].elementsEqual(known.after.readableBytesView)
            else { return nil }
            var header = known.header
            header.length = cut.length
            return header
        }

        mutating func keep(_ header: Header, _ text: ByteBufferView) {
            guard header.kind == .data, let cut = Cut(text) else { return }
            if self.known.isEmpty { self.known = Array(repeating: nil, count: Self.slots) }
            // Copies: a slice would keep all that was read alive.
            self.known[cut.slot % Self.slots] = Known(
                header: header, before: ByteBuffer(bytes: text[..<cut.digits.lowerBound]),
                after: ByteBuffer(bytes: text[cut.digits.upperBound...]))
        }

        mutating func forget() { self.known = [] }
    }
}

/// Where the length stands in a header's text.
private struct Cut {
    /// 1 to 10 digits between the third comma and the fourth.
    let digits: Range<Int>
    let length: Int
    /// Of the bytes before the length: visitors differ in the last digits of their ports.
    let slot: Int

    init?(_ text: ByteBufferView) {
        var commas = 0
        var (length, start, slot) = (0, text.startIndex, 0)
        for index in text.indices {
            let byte = text[index]
            if byte == UInt8(ascii: ",") {
                commas += 1
                if commas == 3 { start = index + 1 }
                guard commas == 4 else { continue }
                guard (1...10).contains(index - start) else { return nil }
                (self.digits, self.length, self.slot) = (start..<index, length, slot)
                return
            }
            guard commas == 3 else {
                if commas == 2 { slot = (slot &* 10 &+ Int(byte)) & 0xFFFF }
                continue
            }
            guard byte.isDigit, index - start < 10 else { return nil }
            length = length * 10 + Int(byte - UInt8(ascii: "0"))
        }
        return nil
    }
}
