// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// What the carrier brought, decrypted.
enum Incoming {
    /// Payload of one stream, as many packets of it as came in a row.
    case data(id: UInt16, ByteBuffer)
    /// Any other message, still encoded.
    case message(ByteBuffer)
}

/// Cuts the carrier's bytes into packets and decrypts them, all that are whole in one pass.
///
/// The received buffer is never written to: the driver's pool shares it, so a write would copy it whole. Packets are
/// decrypted into ``plain`` instead, each to 5 bytes before the end of the data of the one before, so that its head falls
/// on bytes that are put back afterwards and the payload of consecutive packets lies in one piece.
struct PacketReader {
    private struct Event {
        var isData: Bool
        var id: UInt16
        var start: Int
        var count: Int
    }

    /// Bounds the list of events, and with it what a read full of tiny packets can cost.
    private static let packetsPerPass = 512
    /// Room before the first packet for its head, and for the eight bytes that are saved around a head.
    private static let margin = 8

    private var inbound = ByteBuffer()
    /// The packet that the last read cut off, at most 4081 bytes.
    private var partial = ByteBuffer()
    private var plain = ByteBuffer()
    private var events = ContiguousArray<Event>()
    private var next = 0
    private var failure: WireError?
    private let isStrict: Bool
    private let dialect: JProxy.Dialect

    init(_ bytes: ByteBuffer, dialect: JProxy.Dialect, isStrict: Bool) {
        self.inbound = bytes
        self.dialect = dialect
        self.isStrict = isStrict
    }

    mutating func receive(_ bytes: ByteBuffer) { self.inbound.take(bytes) }

    /// True if the carrier's bytes ended inside a packet; meaningful once ``next(_:)`` has returned nil.
    var isInsidePacket: Bool { self.partial.readableBytes > 0 || self.inbound.readableBytes > 0 }

    /// The next thing in order; nil when more bytes are needed.
    mutating func next(_ cipher: PacketCipher) throws(WireError) -> Incoming? {
        while true {
            if self.next < self.events.count {
                let event = self.events[self.next]
                self.next += 1
                let bytes = self.cut(event)
                return event.isData ? .data(id: event.id, bytes) : .message(bytes)
            }
            if let failure { throw failure }
            guard self.inbound.readableBytes > 0, self.decrypt(cipher) else { return nil }
        }
    }

    private func cut(_ event: Event) -> ByteBuffer { self.plain.piece(at: event.start, length: event.count) }
}

extension PacketReader {
    /// One pass over the whole packets that are there; false if there is none.
    private mutating func decrypt(_ cipher: PacketCipher) -> Bool {
        self.events.removeAll(keepingCapacity: true)
        self.next = 0
        guard self.completePartial() else { return false }
        let survey = self.survey()
        self.plain.renew(Self.margin + self.partial.readableBytes + survey.bytes)

        var pass = Pass(cipher: cipher, dialect: self.dialect, isStrict: self.isStrict, events: self.events)
        self.events = []
        self.plain.writeWithUnsafeMutableBytes(minimumWritableBytes: 0) { plain in
            guard let base = plain.baseAddress else { return 0 }
            var end = Self.margin
            self.partial.withUnsafeReadableBytes { pass.decrypt($0, into: base, end: &end) }
            self.inbound.withUnsafeReadableBytes {
                pass.decrypt(UnsafeRawBufferPointer(rebasing: $0.prefix(survey.bytes)), into: base, end: &end)
            }
            return end
        }
        self.events = pass.events
        self.failure = pass.failure
        self.partial.clear()
        self.inbound.moveReaderIndex(forwardBy: survey.bytes)
        if survey.isCutOff {
            self.partial.writeBuffer(&self.inbound)
            self.inbound = ByteBuffer()  // gives the driver's buffer back
        }
        return true
    }

