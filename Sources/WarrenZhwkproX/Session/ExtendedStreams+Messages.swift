// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

extension ExtendedStreams {
    mutating func handle(_ incoming: Incoming, now: NIODeadline) throws(WireError) -> SessionAction? {
        switch incoming {
        case .data(let id, let bytes): return try self.take(bytes, id, now: now)
        case .message(let message): return try self.handle(message, now: now)
        case .get: return nil  // never read in this language
        }
    }

    /// A message for a stream that is gone means nothing.
    private mutating func handle(
        _ message: ZhwkproX.ExtendedMessage, now: NIODeadline
    ) throws(WireError) -> SessionAction? {
        switch message {
        case .open(let id, let endpoint, let window): return try self.peerOpened(id, endpoint, window)
        case .opened(let id, let fault, let window): return try self.answered(id, fault, window)
        case .credit(let id, let bytes): try self.addCredit(Int(bytes), id)
        case .finish(let id): return try self.peerFinished(id)
        case .reset(let id, let fault): return self.peerReset(id, fault)
        case .ping(let number): self.common.say(.pong(number))
        case .pong(let number): self.answered(number, now: now)
        }
        return nil
    }

    // MARK: Opening

    private mutating func peerOpened(
        _ id: UInt32, _ endpoint: ZhwkproX.StreamAddress, _ window: UInt32
    ) throws(WireError) -> SessionAction? {
        guard self.side == .exit else { throw WireError(.unexpected, in: "open") }
        guard self.count(id) else { throw WireError(.unexpected, in: "open.id", found: "\(id) is not a new one") }
        guard self.common.table.count < self.common.limits.streams else {
            self.common.say(.opened(id: id, .limit, window: 0))
            return nil
        }
        var stream = self.newRow(id, endpoint, .connecting)
        stream.window.credit = Int(window)
        _ = self.common.table.insert(stream)
        return .open(stream.id, StreamRequest(endpoint.destination))
    }

    private mutating func answered(
        _ id: UInt32, _ fault: StreamFault?, _ window: UInt32
    ) throws(WireError) -> SessionAction? {
        guard self.side == .inter else { throw WireError(.unexpected, in: "opened") }
        guard let row = self.common.table.row(StreamID(id)) else { return nil }
        guard self.common.table[row].phase == .waiting else { throw WireError(.unexpected, in: "opened.id") }
        if let fault {
            self.remove(row)
            return .end(StreamID(id), fault)
        }
        self.admit(row, credit: Int(window))
        return .opened(StreamID(id))
    }

    // MARK: Payload

    private mutating func take(_ bytes: ByteBuffer, _ id: UInt32, now: NIODeadline) throws(WireError) -> SessionAction?
    {
        guard let row = self.common.table.row(StreamID(id)), self.common.table[row].phase != .leaving
        else { return nil }
        guard self.isUp(row), !self.common.table[row].window.share.isFinished
        else { throw WireError(.unexpected, in: "data.id") }
        try self.ledger.windows.received(bytes.readableBytes, on: &self.common.table[row].window.share, now: now)
        return .deliver(StreamID(id), bytes)
    }

    private mutating func addCredit(_ bytes: Int, _ id: UInt32) throws(WireError) {
        guard let row = self.common.table.row(StreamID(id)) else { return }
        guard self.common.table[row].phase != .waiting else { throw WireError(.unexpected, in: "credit.id") }
        try self.common.addCredit(bytes, row)
    }

    /// Whether both ends have agreed on the stream.
    private func isUp(_ row: Int) -> Bool {
        switch self.common.table[row].phase {
        case .open, .leaving: true
        case .waiting, .connecting, .late: false
        }
    }

    // MARK: Ends

    private mutating func peerFinished(_ id: UInt32) throws(WireError) -> SessionAction? {
        guard let row = self.common.table.row(StreamID(id)), self.common.table[row].phase != .leaving
        else { return nil }
        guard self.isUp(row), !self.common.table[row].window.share.isFinished else {
            throw WireError(.unexpected, in: "finish")
        }
        self.ledger.windows.finish(&self.common.table[row].window.share)
        if self.common.table[row].window.saidFinish { self.end(row) }
        return .finish(StreamID(id))
    }

    private mutating func peerReset(_ id: UInt32, _ fault: StreamFault?) -> SessionAction? {
        guard let row = self.common.table.row(StreamID(id)) else { return nil }
        let phase = self.common.table[row].phase
        self.remove(row)
        return phase == .leaving ? nil : .end(StreamID(id), fault)
    }

    mutating func settle(_ notice: Multiplexer.Notice) -> SessionAction? {
        switch notice {
        case .pause(let id): return self.common.settlePressure(id, isPaused: true)
        case .resume(let id): return self.common.settlePressure(id, isPaused: false)
        case .end(let id, let fault): return .end(id, fault)
        case .finished(let id):
            if let row = self.common.table.row(id), self.common.table[row].phase == .open { self.settleEnd(row) }
            return nil
        case .drained(let id):
            if let row = self.common.table.row(id) { self.settleEnd(row) }
            return nil
        case .reset(let id, let fault):
            self.settleReset(id, fault)
            return nil
        case .opened, .accepted, .freed: return nil  // of the deployed protocol
        }
    }

    /// Says that our side has finished, or left in order, once all that came before is written.
    private mutating func settleEnd(_ row: Int) {
        self.common.table[row].closesWhenSent = true
        let isSent = self.common.table[row].queued == 0 || self.common.table[row].window.isCutOff
        guard isSent, !self.common.table[row].window.saidFinish else { return }
        let id = self.common.table[row].id
        if self.common.table[row].phase == .leaving { return self.settleReset(id, self.common.table[row].window.fault) }
        self.common.table[row].window.saidFinish = true
        self.common.say(.finish(id: id.rawValue))
        if self.common.table[row].window.share.isFinished { self.end(row) }
    }

    private mutating func settleReset(_ id: StreamID, _ fault: StreamFault?) {
        guard let row = self.common.table.row(id), self.common.table[row].phase == .leaving else { return }
        guard self.common.table[row].window.resetsAtOnce(fault, queued: self.common.table[row].queued) else {
            self.common.table[row].closesWhenSent = true
            return
        }
        self.common.say(.reset(id: id.rawValue, fault))
        self.remove(row)
    }

    /// Both ends have sent all.
    private mutating func end(_ row: Int) {
        self.common.notices.append(.end(self.common.table[row].id, nil))
        self.remove(row)
    }
}
