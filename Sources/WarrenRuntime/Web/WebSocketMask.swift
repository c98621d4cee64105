// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOWebSocket

extension ByteBuffer {
    /// Masks the readable bytes behind an offset, or takes their mask away: XOR with the four bytes of a key again and again
    /// (RFC 6455, section 5.3), eight at a time.
    mutating func webSocketMask(_ key: WebSocketMaskingKey, behind offset: Int) {
        let four = key.reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        let eight = (UInt64(four) << 32 | UInt64(four)).bigEndian
        self.withUnsafeMutableReadableBytes { bytes in
            guard offset >= 0, offset < bytes.count else { return }
            let payload = UnsafeMutableRawBufferPointer(rebasing: bytes[offset...])
            let whole = payload.count & ~7
            for start in stride(from: 0, to: whole, by: 8) {
                let masked = payload.loadUnaligned(fromByteOffset: start, as: UInt64.self) ^ eight
                payload.storeBytes(of: masked, toByteOffset: start, as: UInt64.self)
            }
            withUnsafeBytes(of: eight) { key in
                for (index, byte) in zip(payload[whole...].indices, key) { payload[index] ^= byte }
            }
        }
    }

    /// A frame of a client, whole: NIO's encoder masks byte by byte.
    ///
    /// `FIN and opcode u8 | mask bit and length u8, u8 and u16, or u8 and u64 | key 4B | masked payload`.
    init(webSocketFrame opcode: WebSocketOpcode, masked payload: ByteBuffer, _ key: WebSocketMaskingKey) {
        let count = payload.readableBytes
        self = ByteBufferAllocator().buffer(capacity: 14 + count)
        self.writeInteger(0x80 | UInt8(webSocketOpcode: opcode))
        switch count {
        case ...125: self.writeInteger(0x80 | UInt8(truncatingIfNeeded: count))
        case ...0xFFFF: self.writeMultipleIntegers(UInt8(0x80 | 126), UInt16(truncatingIfNeeded: count))
        default: self.writeMultipleIntegers(UInt8(0x80 | 127), UInt64(count))
        }
        self.writeBytes(key)
        let head = self.readableBytes
        self.writeImmutableBuffer(payload)
        self.webSocketMask(key, behind: head)
    }
}

extension WebSocketFrame {
    /// The payload as its sender meant it.
    var plainData: ByteBuffer {
        guard let key = self.maskKey else { return self.data }
        var data = self.data
        data.webSocketMask(key, behind: 0)
        return data
    }
}
