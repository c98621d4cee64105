// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

extension ByteBuffer {
    /// Reads `signature 4B 4A455400 | size u16 | flags u8 | mask u8 | payload XOR mask`; size counts the whole packet.
    ///
    /// - Returns: nil while incomplete; nothing has been consumed then. What follows the packet is left.
    /// - Throws: ``WireError`` `.badMagic` in `packet.signature`, at the first wrong byte; `.tooShort` in `packet.size` for
    ///   less than 8, as soon as it can be read; `.badValue` in `packet.payload` if that is not UTF-8.
    /// - Source: JET-PROTO 2.2.1.1. Differs: flags that are not zero are read, and judged by the messages.
    mutating func readJETPacket() throws(WireError) -> JET.Packet? {
        try self.readWhole { bytes throws(WireError) in
            let head = bytes.readableBytesView.prefix(JET.signature.count)
            guard head.elementsEqual(JET.signature.prefix(head.count)) else {
                throw WireError(.badMagic, in: "packet.signature")
            }
            bytes.moveReaderIndex(forwardBy: head.count)
            guard let size = bytes.readInteger(as: UInt16.self) else { return nil }
            guard size >= JET.Packet.headerBytes else {
                throw WireError(.tooShort, in: "packet.size", found: "\(size)")
            }
            guard let (flags, mask) = bytes.readMultipleIntegers(as: (UInt8, UInt8).self),
                let masked = bytes.readSlice(length: Int(size) - JET.Packet.headerBytes)
            else { return nil }
            let payload = masked.withUnsafeReadableBytes { $0.map { $0 ^ mask } }
            guard let text = String(validating: payload, as: UTF8.self) else {
                throw WireError(.badValue, in: "packet.payload", found: "not UTF-8")
            }
            return JET.Packet(flags: flags, mask: mask, payload: text)
        }
    }

    /// Writes one whole packet, or nothing.
    ///
    /// - Throws: ``WireError`` `.tooLong` in `packet.payload` for more than 65527 bytes of it.
    mutating func writeJETPacket(_ packet: JET.Packet) throws(WireError) {
        let payload = packet.payload.utf8
        guard let size = UInt16(exactly: JET.Packet.headerBytes + payload.count) else {
            throw WireError(.tooLong, in: "packet.payload", found: "\(payload.count) > \(JET.Packet.mostPayload)")
        }
        self.writeBytes(JET.signature)
        self.writeMultipleIntegers(size, packet.flags, packet.mask)
        self.writeBytes(payload.map { $0 ^ packet.mask })
    }
}
