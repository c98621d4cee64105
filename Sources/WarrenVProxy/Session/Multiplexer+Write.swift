// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

extension Multiplexer {
    /// Payload of a smaller piece is never compressed.
    private static let leastCompressed = 1024

    /// What goes on the carrier now: PINGs, frames without payload, then payload in turns; nil if there is nothing or no
    /// room.
    mutating func write(now: NIODeadline, writable: Bool) -> ByteBuffer? {
        self.isWritable = writable
        guard writable else { return nil }
        self.giveCredit(now: now)
        self.holdThoseWithoutCredit(now: now)
        guard self.urgent.readableBytes > 0 || self.control.readableBytes > 0 || !self.queue.isEmpty
        else { return nil }
        let ready = min(self.queue.bytes - self.queue.heldBytes, Self.mostPayload)
        let heads = (ready / VProxy.Frame.mostSent + 2) * VProxy.Frame.head
        var bytes = self.takeOutput(self.urgent.readableBytes + self.control.readableBytes + ready + heads)
        bytes.writeBuffer(&self.urgent)
        bytes.writeBuffer(&self.control)
        self.urgent.clear()
        self.control.clear()
        var room = Self.mostPayload
        while room > 0, let first = self.queue.first {
            let row = Int(first.rawValue)
            let most = min(room, self.table[row].window.credit, VProxy.Frame.mostSent)
            guard most > 0, let (_, piece) = self.queue.next(most: most) else {
                self.holdFirst(row, now: now)
                continue
            }
            self.write(piece, of: row, to: &bytes)
            self.wrote(piece.readableBytes, row, (self.written + UInt64(bytes.readableBytes), now))
            room -= piece.readableBytes
        }
        while let row = self.drained.popLast() { self.settleEnding(row, now: now) }
        bytes.writeBuffer(&self.control)
        self.control.clear()
        self.written += UInt64(bytes.readableBytes)
        self.output = bytes
        return bytes
    }

    private func write(_ piece: ByteBuffer, of row: Int, to bytes: inout ByteBuffer) {
        var head = VProxy.FrameHead(.data, length: piece.readableBytes, stream: self.table[row].id.rawValue)
        if self.settings.mayCompress,
            piece.readableBytes > Self.leastCompressed, let packed = Gzip.compress(piece)
        {
            head.length = packed.readableBytes
            head.flags = VProxy.Frame.gzip
            bytes.writeVProxyHead(head)
            bytes.writeImmutableBuffer(packed)
            return
        }
        bytes.writeVProxyHead(head)
        bytes.writeImmutableBuffer(piece)
    }

    private mutating func takeOutput(_ capacity: Int) -> ByteBuffer {
        let isReused = self.output.modifyIfUniquelyOwned { $0.clear(minimumCapacity: capacity) } != nil
        defer { self.output = ByteBuffer() }
        return isReused ? self.output : ByteBufferAllocator().buffer(capacity: capacity)
    }

    private mutating func wrote(_ count: Int, _ row: Int, _ lastByte: (end: UInt64, at: NIODeadline)) {
        self.table[row].queued -= count
        self.table[row].lastByte = lastByte
        if self.table[row].isWindowed { self.table[row].window.credit -= count }
        if self.table[row].isPaused, self.table[row].queued < self.settings.limits.queuedPerStream / 2 {
            self.table[row].isPaused = false
            self.notices.append(.resume(self.table[row].id))
        }
        if self.table[row].queued == 0, self.table[row].isEnding { self.drained.append(row) }
    }

    // MARK: Credit

    /// So that the first stream in turn has something that it may send.
    private mutating func holdThoseWithoutCredit(now: NIODeadline) {
        while let first = self.queue.first, self.table[Int(first.rawValue)].window.credit == 0 {
            self.holdFirst(Int(first.rawValue), now: now)
        }
    }

    /// The stream whose turn it is has no credit: it waits for some, unless it only waits to be reset.
    private mutating func holdFirst(_ row: Int, now: NIODeadline) {
        self.queue.holdFirst()
        if self.table[row].window.isCutOff { self.settleEnding(row, now: now) }
    }

    /// Tells the peer what readers have taken.
    private mutating func giveCredit(now: NIODeadline) {
        guard self.ledger?.isDue == true else { return }
        while let row = self.ledger?.popCreditor() {
            guard self.table[row].phase == .open, self.table[row].isWindowed else { continue }
            let credit = self.ledger?.credit(&self.table[row].window, now: now) ?? 0
            if credit > 0 { self.say(.credit(UInt32(clamping: credit)), self.table[row].id) }
        }
        self.measureRoundTrip(now: now)
    }

    mutating func measureRoundTrip(now: NIODeadline) {
        guard let number = self.ledger?.measure(now: now) else { return }
        self.measuring = (self.ping(), number)
    }
}
