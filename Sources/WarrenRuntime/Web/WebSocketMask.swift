// SPDX-License-Identifier: Apache-2.0

import CWarrenSystem
import NIOCore
import NIOWebSocket

/// The four bytes with which a client's payload is masked again and again (RFC 6455, section 5.3), twice in a row.
struct WebSocketMask: Hashable {
    /// As they lie in memory, the first one lowest.
    private var eight: UInt64

    init(_ key: WebSocketMaskingKey) { self.init(key.reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }) }

    /// - Parameter four: the first byte lowest.
    init(_ four: UInt32) { self.eight = UInt64(four) << 32 | UInt64(four) }

    /// The mask for what comes behind so many bytes.
    func behind(_ count: Int) -> WebSocketMask {
        var mask = self
        let bits = UInt64(truncatingIfNeeded: count & 3) * 8
        mask.eight = self.eight >> bits | self.eight << (64 - bits)
        return mask
    }

    fileprivate var word: UInt64 { self.eight.littleEndian }
    fileprivate var key: UInt32 { UInt32(truncatingIfNeeded: self.eight) }
}

/// Masks that nobody can tell before, from the system's own random numbers: many at once, as each question to it costs.
struct WebSocketMasks {
    private static let many = 64
    private var left: [UInt32] = []

    mutating func next() -> WebSocketMask {
        if let four = self.left.popLast() { return WebSocketMask(four) }
        var fresh = [UInt32](repeating: 0, count: Self.many)
        let isFilled = fresh.withUnsafeMutableBytes { cws_random($0.baseAddress, $0.count) } == 0
        guard isFilled else { return WebSocketMask(UInt32.random(in: .min ... .max)) }
        self.left = fresh
        return self.next()
    }
}

extension ByteBuffer {
    /// Writes a payload masked, or one that is masked as it was: eight bytes at a time, in the only pass over it.
    mutating func writePayload(_ payload: ByteBuffer, _ mask: WebSocketMask?) {
        guard let mask else {
            self.writeImmutableBuffer(payload)
            return
        }
        let count = payload.readableBytes
        self.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { target in
            payload.withUnsafeReadableBytes { source in
                let whole = count & ~7
                for start in stride(from: 0, to: whole, by: 8) {
                    let word = source.loadUnaligned(fromByteOffset: start, as: UInt64.self) ^ mask.word
                    target.storeBytes(of: word, toByteOffset: start, as: UInt64.self)
                }
                withUnsafeBytes(of: mask.word) { key in
                    for (index, byte) in zip(whole..<count, key) { target[index] = source[index] ^ byte }
                }
            }
            return count
        }
    }

    /// Writes what comes before a payload, and a whole frame but for that.
    ///
    /// `FIN and opcode u8 | mask bit and length u8, u8 and u16, or u8 and u64 | key 4B where there is a mask`.
    mutating func writeWebSocketHeader(_ opcode: WebSocketOpcode, count: Int, _ mask: WebSocketMask? = nil) {
        self.writeInteger(0x80 | UInt8(webSocketOpcode: opcode))
        let bit: UInt8 = mask == nil ? 0 : 0x80
        switch count {
        case ...125: self.writeInteger(bit | UInt8(truncatingIfNeeded: count))
        case ...0xFFFF: self.writeMultipleIntegers(bit | 126, UInt16(truncatingIfNeeded: count))
        default: self.writeMultipleIntegers(bit | 127, UInt64(count))
        }
        if let mask { self.writeInteger(mask.key, endianness: .little) }
    }

    /// A frame of a client, whole.
    init(webSocketFrame opcode: WebSocketOpcode, masked payload: ByteBuffer, _ mask: WebSocketMask) {
        let count = payload.readableBytes
        self = ByteBufferAllocator().buffer(capacity: WebSocketHeader.mostBytes + count)
        self.writeWebSocketHeader(opcode, count: count, mask)
        self.writePayload(payload, mask)
    }
}
