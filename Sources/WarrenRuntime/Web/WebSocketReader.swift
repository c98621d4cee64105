// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOWebSocket

/// What stands before the payload of a frame (RFC 6455, section 5.2).
struct WebSocketHeader {
    static let mostBytes = 14

    /// The last frame of its message.
    var isLast: Bool
    /// Those of extensions: 0 without any.
    var reservedBits: UInt8
    var opcode: WebSocketOpcode
    /// Nil where the payload is not masked.
    var mask: WebSocketMask?
    /// Of the payload, as far as a number goes.
    var length: Int
}

extension ByteBuffer {
    /// Reads a header; takes nothing, and is nil, where a part is missing.
    mutating func readWebSocketHeader() -> WebSocketHeader? {
        var rest = self
        guard let (first, second) = rest.readMultipleIntegers(as: (UInt8, UInt8).self) else { return nil }
        let length: Int
        switch second & 0x7F {
        case 126:
            guard let count = rest.readInteger(as: UInt16.self) else { return nil }
            length = Int(count)
        case 127:
            guard let count = rest.readInteger(as: UInt64.self) else { return nil }
            length = Int(clamping: count)
        case let count: length = Int(count)
        }
        var mask: WebSocketMask?
        if second & 0x80 != 0 {
            guard let key = rest.readInteger(endianness: .little, as: UInt32.self) else { return nil }
            mask = WebSocketMask(key)
        }
        self = rest
        return WebSocketHeader(
            isLast: first & 0x80 != 0, reservedBits: first >> 4 & 7,
            opcode: WebSocketOpcode(encodedWebSocketOpcode: first & 0x0F) ?? .continuation, mask: mask, length: length)
    }
}

/// Bytes to frames: a stream that may be cut anywhere.
///
/// Payload of data comes in the pieces that it came in, so that nothing is kept of it; that of control frames, which is short,
/// comes whole. Whoever reads judges each header before it asks on.
struct WebSocketReader {
    enum Piece {
        case header(WebSocketHeader)
        /// Masked by the second, if there is one; empty only for a frame without payload. `isLast`: its message ends with it.
        case data(ByteBuffer, WebSocketMask?, isLast: Bool)
        case control(WebSocketOpcode, ByteBuffer)
    }

    /// The start of a header.
    private var head = ByteBuffer()
    private var frame: WebSocketHeader?
    /// What of the frame's payload has come.
    private var count = 0
    private var control = ByteBuffer()

    /// The next piece in what has come, which it leaves out of it; nil means "feed me".
    mutating func next(in bytes: inout ByteBuffer) -> Piece? {
        guard let frame else {
            self.frame = self.readHeader(in: &bytes)
            return self.frame.map { .header($0) }
        }
        guard let piece = bytes.readSlice(length: min(frame.length - self.count, bytes.readableBytes)),
            piece.readableBytes > 0 || frame.length == 0
        else { return nil }
        let mask = frame.mask?.behind(self.count)
        self.count += piece.readableBytes
        let isWhole = self.count == frame.length
        if isWhole {
            self.frame = nil
            self.count = 0
        }
        guard frame.opcode.isControlOpcode else { return .data(piece, mask, isLast: isWhole && frame.isLast) }
        self.control.writePayload(piece, mask)
        guard isWhole else { return nil }
        defer { self.control = ByteBuffer() }
        return .control(frame.opcode, self.control)
    }

    private mutating func readHeader(in bytes: inout ByteBuffer) -> WebSocketHeader? {
        if self.head.readableBytes == 0, let header = bytes.readWebSocketHeader() { return header }
        // At most as many bytes as a header has are kept.
        while let byte = bytes.readInteger(as: UInt8.self) {
            self.head.writeInteger(byte)
            guard let header = self.head.readWebSocketHeader() else { continue }
            self.head = ByteBuffer()
            return header
        }
        return nil
    }
}
