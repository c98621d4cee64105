// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

extension MProxy {
    /// The headers of one stream's data, which differ in the length only, written once.
    struct HeaderStamp: Sendable {
        /// Digits of a length that is allowed.
        private static let mostDigits = 10

        let dialect: Dialect
        /// Everything up to the length, and behind it, without the first two bytes.
        private let text: ByteBuffer
        /// Bytes of the text before the length.
        private let middle: Int

        /// - Returns: nil for a header that cannot be written, or not with every length.
        init?(_ header: Header, _ dialect: Dialect) {
            var header = header
            header.length = 0
            guard header.kind == .data, var whole = try? Packer.packHeader(header, dialect),
                whole.readableBytes + Self.mostDigits <= Header.mostBytes
            else { return nil }
            whole.moveReaderIndex(forwardBy: 2)
            // No text before the length holds a comma.
            let middle = header.source.byteCount + 1
            guard whole.readableBytes > middle else { return nil }
            var text = ByteBufferAllocator().buffer(capacity: whole.readableBytes)
            text.writeImmutableBuffer(whole.readSlice(length: middle) ?? ByteBuffer())
            whole.moveReaderIndex(forwardBy: 1)
            text.writeImmutableBuffer(whole)
            self.dialect = dialect
            self.text = text
            self.middle = middle
        }

        /// A whole frame of data.
        func frame(_ body: ByteBuffer) -> ByteBuffer {
            var bytes = ByteBufferAllocator().buffer(
                capacity: 2 + self.text.readableBytes + Self.mostDigits + body.readableBytes)
            let view = self.text.readableBytesView
            let start = bytes.writeMultipleIntegers(MProxy.version, UInt8(0))
            bytes.writeBytes(view.prefix(self.middle))
            bytes.writeString(String(body.readableBytes))
            bytes.writeBytes(view.dropFirst(self.middle))
            bytes.setInteger(UInt8(truncatingIfNeeded: bytes.readableBytes - start), at: 1)
            bytes.writeImmutableBuffer(body)
            return bytes
        }
    }
}
