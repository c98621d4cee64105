// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// The streams of a session between two Warrens: ids, windows, half-close, reasons, keep-alive.
///
/// ```
/// inter: waiting --opened--> open --both finishes, or a reset of either end--> (none)
/// exit:  connecting --reached--> open --the same--> (none)
/// ```
///
/// The inter-server counts ids up and never uses one twice, so a message for one that is not in use comes late.
struct ExtendedStreams: Streams {
    enum Side {
        case exit
        case inter
    }

    var common: Multiplexer
    let side: Side
    private let connectTimeout: TimeAmount
    var ledger: CreditLedger
    private var isWritable = false
    /// Inter-server: streams whose open is unanswered.
    private var asking = AgeQueue()
    private var lastID: UInt32 = 0

    init(_ common: Multiplexer, side: Side, connectTimeout: TimeAmount = .zero, now: NIODeadline) {
        self.common = common
        self.side = side
        self.connectTimeout = connectTimeout
        self.ledger = CreditLedger(common.limits, now: now)
        self.measureRoundTrip(now: now)
    }

    var wantsBytes: Bool {
        mutating get { !self.common.isCrowded }
    }

    /// Credit comes of ``consumed(_:on:)``, behind which no step may follow.
    var wantsTurn: Bool {
        mutating get { self.isWritable && self.ledger.isDue }
    }

    var deadline: NIODeadline? {
        mutating get {
            guard let (_, since) = self.asking.oldest else { return self.ledger.keepAlive.deadline }
            return min(self.ledger.keepAlive.deadline, since + self.connectTimeout)
        }
    }

    mutating func isPeerGone(now: NIODeadline) -> Bool { self.ledger.isPeerGone(now: now) }

    mutating func receive(_ bytes: ByteBuffer) {
        self.ledger.heard()
        self.common.receive(bytes)
    }

    mutating func next(now: NIODeadline, writable: Bool) throws(WireError) -> SessionAction? {
        repeat {
            while let notice = self.common.notices.popFirst() {
                if let action = self.settle(notice) { return action }
            }
            if let action = self.expire(now: now) { return action }
            while let incoming = try self.common.nextIncoming() {
                if let action = try self.handle(incoming, now: now) { return action }
            }
        } while !self.common.notices.isEmpty
        self.isWritable = writable
        if writable { self.giveCredit(now: now) }
        return self.common.write(now: now, writable: writable).map { .write($0) }
    }

    // MARK: Commands

    /// - Throws: `unsupported` for anything but TCP to an address, `limit` when all streams or ids are in use.
    mutating func open(_ request: StreamRequest, now: NIODeadline) throws(StreamFault) -> StreamID {
        guard self.side == .inter else { throw .unsupported }
        let endpoint = try ZhwkproX.StreamAddress(request.destination)
        guard self.common.table.count < self.common.limits.streams, self.lastID < .max else { throw .limit }
        self.lastID += 1
        var stream = self.newRow(self.lastID, endpoint, .waiting)
        stream.window.credit = 0
        self.ledger.windows.open(&stream.window.share)
        self.asking.touch(self.common.table.insert(stream), now: now)
        self.common.say(.open(id: self.lastID, endpoint, window: UInt32(stream.window.share.window)))
        return stream.id
    }

    mutating func accept(_ stream: StreamID) {
        guard let row = self.common.table.row(stream), self.common.table[row].phase == .connecting else { return }
        self.common.table[row].phase = .open
        self.ledger.windows.open(&self.common.table[row].window.share)
        let window = UInt32(self.common.table[row].window.share.window)
        self.common.say(.opened(id: stream.rawValue, nil, window: window))
        if self.common.table[row].isFinished { self.common.notices.append(.finished(stream)) }
    }

    mutating func finish(_ stream: StreamID) {
        guard let row = self.common.table.row(stream), !self.common.table[row].isFinished else { return }
        self.common.table[row].isFinished = true
        if self.common.table[row].phase == .open { self.common.notices.append(.finished(stream)) }
    }

    mutating func reset(_ stream: StreamID, _ fault: StreamFault?) {
        guard let row = self.common.table.row(stream) else { return }
        switch self.common.table[row].phase {
        case .waiting:
            self.common.say(.reset(id: stream.rawValue, fault ?? .aborted))
            self.remove(row)
        case .connecting:
            self.common.say(.opened(id: stream.rawValue, fault ?? .failed, window: 0))
            self.remove(row)
        case .open:
            self.common.table[row].phase = .leaving
            self.ledger.windows.close(&self.common.table[row].window.share)
            self.common.notices.append(.reset(stream, fault))
        case .late, .leaving:
            break  // the driver has reset it before
        }
    }

    mutating func consumed(_ count: Int, on stream: StreamID) {
        guard let row = self.common.table.row(stream), self.common.table[row].phase == .open else { return }
        self.ledger.consumed(count, of: &self.common.table[row].window, row: row)
    }

    func newRow(_ id: UInt32, _ endpoint: ZhwkproX.StreamAddress, _ phase: StreamRow.Phase) -> StreamRow {
        StreamRow(StreamID(id), endpoint, phase, head: .data(id: id))
    }

    mutating func remove(_ row: Int) {
        self.ledger.windows.close(&self.common.table[row].window.share)
        self.asking.remove(row)
        self.common.remove(row)
    }
}

// MARK: Time and credit

extension ExtendedStreams {
    /// Tells the peer what readers have taken.
    private mutating func giveCredit(now: NIODeadline) {
        guard self.ledger.isDue else { return }
        while let row = self.ledger.popCreditor() {
            guard self.common.table[row].phase == .open else { continue }
            let credit = self.ledger.credit(&self.common.table[row].window, now: now)
            if credit > 0 { self.common.say(.credit(id: self.common.table[row].id.rawValue, UInt32(credit))) }
        }
        self.measureRoundTrip(now: now)
    }

    private mutating func measureRoundTrip(now: NIODeadline) {
        if let number = self.ledger.measure(now: now) { self.common.say(.ping(number)) }
    }

    /// Asks a silent peer if it is there, and gives up a stream whose open was not answered.
    private mutating func expire(now: NIODeadline) -> SessionAction? {
        if let number = self.ledger.ask(now: now) { self.common.say(.ping(number)) }
        guard let (row, since) = self.asking.oldest, since + self.connectTimeout <= now else { return nil }
        let id = self.common.table[row].id
        self.common.say(.reset(id: id.rawValue, .timedOut))
        self.remove(row)
        return .end(id, .timedOut)
    }

    mutating func answered(_ number: UInt64, now: NIODeadline) { self.ledger.answered(number, now: now) }

    mutating func admit(_ row: Int, credit: Int) {
        self.asking.remove(row)
        self.common.table[row].window.credit = credit
        self.common.admit(row)
        if self.common.table[row].isFinished { self.common.notices.append(.finished(self.common.table[row].id)) }
    }

    /// - Returns: false for an id that is not the next in order.
    mutating func count(_ id: UInt32) -> Bool {
        guard id > self.lastID else { return false }
        self.lastID = id
        return true
    }
}
