// SPDX-License-Identifier: Apache-2.0

public import NIOCore
public import WarrenCore

extension JProxy.ClientKey {
    /// Reads a whole `key.dat`: `n u32 | PKCS#8 nB | hash 32B`.
    ///
    /// - Parameter dialect: the byte order of `n`: big-endian deployed, little-endian in the document.
    /// - Throws: ``WireError`` in `key.length`, `privateKey`, `hash` or `key` (bytes behind the end).
    /// - Source: jProxy protocol, "Key files"; fixture `keyfiles.json`.
    public init(parsing bytes: ByteBuffer, dialect: JProxy.Dialect = .deployed) throws(WireError) {
        var bytes = bytes
        guard let length = bytes.readInteger(endianness: dialect.endianness, as: UInt32.self)
        else { throw WireError(.tooShort, in: "key.length") }
        guard let pkcs8 = bytes.readBytes(length: Int(length)) else {
            throw WireError(.tooShort, in: "privateKey", found: "\(bytes.readableBytes) of \(length) bytes")
        }
        guard let hash = bytes.readBytes(length: JProxy.Login.hash) else { throw WireError(.tooShort, in: "hash") }
        guard bytes.readableBytes == 0
        else { throw WireError(.tooLong, in: "key", found: "\(bytes.readableBytes) bytes behind its end") }
        try self.init(pkcs8: pkcs8, hash: hash)
    }

    /// The whole `key.dat`. Secret.
    public func serialized(_ dialect: JProxy.Dialect = .deployed) -> ByteBuffer {
        var bytes = ByteBuffer()
        bytes.writeInteger(UInt32(truncatingIfNeeded: self.pkcs8.count), endianness: dialect.endianness)
        bytes.writeBytes(self.pkcs8)
        bytes.writeBytes(self.hash)
        return bytes
    }
}

extension JProxy.UserFile {
    /// Reads a whole `users/<HEX>.dat`: `n u16 | name nB, Java's modified UTF-8 | salt 256B | SPKI 294B`.
    ///
    /// - Parameter dialect: the byte order of `n`: big-endian deployed, little-endian in the document.
    /// - Throws: ``WireError`` in `name`, `salt`, `publicKey` or `user` (bytes behind the end).
    /// - Source: jProxy protocol, "Key files"; fixture `keyfiles.json`.
    public init(parsing bytes: ByteBuffer, dialect: JProxy.Dialect = .deployed) throws(WireError) {
        var bytes = bytes
        guard let length = bytes.readInteger(endianness: dialect.endianness, as: UInt16.self),
            let name = bytes.readSlice(length: Int(length))
        else { throw WireError(.tooShort, in: "name") }
        guard let salt = bytes.readBytes(length: Self.saltLength) else { throw WireError(.tooShort, in: "salt") }
        guard let publicKey = bytes.readBytes(length: Self.publicKeyLength)
        else { throw WireError(.tooShort, in: "publicKey") }
        guard bytes.readableBytes == 0
        else { throw WireError(.tooLong, in: "user", found: "\(bytes.readableBytes) bytes behind its end") }
        guard let name = name.modifiedUTF8Text else {
            throw WireError(.badValue, in: "name", found: "not modified UTF-8")
        }
        try self.init(name: name, salt: salt, publicKey: publicKey)
    }

    /// The whole file.
    public func serialized(_ dialect: JProxy.Dialect = .deployed) -> ByteBuffer {
        var bytes = ByteBuffer()
        bytes.writeInteger(UInt16(truncatingIfNeeded: self.name.modifiedUTF8Count), endianness: dialect.endianness)
        bytes.writeModifiedUTF8(self.name)
        bytes.writeBytes(self.salt)
        bytes.writeBytes(self.publicKey)
        return bytes
    }
}
