// SPDX-License-Identifier: Apache-2.0

public import NIOCore
public import WarrenCore

extension MProxy {
    /// Values to bytes: what npm's `proxy-packer` calls `pack` and `packHeader`.
    public enum Packer {
        /// A frame without its body, which is `header.length` bytes and follows.
        ///
        /// - Throws: ``WireError`` `.tooLong` for what does not fit into 255 bytes, `.badValue` for a text with a comma or a
        ///   control character. The deployed packer writes a wrong length, or a wrong number of fields.
        public static func packHeader(_ header: Header, _ dialect: Dialect = .node) throws(WireError) -> ByteBuffer {
            var bytes = ByteBuffer()
            try bytes.writeMProxyHeader(header, dialect)
            return bytes
        }

        /// A whole frame; `header.length` becomes that of the body.
        ///
        /// - Throws: as ``packHeader(_:_:)``.
        public static func frame(
            _ header: Header, _ body: ByteBuffer = ByteBuffer(), _ dialect: Dialect = .node
        ) throws(WireError) -> ByteBuffer {
            var header = header
            header.length = body.readableBytes
            var bytes = ByteBufferAllocator().buffer(capacity: 2 + Header.mostBytes + header.length)
            try bytes.writeMProxyHeader(header, dialect)
            bytes.writeImmutableBuffer(body)
            return bytes
        }

        /// A whole frame as `pack` makes it: an empty body becomes one space, for the parsers of 2018, which waited for one byte.
        ///
        /// - Throws: as ``packHeader(_:_:)``.
        public static func pack(
            _ header: Header, _ body: ByteBuffer = ByteBuffer(), _ dialect: Dialect = .node
        ) throws(WireError) -> ByteBuffer {
            try Self.frame(header, body.readableBytes > 0 ? body : ByteBuffer(string: " "), dialect)
        }
    }
}
