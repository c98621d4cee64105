// SPDX-License-Identifier: Apache-2.0

package import NIOCore
import WarrenCore

/// What a TLS client says first, as far as it tells where the connection belongs (RFC 8446, section 4.1.2).
///
/// ```
/// record     22 u8 | version u16 | length u16 | fragment of a handshake message …
/// handshake  1 u8 | length u24 | version u16 | random 32B | session u8+… | ciphers u16+… | compression u8+… |
///            extensions u16 + (type u16 | length u16 | …)*
/// ```
///
/// A message may lie in any number of records; a key share of post-quantum kind makes it longer than a segment.
package struct ClientHello: Hashable, Sendable {
    /// The name of the extension `server_name` (RFC 6066), in small letters and without a dot at its end; nil where there is
    /// none, or one that is no name.
    package private(set) var serverName: String?
    /// The protocols that the client offers (RFC 7301).
    package private(set) var protocols: [String] = []

    package enum Reading: Hashable, Sendable {
        /// Not TLS, or not a beginning that can be read.
        case no
        /// Ask again when so many bytes are there.
        case needs(bytes: Int)
        case whole(ClientHello)
    }

    private static let handshake: UInt8 = 22
    private static let clientHello: UInt8 = 1
    private static let recordHead = 5
    private static let messageHead = 4
    private static let longestRecord = 1 << 14

    /// Reads what a connection starts with.
    package static func read(_ head: ByteBufferView) -> Reading {
        var rest = ByteBuffer(head)
        var message = ByteBuffer()
        while true {
            let before = head.count - rest.readableBytes
            if let length = Self.length(of: message), message.readableBytes >= Self.messageHead + length {
                message.moveReaderIndex(forwardBy: Self.messageHead)
                guard var body = message.readSlice(length: length) else { return .no }
                return ClientHello(&body).map { .whole($0) } ?? .no
            }
            guard let type = rest.getInteger(at: rest.readerIndex, as: UInt8.self) else {
                return .needs(bytes: before + Self.recordHead)
            }
            guard type == Self.handshake else { return .no }
            guard let major = rest.getInteger(at: rest.readerIndex + 1, as: UInt8.self),
                let length = rest.getInteger(at: rest.readerIndex + 3, as: UInt16.self)
            else { return .needs(bytes: before + Self.recordHead) }
            guard major == 3, (1...Self.longestRecord).contains(Int(length)) else { return .no }
            rest.moveReaderIndex(forwardBy: Self.recordHead)
            guard let fragment = rest.readSlice(length: Int(length)) else {
                // What the message needs is known before its record is whole.
                message.writeImmutableBuffer(rest)
                return Self.isHello(message) ? .needs(bytes: before + Self.recordHead + Int(length)) : .no
            }
            message.writeImmutableBuffer(fragment)
            guard Self.isHello(message) else { return .no }
        }
    }

    /// Whether the message, as far as it is there, is a ClientHello that can be taken.
    private static func isHello(_ message: ByteBuffer) -> Bool {
        guard let type = message.getInteger(at: message.readerIndex, as: UInt8.self) else { return true }
        return type == Self.clientHello && Self.length(of: message).map { $0 <= Detection.mostBytes } ?? true
    }

    /// Of the message behind its head; nil while that is not there.
    private static func length(of message: ByteBuffer) -> Int? {
        guard let high = message.getInteger(at: message.readerIndex + 1, as: UInt8.self),
            let low = message.getInteger(at: message.readerIndex + 2, as: UInt16.self)
        else { return nil }
        return Int(high) << 16 | Int(low)
    }
}

// MARK: - The message

extension ClientHello {
    private static let versionAndRandom = 34

    fileprivate init?(_ body: inout ByteBuffer) {
        guard body.readSlice(length: Self.versionAndRandom) != nil,
            body.readLengthPrefixedSlice(as: UInt8.self) != nil,
            body.readLengthPrefixedSlice(as: UInt16.self) != nil,
            body.readLengthPrefixedSlice(as: UInt8.self) != nil
        else { return nil }
        guard body.readableBytes > 0 else { return }
        guard var extensions = body.readLengthPrefixedSlice(as: UInt16.self) else { return nil }
        while extensions.readableBytes > 0 {
            guard let type = extensions.readInteger(as: UInt16.self),
                var value = extensions.readLengthPrefixedSlice(as: UInt16.self)
            else { return nil }
            switch type {
            case 0: self.serverName = Self.readServerName(&value)
            case 16: self.protocols = Self.readProtocols(&value)
            default: break
            }
        }
    }

    /// `length u16 | (0 u8 | length u16 | name)*`, of which there is one.
    private static func readServerName(_ value: inout ByteBuffer) -> String? {
        guard var names = value.readLengthPrefixedSlice(as: UInt16.self), names.readInteger(as: UInt8.self) == 0,
            let name = names.readLengthPrefixedSlice(as: UInt16.self)
        else { return nil }
        var bytes = name.readableBytesView[...]
        if bytes.last == UInt8(ascii: ".") { bytes = bytes.dropLast() }
        guard (1...253).contains(bytes.count), bytes.allSatisfy({ (0x21...0x7E).contains($0) }) else { return nil }
        return String(decoding: bytes, as: UTF8.self).lowercased()
    }

    /// `length u16 | (length u8 | name)*`.
    private static func readProtocols(_ value: inout ByteBuffer) -> [String] {
        guard var names = value.readLengthPrefixedSlice(as: UInt16.self) else { return [] }
        var all: [String] = []
        while let name = names.readLengthPrefixedSlice(as: UInt8.self) {
            all.append(String(decoding: name.readableBytesView, as: UTF8.self))
        }
        return all
    }
}
