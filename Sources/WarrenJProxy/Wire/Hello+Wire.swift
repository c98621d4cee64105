// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

extension ByteBuffer {
    /// Reads `magic 6B | major u8 | minor u8`, 8 bytes in all.
    ///
    /// - Returns: nil while incomplete; nothing has been consumed then.
    /// - Throws: ``WireError`` `.badMagic` once all 8 bytes are in. The version is for the caller to judge.
    /// - Source: jProxy protocol, "Handshake"; fixture `reject-magic.json`.
    mutating func readJProxyHello() throws(WireError) -> JProxy.Hello? {
        try self.readWhole { bytes throws(WireError) in
            guard let magic = bytes.readSlice(length: JProxy.Hello.magic.utf8.count),
                let (major, minor) = bytes.readMultipleIntegers(as: (UInt8, UInt8).self)
            else { return nil }
            guard magic.isJProxyMagic else { throw WireError(.badMagic, in: "hello.magic") }
            return JProxy.Hello(major: major, minor: minor)
        }
    }

    mutating func writeJProxyHello(_ hello: JProxy.Hello) {
        self.writeString(JProxy.Hello.magic)
        self.writeMultipleIntegers(hello.major, hello.minor)
    }

    /// Reads `magic 6B | status u8`, the server's answer, 7 bytes in all.
    ///
    /// - Returns: the status, 0 for yes; nil while incomplete.
    /// - Throws: ``WireError`` `.badMagic` once all 7 bytes are in.
    mutating func readJProxyHelloReply() throws(WireError) -> UInt8? {
        try self.readWhole { bytes throws(WireError) in
            guard let magic = bytes.readSlice(length: JProxy.Hello.magic.utf8.count),
                let status = bytes.readInteger(as: UInt8.self)
            else { return nil }
            guard magic.isJProxyMagic else { throw WireError(.badMagic, in: "helloReply.magic") }
            return status
        }
    }

    mutating func writeJProxyHelloReply(_ status: UInt8) {
        self.writeString(JProxy.Hello.magic)
        self.writeInteger(status)
    }

    private var isJProxyMagic: Bool { self.readableBytesView.elementsEqual(JProxy.Hello.magic.utf8) }
}
