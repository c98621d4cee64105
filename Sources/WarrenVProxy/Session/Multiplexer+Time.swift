// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

extension Multiplexer {
    /// Does what is due; the step that comes of it, nil if there is none.
    mutating func expire(now: NIODeadline, writable: Bool) -> SessionAction? {
        let isIdle = writable && self.urgent.readableBytes + self.control.readableBytes == 0 && self.queue.isEmpty
        // Between two Warrens: a deployed peer is asked when its own clients would ask.
        self.keepAlive.waits(self.side == .client && self.isExtended && self.table.count > 0, now: now)
        switch self.keepAlive.turn(now: now, isIdle: isIdle) {
        case .nothing: break
        case .ask: self.ping()
        case .dead:
            self.farewell = Farewell.silence
            return .close(.timedOut(phase: "keep-alive"))
        }
        if let announcement, announcement.until <= now { return self.announced(version: nil, now: now) }
        if let row = self.intake.stalled(now: now) { return self.endStalled(row) }
        if let (row, since) = self.asking.oldest, since + self.settings.connectTimeout <= now {
            let id = self.table[row].id
            self.abandon(row, .timedOut)
            return .end(id, .timedOut)
        }
        self.releaseHeld(now: now)
        return nil
    }

    private mutating func endStalled(_ row: Int) -> SessionAction {
        let id = self.table[row].id
        if self.table[row].phase == .connecting {
            self.refuse(row, .stalled)
        } else {
            self.abandon(row, .stalled)
        }
        return .end(id, .stalled)
    }

    // MARK: The extension

    /// Asks whether the server is a Warren; a deployed one answers like any PING.
    mutating func announce(now: NIODeadline) {
        let number = self.ping(extra: VProxy.Extension.announcement)
        self.announcement = (number, now + .milliseconds(VProxy.Extension.patienceMilliseconds))
    }

    /// The server has answered, or is taken for a deployed one.
    mutating func announced(version: UInt8?, now: NIODeadline) -> SessionAction? {
        self.announcement = nil
        if version != nil { self.extend(now: now) }
        self.becomeReady()
        return self.notices.popFirst().flatMap { self.settle($0, now: now) }
    }

    mutating func becomeReady() {
        self.isReady = true
        self.notices.append(.ready)
    }

    mutating func extend(now: NIODeadline) {
        guard self.ledger == nil else { return }
        self.ledger = CreditLedger(self.settings.windowLimits, now: now)
        self.reader.isExtended = true
        self.measureRoundTrip(now: now)
    }
}
