// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// A frame by hand (RFC 6455, section 5.2), apart from the library's reader and writer.
struct RawFrame: Hashable {
    var first: UInt8
    var payload: ByteBuffer

    static let binary: UInt8 = 0x82
    static let close: UInt8 = 0x88
    static let ping: UInt8 = 0x89
    static let pong: UInt8 = 0x8A

    init(_ first: UInt8, _ payload: ByteBuffer = ByteBuffer()) {
        self.first = first
        self.payload = payload
    }

    init(_ first: UInt8, _ text: String) { self.init(first, ByteBuffer(string: text)) }

    /// - Parameter mask: four bytes; nil for a server.
    func bytes(mask: [UInt8]? = nil) -> ByteBuffer {
        var bytes = ByteBuffer(bytes: [self.first])
        let bit: UInt8 = mask == nil ? 0 : 0x80
        switch self.payload.readableBytes {
        case 0...125: bytes.writeInteger(UInt8(self.payload.readableBytes) | bit)
        case 126...0xFFFF:
            bytes.writeInteger(126 | bit)
            bytes.writeInteger(UInt16(self.payload.readableBytes))
        default:
            bytes.writeInteger(127 | bit)
            bytes.writeInteger(UInt64(self.payload.readableBytes))
        }
        guard let mask else {
            bytes.writeImmutableBuffer(self.payload)
            return bytes
        }
        bytes.writeBytes(mask)
        bytes.writeBytes(self.payload.readableBytesView.enumerated().map { $1 ^ mask[$0 % 4] })
        return bytes
    }

    var masked: ByteBuffer { self.bytes(mask: [0x37, 0xFA, 0x21, 0x3D]) }

    static func all(in bytes: ByteBuffer) -> [RawFrame] {
        var bytes = bytes
        var frames: [RawFrame] = []
        while let first = bytes.readInteger(as: UInt8.self), let second = bytes.readInteger(as: UInt8.self) {
            var length = Int(second & 0x7F)
            if length == 126 { length = Int(bytes.readInteger(as: UInt16.self) ?? 0) }
            if length == 127 { length = Int(bytes.readInteger(as: UInt64.self) ?? 0) }
            let mask = second & 0x80 == 0 ? [0, 0, 0, 0] : bytes.readBytes(length: 4) ?? [0, 0, 0, 0]
            guard let payload = bytes.readBytes(length: length) else { break }
            let plain = ByteBuffer(bytes: payload.enumerated().map { $1 ^ mask[$0 % 4] })
            frames.append(RawFrame(first, plain))
        }
        return frames
    }
}

enum Handshake {
    static let key = "dGhlIHNhbXBsZSBub25jZQ=="  // RFC 6455, section 1.3
    static let accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

    static func request(_ path: String = "/tunnel", more: String = "") -> String {
        "GET \(path) HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
            + "Sec-WebSocket-Key: \(Self.key)\r\nSec-WebSocket-Version: 13\r\n\(more)\r\n"
    }

    static func answer(accept: String = Self.accept) -> String {
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            + "Sec-WebSocket-Accept: \(accept)\r\n\r\n"
    }
}
