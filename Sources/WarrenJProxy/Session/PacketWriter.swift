// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// Fills one outgoing buffer with packets.
///
/// Whole packets are encrypted straight from the payload's buffer. What is left of a piece is *staged*: it stands in clear
/// at the end of the output until the next piece of the same stream fills it up, or ``seal()`` closes it.
struct PacketWriter {
    private(set) var bytes: ByteBuffer
    private let cipher: PacketCipher
    private let dialect: JProxy.Dialect
    private let dataType: UInt8
    private var staged: (id: UInt16, start: Int, count: Int)?

    init(_ bytes: ByteBuffer, cipher: PacketCipher, dialect: JProxy.Dialect) {
        self.bytes = bytes
        self.cipher = cipher
        self.dialect = dialect
        self.dataType = dialect.types.data
    }

    /// Payload that still fits into so many bytes of output.
    func room(until limit: Int) -> Int {
        let start = self.staged?.start ?? self.bytes.writerIndex
        return (limit - start) / Packet.mostBytes * Packet.mostData - (self.staged?.count ?? 0)
    }

    mutating func append(_ piece: ByteBuffer, id: UInt16) {
        if let staged, staged.id != id { self.seal() }
        var piece = piece
        if let staged {
            self.stage(&piece, id: id, upTo: Packet.mostData - staged.count)
        }
        let packets = piece.readableBytes / Packet.mostData
        if packets > 0 { self.encrypt(&piece, packets: packets, id: id) }
        if piece.readableBytes > 0 { self.stage(&piece, id: id, upTo: piece.readableBytes) }
    }

    /// Closes the staged packet, if there is one.
    mutating func seal() {
        guard let staged = self.staged else { return }
        self.staged = nil
        self.seal(from: staged.start, head: self.dialect.dataHead(self.dataType, id: staged.id, count: staged.count))
    }

    /// Appends packets that are complete, and empties their buffer.
    mutating func append(sealed packets: inout ByteBuffer) {
        guard packets.readableBytes > 0 else { return }
        self.bytes.writeBuffer(&packets)
        packets.clear()
    }

    /// Appends a message that is not TCP payload.
    mutating func append(_ message: JProxy.Message) {
        self.seal()
        let start = self.bytes.writerIndex
        self.bytes.writeInteger(UInt8(0))
        self.bytes.writeJProxyMessage(message, self.dialect)
        self.seal(from: start)
    }

    private mutating func stage(_ piece: inout ByteBuffer, id: UInt16, upTo most: Int) {
        let count = min(most, piece.readableBytes)
        let staged = self.staged ?? (id, self.bytes.writerIndex, 0)
        // Room for block count and head, filled in by `seal`.
        let gap = self.staged == nil ? 1 + Packet.dataHead : 0
        self.bytes.writeWithUnsafeMutableBytes(minimumWritableBytes: gap + count) { target in
            piece.withUnsafeReadableBytes { source in
                guard let target = target.baseAddress, let source = source.baseAddress else { return 0 }
                (target + gap).copyMemory(from: source, byteCount: count)
                return gap + count
            }
        }
        piece.moveReaderIndex(forwardBy: count)
        self.staged = (id, staged.1, staged.2 + count)
        if staged.2 + count == Packet.mostData { self.seal() }
    }

    private mutating func encrypt(_ piece: inout ByteBuffer, packets: Int, id: UInt16) {
        let head = self.dialect.dataHead(self.dataType, id: id, count: Packet.mostData)
        let cipher = self.cipher
        self.bytes.writeWithUnsafeMutableBytes(minimumWritableBytes: packets * Packet.mostBytes) { target in
            piece.withUnsafeReadableBytes { source in
                guard let target = target.baseAddress, let source = source.baseAddress else { return 0 }
                for index in 0..<packets {
                    let packet = target + index * Packet.mostBytes
                    packet.storeBytes(of: UInt8(truncatingIfNeeded: Packet.mostBlocks), as: UInt8.self)
                    let data = source + index * Packet.mostData
                    _ = cipher.encrypt(head: head, data, count: Packet.mostData, to: packet + 1)
                }
                return packets * Packet.mostBytes
            }
        }
        piece.moveReaderIndex(forwardBy: packets * Packet.mostData)
    }

    /// Pads and encrypts the message that stands behind the block count at `start`.
    ///
    /// - Parameter head: is put over the first bytes of the message.
    private mutating func seal(from start: Int, head: (UInt8, UInt8, UInt8, UInt8, UInt8)? = nil) {
        let length = self.bytes.writerIndex - start - 1
        let blocks = length / 16 + 1
        let padding = 16 * blocks - length
        let cipher = self.cipher
        self.bytes.writeWithUnsafeMutableBytes(minimumWritableBytes: padding) { tail in
            guard let end = tail.baseAddress else { return 0 }
            let message = end - length  // what was written before is right in front
            (message - 1).storeBytes(of: UInt8(truncatingIfNeeded: blocks), as: UInt8.self)
            if let head { message.storeBytes(of: head, as: (UInt8, UInt8, UInt8, UInt8, UInt8).self) }
            end.initializeMemory(as: UInt8.self, repeating: UInt8(truncatingIfNeeded: padding), count: padding)
            cipher.encrypt(message, blocks: blocks)
            return padding
        }
    }
}
