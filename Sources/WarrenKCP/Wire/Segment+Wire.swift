// SPDX-License-Identifier: Apache-2.0

public import NIOCore
public import WarrenCore

extension ByteBuffer {
    /// Reads one segment of a datagram; all integers are little-endian:
    /// `conv u32 | cmd u8 | frg u8 | wnd u16 | ts u32 | sn u32 | una u32 | len u32 | data len`.
    ///
    /// The data is a slice of the datagram.
    ///
    /// - Returns: nil if fewer than 24 bytes are left; they have no meaning, and nothing has been consumed.
    /// - Throws: ``WarrenCore/WireError`` `.badValue` for another conversation or an unknown command, `.tooLong` for
    ///   data that ends
    ///   behind the datagram. Nothing has been consumed then.
    /// - Source: KCP protocol, "Segment" and "Input of one datagram".
    public mutating func readKCPSegment(conversation: UInt32) throws(WireError) -> KCP.Segment? {
        try self.readWhole { bytes throws(WireError) in
            guard
                let (conv, cmd, frg, wnd, ts, sn, una, len) = bytes.readMultipleIntegers(
                    endianness: .little,
                    as: (UInt32, UInt8, UInt8, UInt16, UInt32, UInt32, UInt32, UInt32).self)
            else { return nil }
            guard conv == conversation else { throw WireError(.badValue, in: "segment.conv", found: "\(conv)") }
            guard let command = KCP.Command(rawValue: cmd) else {
                throw WireError(.badValue, in: "segment.cmd", found: "\(cmd)")
            }
            guard let length = Int(exactly: len), let data = bytes.readSlice(length: length) else {
                throw WireError(.tooLong, in: "segment.len", found: "\(len)")
            }
            let header = KCP.Header(
                conversation: conv, command: command, fragment: frg, window: wnd, stamp: ts, number: sn, awaited: una)
            return KCP.Segment(header, data: data)
        }
    }

    /// Writes the 24 bytes before `count` bytes of data.
    public mutating func writeKCPHeader(_ header: KCP.Header, count: Int = 0) {
        // Six words in one piece: eight integers, each with its own checks, cost several times as much.
        let second = UInt32(header.command.rawValue) | UInt32(header.fragment) << 8 | UInt32(header.window) << 16
        let words = (
            header.conversation.littleEndian, second.littleEndian, header.stamp.littleEndian,
            header.number.littleEndian, header.awaited.littleEndian, UInt32(truncatingIfNeeded: count).littleEndian
        )
        withUnsafeBytes(of: words) { _ = self.writeBytes($0) }
    }

    public mutating func writeKCPSegment(_ segment: KCP.Segment) {
        self.writeKCPHeader(segment.header, count: segment.data.readableBytes)
        self.writeImmutableBuffer(segment.data)
    }

    /// Skips a record of 31 bytes that deployed programs put between segments: `f268b10bd0083eed` and 23 bytes more.
    ///
    /// - Returns: false if there is none here; nothing has been consumed then.
    mutating func skipForeignRecord() -> Bool {
        guard self.readableBytes >= ForeignRecord.length,
            self.getInteger(at: self.readerIndex, as: UInt64.self) == ForeignRecord.magic
        else { return false }
        self.moveReaderIndex(forwardBy: ForeignRecord.length)
        return true
    }
}

private enum ForeignRecord {
    static let magic: UInt64 = 0xF268_B10B_D008_3EED
    static let length = 31
}
