// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

// What drivers command.
extension Multiplexer {
    /// - Throws: `unsupported` for a destination that is named, and at a server; `limit` when all streams or ids are in use;
    ///   `sessionLost` before the tunnel is ready.
    mutating func open(_ request: StreamRequest, now: NIODeadline) throws(StreamFault) -> StreamID {
        guard self.side == .client, case .fixed = request.destination else { throw .unsupported }
        guard self.isReady else { throw .sessionLost }
        guard self.table.count < self.settings.limits.streams, let id = self.nextID else { throw .limit }
        self.lastID = id
        let row = self.insert(StreamRow(StreamID(id), .asking, isWindowed: self.isExtended))
        self.asking.touch(row, now: now)
        self.say(.headers, StreamID(id), flags: self.isExtended ? VProxy.Extension.flag : 0)
        self.giveFirstCredit(row)
        return StreamID(id)
    }

    /// Odd, counted up; nil when there is none left.
    private var nextID: UInt32? {
        guard let lastID else { return 1 }
        return lastID > VProxy.Frame.lastStream - 2 ? nil : lastID + 2
    }

    /// Client: no further stream can be opened, and the last one is over.
    var isExhausted: Bool { self.side == .client && self.nextID == nil && self.table.count == 0 }

    mutating func insert(_ stream: StreamRow) -> Int {
        let row = self.table.insert(stream)
        self.intake.streams = self.table.count
        if stream.isWindowed {
            self.table[row].window.credit = VProxy.Extension.early
            self.ledger?.windows.open(&self.table[row].window.share)
        }
        return row
    }

    /// What the window is larger than what may be sent anyway.
    mutating func giveFirstCredit(_ row: Int) {
        guard self.table[row].isWindowed else { return }
        let more = self.table[row].window.share.window - VProxy.Extension.early
        if more > 0 { self.say(.credit(UInt32(clamping: more)), self.table[row].id) }
    }

    mutating func accept(_ stream: StreamID) {
        guard let row = self.table.row(stream), self.table[row].phase == .connecting else { return }
        self.table[row].phase = .open
        // A deployed peer has had its answer.
        if self.table[row].isWindowed { self.say(.headers, stream, flags: VProxy.Extension.flag) }
        self.notices.append(.early(stream))
        if self.table[row].isFinished { self.notices.append(.ending(stream)) }
    }

    func hasRoom(on stream: StreamID) -> Bool { self.table.row(stream).map { !self.table[$0].isPaused } ?? true }

    mutating func send(_ bytes: ByteBuffer, on stream: StreamID) {
        guard bytes.readableBytes > 0, let row = self.table.row(stream), !self.table[row].isFinished else { return }
        switch self.table[row].phase {
        case .open, .asking: break
        case .connecting, .leaving: return
        }
        self.keepAlive.moved()
        self.table[row].queued += bytes.readableBytes
        self.queue.append(bytes, to: self.line(row))
        if !self.table[row].isPaused, self.table[row].queued >= self.settings.limits.queuedPerStream {
            self.table[row].isPaused = true
            self.notices.append(.pause(stream))
        }
    }

    mutating func finish(_ stream: StreamID) {
        guard let row = self.table.row(stream), !self.table[row].isFinished else { return }
        self.table[row].isFinished = true
        if self.table[row].phase != .connecting { self.notices.append(.ending(stream)) }
    }

    /// Without a fault, and with one that comes behind bytes, what is queued is still sent.
    mutating func reset(_ stream: StreamID, _ fault: StreamFault?) {
        guard let row = self.table.row(stream) else { return }
        switch self.table[row].phase {
        case .leaving: return  // the driver has reset it before
        case .connecting: return self.refuse(row, fault ?? .failed)
        case .asking where !(fault?.comesBehindBytes ?? true) || self.table[row].isWindowed:
            return self.abandon(row, fault ?? .aborted)
        case .asking, .open: break
        }
        self.asking.remove(row)
        self.table[row].phase = .leaving
        self.table[row].isFinished = true
        self.table[row].window.fault = fault
        if !(fault?.comesBehindBytes ?? true) { self.purge(row) }
        self.intake.forget(row)
        if self.table[row].isWindowed { self.ledger?.windows.close(&self.table[row].window.share) }
        self.notices.append(.ending(stream))
    }

    mutating func consumed(_ count: Int, on stream: StreamID) {
        guard let row = self.table.row(stream) else { return }
        guard self.table[row].isWindowed else { return self.intake.consumed(count, of: row) }
        guard self.table[row].phase == .open else { return }
        self.ledger?.consumed(count, of: &self.table[row].window, row: row)
    }

    /// The carrier's other end has so many of the bytes that were written.
    mutating func acknowledged(upTo count: UInt64) { self.acknowledged = max(self.acknowledged, count) }

    // MARK: Rows

    /// Drops what a stream has queued.
    private mutating func purge(_ row: Int) {
        guard self.table[row].queued > 0 else { return }
        self.queue.purge(self.line(row))
        self.table[row].queued = 0
    }

    /// Forgets a stream with all that waits for it or from it.
    mutating func remove(_ row: Int) {
        self.purge(row)
        self.asking.remove(row)
        self.awaiting.remove(row)
        self.holding.remove(row)
        self.intake.forget(row)
        self.ledger?.windows.close(&self.table[row].window.share)
        self.table.remove(row)
        self.intake.streams = self.table.count
    }
}
