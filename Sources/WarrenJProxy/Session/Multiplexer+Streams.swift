// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

extension Multiplexer {
    mutating func send(_ bytes: ByteBuffer, on stream: StreamID) {
        guard let row = self.table.row(stream), !self.table[row].isFinished, self.table[row].phase != .draining else {
            return
        }
        self.table[row].wasAnswered = false
        if self.table[row].isDatagram { return self.sendDatagram(bytes, row) }
        self.table[row].queued += bytes.readableBytes
        if self.table[row].phase == .connecting {
            self.table[row].early.writeImmutableBuffer(bytes)
        } else {
            self.queue.append(bytes, to: self.line(row))
        }
        if !self.table[row].isPaused, self.table[row].queued >= self.limits.queuedPerStream {
            self.table[row].isPaused = true
            self.notices.append(.pause(self.table[row].id))
        }
    }

    func hasRoom(on stream: StreamID) -> Bool { self.table.row(stream).map { !self.table[$0].isPaused } ?? true }

    /// Datagrams are not cut and may be lost: one too many, too long or too early is dropped.
    private mutating func sendDatagram(_ bytes: ByteBuffer, _ row: Int) {
        guard self.table[row].phase == .open, bytes.readableBytes <= Packet.mostData,
            self.datagramBytes + Self.cost(bytes) <= self.limits.queuedPerStream
        else { return }
        self.datagramBytes += Self.cost(bytes)
        self.datagrams.append((self.table[row].id, bytes))
    }

    /// Client: a CONNECT is sent.
    mutating func startConnecting(_ row: Int, now: NIODeadline) { self.connecting.touch(row, now: now) }

    /// Client: the peer has accepted; what the driver sent before that may go now.
    mutating func opened(_ row: Int) {
        self.connecting.remove(row)
        self.table[row].phase = .open
        self.queue.append(self.table[row].early, to: self.line(row))
        self.table[row].early = ByteBuffer()
        if self.table[row].isFinished { self.notices.append(.finished(self.table[row].id)) }
    }

    mutating func finish(_ stream: StreamID) {
        guard let row = self.table.row(stream), !self.table[row].isFinished, self.table[row].phase != .draining else {
            return
        }
        self.table[row].isFinished = true
        if self.table[row].phase == .open { self.notices.append(.finished(self.table[row].id)) }
    }

    /// Ends an open stream: at once, or when what it queued is sent.
    mutating func disconnect(_ row: Int, afterQueue: Bool) {
        if afterQueue, self.table[row].queued > 0 {
            self.table[row].phase = .draining
            self.table[row].closesWhenSent = true
            self.intake.forget(row)
            self.stopTimers(row)
        } else {
            self.sayDisconnect(row)
            self.remove(row, self.table[row].phase == .connecting ? .unanswered : .byUs)
        }
    }

    /// Forgets a stream with all that waits for it or from it.
    mutating func remove(_ row: Int, _ parting: Parting) {
        let id = self.table[row].id
        if self.table[row].queued > 0 { self.queue.purge(self.line(row)) }
        if self.table[row].isDatagram { self.purgeDatagrams(id) }
        if self.table[row].isWindowed {
            self.ledger?.windows.close(&self.table[row].window.share)
        } else {
            self.intake.forget(row)
        }
        self.stopTimers(row)
        self.table.remove(row)
        self.intake.streams = self.table.count
        if self.side == .client { self.notices.append(.freed(id, parting)) }
    }

    mutating func sayDisconnect(_ row: Int) {
        let id = self.table[row].id
        if !self.table[row].isDatagram {
            self.say(.disconnect(id: id))
        } else if self.side == .client {  // the document gives a server no word for it
            self.say(.dissociate(id: id))
        }
    }

    mutating func consumed(_ count: Int, on stream: StreamID) {
        guard let row = self.table.row(stream) else { return }
        if self.table[row].isWindowed { return self.consumedWindow(count, row) }
        self.intake.consumed(count, of: row)
    }

    /// Counts payload that is about to be delivered, or that waits for the stream to open.
    ///
    /// - Throws: if it is more than the stream's window allows.
    mutating func delivered(_ count: Int, to row: Int, now: NIODeadline) throws(WireError) {
        if self.table[row].isWindowed {
            try self.ledger?.windows.received(count, on: &self.table[row].window.share, now: now)
            return
        }
        self.intake.delivered(count, to: row, now: now)
        self.table[row].wasAnswered = true
        if self.lingeringAnswered.contains(row) {
            self.lingeringAnswered.touch(row, now: now)
        } else if self.lingering.contains(row) {
            self.lingering.touch(row, now: now)
        }
    }

    /// What a datagram takes in its queue, in bytes: one without bytes takes some, too.
    static func cost(_ datagram: ByteBuffer) -> Int { datagram.readableBytes + 64 }

    private mutating func purgeDatagrams(_ id: UInt16) {
        self.datagrams.removeAll { $0.id == id }
        self.datagramBytes = self.datagrams.reduce(0) { $0 + Self.cost($1.bytes) }
    }
}
