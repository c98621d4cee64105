// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

// Windows and half-close, between two Warrens.
//
// Streams begin and end as in the deployed protocol, and their addresses rest in the same way until both ends have said `end`:
// what is new comes in between. A stream is of one kind for its whole life. The word that both ends use the extension comes in
// front of the `connection` of every stream that has windows.
extension Multiplexer {
    /// True once both ends have said that they know the extension.
    var isExtended: Bool { self.ledger != nil }

    /// Streams that begin from here on have windows.
    mutating func extend() {
        guard self.ledger == nil else { return }
        self.unpacker.isExtended = true
        var limits = self.limits
        limits.unreadPerStream = max(limits.unreadPerStream, MProxy.Extension.firstFlight)
        limits.unreadWhenCrowded = max(limits.unreadWhenCrowded, MProxy.Extension.firstFlight)
        self.ledger = CreditLedger(limits, now: self.now)
        self.measureRoundTrip()
    }

    private mutating func measureRoundTrip() {
        guard let number = self.ledger?.measure(now: self.now) else { return }
        self.say(.request(id: MProxy.Extension.ping(number), .ping))
    }

    /// An answer to what is no command of the driver's.
    mutating func answered(_ id: Int) {
        guard let number = MProxy.Extension.number(ofPing: id) else { return }
        self.ledger?.answered(number, now: self.now)
    }

    mutating func answerPing(_ id: Int) { self.say(.reply(to: id, self.isExtended ? nil : .unknownCommand("ping"))) }

    /// Gives a new stream its windows, if streams have some. The relay may send at once what needs no leave, and gives the device
    /// leave; the device gives its own when the service is reached.
    mutating func openWindow(_ row: Int) {
        guard self.isExtended else { return }
        self.table[row].isWindowed = true
        self.ledger?.windows.open(&self.table[row].window.share)
        self.table[row].window.credit = self.side == .relay ? MProxy.Extension.firstFlight : 0
        if self.side == .relay { self.sayCredit(self.table[row].window.share.window, row) }
    }

    /// Device: the service is reached, and takes more than what came at once.
    mutating func acceptWindow(_ row: Int) {
        guard self.table[row].isWindowed else { return }
        self.sayCredit(self.table[row].window.share.window - MProxy.Extension.firstFlight, row)
    }
}

// MARK: Windows

extension Multiplexer {
    private mutating func sayCredit(_ bytes: Int, _ row: Int) {
        guard bytes > 0 else { return }
        self.say(.credit, self.table[row].header, ByteBuffer(string: String(bytes)))
    }

    /// Tells the peer what readers have taken.
    mutating func giveCredit() {
        guard self.ledger?.isDue == true else { return }
        while let row = self.ledger?.popCreditor() {
            let credit = self.ledger?.credit(&self.table[row].window, now: self.now) ?? 0
            self.sayCredit(credit, row)
        }
        self.measureRoundTrip()
    }

    mutating func takeCredit(_ header: MProxy.Header, _ body: ByteBuffer) throws(WireError) {
        let text = body.readableBytesView
        guard (1...10).contains(text.count), text.allSatisfy(\.isDigit),
            let bytes = Int(String(decoding: text, as: UTF8.self))
        else { throw WireError(.badValue, in: "credit.bytes") }
        guard let row = self.table.row(header.source), self.table[row].isWindowed else { return }
        try self.table[row].window.grant(bytes, most: MProxy.Extension.mostCredit)
        if bytes > 0 { self.queue.release(self.line(row)) }
    }

    /// - Throws: if it is more than the peer may send.
    mutating func receivedInWindow(_ bytes: ByteBuffer, _ row: Int) throws(WireError) {
        try self.ledger?.windows.received(bytes.readableBytes, on: &self.table[row].window.share, now: self.now)
    }
}

// MARK: Ends

extension Multiplexer {
    /// Our side has finished: says so when everything before it is sent.
    mutating func settleFinish(_ row: Int) {
        guard self.table[row].queued == 0, !self.table[row].window.saidFinish else { return }
        self.table[row].window.saidFinish = true
        self.say(.finish, self.table[row].header)
        if self.table[row].window.share.isFinished { self.endFinished(row) }
    }

    mutating func peerFinished(_ header: MProxy.Header) throws(WireError) -> SessionAction? {
        guard let row = self.table.row(header.source), self.table[row].isWindowed, self.table[row].phase != .draining
        else { return nil }
        guard !self.table[row].window.share.isFinished else { throw WireError(.unexpected, in: "finish") }
        self.ledger?.windows.finish(&self.table[row].window.share)
        guard self.table[row].phase == .open else { return nil }  // said when the service is reached
        let stream = self.table[row].id
        if self.table[row].window.saidFinish { self.endFinished(row) }
        return .finish(stream)
    }

    /// Both directions are over.
    mutating func endFinished(_ row: Int) {
        self.notices.append(.end(self.table[row].id, nil))
        self.part(row, nil)
    }

    /// The stream whose turn it is may not send: it waits until it may, unless it only waits to leave with a fault.
    mutating func holdFirst(_ row: Int) {
        guard self.table[row].isWindowed, self.table[row].window.isCutOff else { return self.queue.holdFirst() }
        self.part(row, self.table[row].window.fault)
    }
}