    /// Takes from the read what completes the packet that the last one cut off; false if that is still not enough.
    private mutating func completePartial() -> Bool {
        guard let blocks = self.partial.getInteger(at: self.partial.readerIndex, as: UInt8.self) else { return true }
        let missing = 1 + 16 * Int(blocks) - self.partial.readableBytes
        if var piece = self.inbound.readSlice(length: min(missing, self.inbound.readableBytes)) {
            self.partial.writeBuffer(&piece)
        }
        if self.partial.readableBytes == 1 + 16 * Int(blocks) { return true }
        self.inbound = ByteBuffer()
        return false
    }

    /// How many bytes of the read are whole packets, up to the limit of a pass, and if a part of one follows.
    private func survey() -> (bytes: Int, isCutOff: Bool) {
        self.inbound.withUnsafeReadableBytes { bytes in
            var end = 0
            var packets = 0
            while end < bytes.count, packets < Self.packetsPerPass {
                let next = end + 1 + 16 * Int(bytes[end])
                if next > bytes.count { return (end, true) }
                if bytes[end] > 0 { packets += 1 }
                end = next
            }
            return (end, false)
        }
    }

    private struct Pass {
        let cipher: PacketCipher
        let types: JProxy.MessageTypes
        let dialect: JProxy.Dialect
        let isStrict: Bool
        var events: ContiguousArray<Event>
        var failure: WireError?

        init(cipher: PacketCipher, dialect: JProxy.Dialect, isStrict: Bool, events: ContiguousArray<Event>) {
            self.cipher = cipher
            self.types = dialect.types
            self.dialect = dialect
            self.isStrict = isStrict
            self.events = events
        }

        /// - Parameter end: where the data so far ends in `plain`.
        mutating func decrypt(_ packets: UnsafeRawBufferPointer, into plain: UnsafeMutableRawPointer, end: inout Int) {
            guard let base = packets.baseAddress else { return }
            var offset = 0
            while offset < packets.count, self.failure == nil {
                let blocks = Int(packets[offset])
                if blocks == 0 {
                    self.complain(WireError(.badValue, in: "packet.blocks", found: "0"))
                } else {
                    self.decrypt(base + offset + 1, blocks: blocks, into: plain, end: &end)
                }
                offset += 1 + 16 * blocks
            }
        }

        private mutating func decrypt(
            _ packet: UnsafeRawPointer, blocks: Int, into plain: UnsafeMutableRawPointer, end: inout Int
        ) {
            let saved = plain.loadUnaligned(fromByteOffset: end - 8, as: UInt64.self)
            let message = plain + (end - Packet.dataHead)
            self.cipher.decrypt(packet, to: message, blocks: blocks)
            guard let length = Packet.messageLength(message, blocks: blocks) else {
                self.failure = WireError(.badPadding, in: "packet")
                return
            }
            guard length >= Packet.dataHead, message.load(as: UInt8.self) == self.types.data else {
                // Out of the way of the bytes that have to be put back.
                (plain + end).copyMemory(from: message, byteCount: length)
                plain.storeBytes(of: saved, toByteOffset: end - 8, as: UInt64.self)
                self.events.append(Event(isData: false, id: 0, start: end, count: length))
                end += length
                return
            }
            let id = self.number(message + 1)
            let count = Int(self.number(message + 3))
            plain.storeBytes(of: saved, toByteOffset: end - 8, as: UInt64.self)
            guard count <= length - Packet.dataHead else {
                return self.complain(WireError(.tooLong, in: "data.length", found: "\(count) > \(length - 5)"))
            }
            self.append(id: id, start: end, count: count)
            end += count
        }

        @inline(__always)
        private mutating func append(id: UInt16, start: Int, count: Int) {
            guard count > 0 else { return }
            let last = self.events.count - 1
            if last >= 0, self.events[last].isData, self.events[last].id == id {
                self.events[last].count += count
            } else {
                self.events.append(Event(isData: true, id: id, start: start, count: count))
            }
        }

        @inline(__always)
        private func number(_ bytes: UnsafeMutableRawPointer) -> UInt16 {
            let raw = bytes.loadUnaligned(as: UInt16.self)
            return self.dialect == .deployed ? UInt16(bigEndian: raw) : UInt16(littleEndian: raw)
        }

        private mutating func complain(_ error: WireError) {
            if self.isStrict { self.failure = error }
        }
    }
}
