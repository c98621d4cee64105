// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

extension ByteBuffer {
    /// Reads `80 | n u8 | methods nB`, the exit's first bytes; what the methods are means nothing.
    ///
    /// - Returns: true once it is whole; nil while incomplete, and nothing has been consumed then.
    /// - Throws: ``WireError`` `.badMagic` at the first byte.
    /// - Source: zhwkproX reference, "Sequence" 1.
    mutating func readZhwkproXHello() throws(WireError) -> Bool? {
        try self.readWhole { bytes throws(WireError) in
            guard let version = bytes.readInteger(as: UInt8.self) else { return nil }
            guard version == ZhwkproX.Hello.version
            else { throw WireError(.badMagic, in: "hello.version", found: "\(version)") }
            return bytes.readZhwkproXSized() == nil ? nil : true
        }
    }

    /// `80 01 00`
    mutating func writeZhwkproXHello() {
        self.writeInteger(ZhwkproX.Hello.version)
        self.writeZhwkproXSized(ZhwkproX.Hello.methods)
    }

    /// Reads `80`, the inter-server's first byte.
    ///
    /// - Throws: ``WireError`` `.badMagic` for any other.
    mutating func readZhwkproXVersion() throws(WireError) -> Bool? {
        guard let version = self.readInteger(as: UInt8.self) else { return nil }
        guard version == ZhwkproX.Hello.version
        else { throw WireError(.badMagic, in: "version", found: "\(version)") }
        return true
    }

    /// Reads `size u8 | bytes`: methods, or a challenge; nil while incomplete, and nothing has been consumed then.
    mutating func readZhwkproXSized() -> [UInt8]? {
        guard let size = self.getInteger(at: self.readerIndex, as: UInt8.self),
            let bytes = self.getBytes(at: self.readerIndex + 1, length: Int(size))
        else { return nil }
        self.moveReaderIndex(forwardBy: 1 + bytes.count)
        return bytes
    }

    /// The size is the number of bytes modulo 256, as deployed peers have it.
    mutating func writeZhwkproXSized(_ bytes: [UInt8]) {
        self.writeInteger(UInt8(truncatingIfNeeded: bytes.count))
        self.writeBytes(bytes)
    }
}
