// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

// Streams with windows, half-close and reasons, between two Warrens.
//
// An id lives from its OPEN to a RESET of either side or the second FINISH. Whatever the server sends for it before it
// answers the OPEN belongs to an earlier life: a client that waits for the answer ignores it.
extension Multiplexer {
    /// True once both ends have said that they know the extension.
    var isExtended: Bool { self.ledger != nil }

    mutating func extend(now: NIODeadline) {
        self.ledger = CreditLedger(self.limits, now: now)
        self.measureRoundTrip(now: now)
    }

    mutating func say(_ message: JProxy.ExtendedMessage) { self.say(.extended(message)) }

    mutating func isPeerGone(now: NIODeadline) -> Bool { self.ledger?.isPeerGone(now: now) ?? false }

    private mutating func measureRoundTrip(now: NIODeadline) {
        if let number = self.ledger?.measure(now: now) { self.say(.ping(number)) }
    }

    /// What both ends do alike; a message for a stream that is gone means nothing.
    mutating func handle(_ message: JProxy.ExtendedMessage, now: NIODeadline) throws(WireError) -> SessionAction? {
        switch message {
        case .ping(let number): self.say(.pong(number))
        case .pong(let number): self.ledger?.answered(number, now: now)
        case .credit(let id, let bytes): try self.addCredit(Int(bytes), id: id)
        case .finish(let id): return try self.peerFinished(id)
        case .reset(let id, let fault): return self.peerReset(id, fault, now: now)
        case .welcome, .open, .opened: break
        }
        return nil
    }

    /// The row of a windowed stream whose open is answered, as far as the peer can know.
    private func windowedRow(_ id: UInt16) -> Int? {
        guard let row = self.table.row(id), self.table[row].isWindowed else { return nil }
        return self.side == .client && self.table[row].phase == .connecting ? nil : row
    }
}

// MARK: Windows

extension Multiplexer {
    private mutating func addCredit(_ bytes: Int, id: UInt16) throws(WireError) {
        guard let row = self.windowedRow(id) else { return }
        try self.table[row].window.grant(bytes, most: JProxy.Extension.mostCredit)
        if bytes > 0 { self.queue.release(self.line(row)) }
    }

    /// Tells the peer what readers have taken.
    mutating func giveCredit(now: NIODeadline) {
        guard self.ledger?.isDue == true else { return }
        while let row = self.ledger?.popCreditor() {
            let credit = self.ledger?.credit(&self.table[row].window, now: now) ?? 0
            if credit > 0 { self.say(.credit(id: self.table[row].id, UInt32(credit))) }
        }
        self.measureRoundTrip(now: now)
    }

    mutating func consumedWindow(_ count: Int, _ row: Int) {
        self.ledger?.consumed(count, of: &self.table[row].window, row: row)
    }
}

// MARK: Ends

extension Multiplexer {
    /// The user has finished: says so when everything before it is sent.
    mutating func settleFinish(_ row: Int) {
        guard self.table[row].queued == 0, !self.table[row].window.saidFinish else { return }
        self.say(.finish(id: self.table[row].id))
        self.finishSaid(row)
    }

    mutating func finishSaid(_ row: Int) {
        self.table[row].window.saidFinish = true
        guard self.table[row].window.share.isFinished else { return }
        self.notices.append(.end(self.table[row].id, nil))
        self.remove(row, .byPeer)
    }

    private mutating func peerFinished(_ id: UInt16) throws(WireError) -> SessionAction? {
        guard let row = self.windowedRow(id) else { return nil }
        guard !self.table[row].window.share.isFinished, self.table[row].phase != .connecting
        else { throw WireError(.unexpected, in: "finish") }
        self.ledger?.windows.finish(&self.table[row].window.share)
        guard self.table[row].phase == .open else { return nil }
        let stream = self.table[row].stream
        if self.table[row].window.saidFinish {
            self.notices.append(.end(id, nil))
            self.remove(row, .byPeer)
        }
        return .finish(stream)
    }

    /// The driver is done with an open stream. What it queued is still sent if the end is orderly; before a reset, as far
    /// as the peer's window lets it.
    mutating func resetWindowed(_ row: Int, _ fault: StreamFault?) {
        self.table[row].phase = .draining
        self.ledger?.windows.close(&self.table[row].window.share)
        self.notices.append(.reset(self.table[row].id, fault))
    }

    mutating func settleReset(_ id: UInt16, _ fault: StreamFault?) {
        guard let row = self.table.row(id), self.table[row].phase == .draining else { return }
        if self.table[row].window.resetsAtOnce(fault, queued: self.table[row].queued) {
            return self.sayReset(row, fault)
        }
        self.table[row].closesWhenSent = true
    }

    private mutating func sayReset(_ row: Int, _ fault: StreamFault?) {
        self.say(.reset(id: self.table[row].id, fault))
        self.remove(row, .byPeer)
    }

    /// The stream whose turn it is has no credit: it waits for some, unless it only waits to be reset.
    mutating func holdFirst(_ row: Int) {
        if let fault = self.table[row].window.fault { self.sayReset(row, fault) } else { self.queue.holdFirst() }
    }

    /// Client: gives up a stream before its open was answered. Its id stays in use until the answer comes.
    mutating func abandon(_ row: Int, _ fault: StreamFault?) {
        self.say(.reset(id: self.table[row].id, fault))
        self.remove(row, .answerIsDue)
    }

    private mutating func peerReset(_ id: UInt16, _ fault: StreamFault?, now: NIODeadline) -> SessionAction? {
        guard let row = self.windowedRow(id) else { return nil }
        let (stream, phase) = (self.table[row].stream, self.table[row].phase)
        if phase == .connecting {  // every open gets its answer
            let atOnce = JProxy.ConnectReply.atOnce
            self.say(.opened(JProxy.ConnectReply(id: id, fault: .aborted, milliseconds: atOnce), window: 0))
        }
        self.remove(row, .byPeer)
        return phase == .draining ? nil : .end(stream, fault)
    }
}
