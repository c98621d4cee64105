// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

extension Multiplexer {
    /// The step that a notice stands for; nil if it was one without a step, or its stream is gone.
    ///
    /// ``Notice/accepted(_:)``, ``Notice/refused(_:_:openedAt:_:)`` and ``Notice/freed(_:_:)`` are for the machine.
    mutating func settle(_ notice: Notice, now: NIODeadline) -> SessionAction? {
        switch notice {
        case .pause(let id):
            guard let row = self.table.row(id), self.table[row].isPaused, self.table[row].phase != .draining
            else { return nil }
            return .pause(self.table[row].stream)
        case .resume(let id):
            guard let row = self.table.row(id), !self.table[row].isPaused, self.table[row].phase != .draining
            else { return nil }
            return .resume(self.table[row].stream)
        case .end(let id, let fault):
            return .end(StreamID(UInt32(id)), fault)
        case .finished(let id):
            guard let row = self.table.row(id), self.table[row].phase == .open else { return nil }
            guard self.table[row].isWindowed else { return self.startLingering(row, now: now) }
            self.settleFinish(row)
            return nil
        case .reset(let id, let fault):
            self.settleReset(id, fault)
            return nil
        case .accepted, .refused, .freed:
            return nil
        }
    }

    /// The protocol has no half-close: the stream stays open for the rest of the answer, until none comes for a while.
    private mutating func startLingering(_ row: Int, now: NIODeadline) -> SessionAction? {
        if self.linger > .zero {
            if self.table[row].wasAnswered {
                self.lingeringAnswered.touch(row, now: now)
            } else {
                self.lingering.touch(row, now: now)
            }
            return nil
        }
        guard self.table[row].queued == 0 else {
            self.table[row].closesWhenSent = true
            return nil
        }
        return self.endOrderly(row)
    }

    /// Ends one stream whose time is over; nil if there is none. Asks a silent peer if it is there.
    mutating func expire(now: NIODeadline) -> SessionAction? {
        if let number = self.ledger?.ask(now: now) { self.say(.ping(number)) }
        if let row = self.intake.stalled(now: now) { return self.endStalled(row, now: now) }
        while let (row, since) = self.lingeringAnswered.oldest, since + self.linger <= now {
            if self.table[row].queued == 0 { return self.endOrderly(row) }
            self.lingeringAnswered.touch(row, now: now)
        }
        while let (row, since) = self.lingering.oldest, since + self.linger <= now {
            if self.table[row].queued == 0 { return self.endOrderly(row) }
            self.lingering.touch(row, now: now)
        }
        if let (row, since) = self.connecting.oldest, since + self.connectTimeout <= now {
            let stream = self.table[row].stream
            if self.table[row].isWindowed {
                self.abandon(row, .timedOut)
            } else {
                self.disconnect(row, afterQueue: false)
            }
            return .end(stream, .timedOut)
        }
        return nil
    }

    /// Ends the stream that has lingered longest after a complete answer, to make room; false if there is none.
    mutating func evictLingering() -> Bool {
        guard let (row, _) = self.lingeringAnswered.oldest, let action = self.endOrderly(row) else { return false }
        if case .end(let stream, let fault) = action {
            self.notices.append(.end(UInt16(truncatingIfNeeded: stream.rawValue), fault))
        }
        return true
    }

    private mutating func endOrderly(_ row: Int) -> SessionAction? {
        let stream = self.table[row].stream
        self.disconnect(row, afterQueue: false)
        return .end(stream, nil)
    }

    private mutating func endStalled(_ row: Int, now: NIODeadline) -> SessionAction? {
        let stream = self.table[row].stream
        if self.side == .server, self.table[row].phase == .connecting {
            let atOnce = JProxy.ConnectReply.atOnce
            self.say(.connectReply(JProxy.ConnectReply(id: self.table[row].id, fault: .stalled, milliseconds: atOnce)))
            self.remove(row, .byUs)
        } else {
            self.disconnect(row, afterQueue: false)
        }
        return .end(stream, .stalled)
    }

    mutating func stopTimers(_ row: Int) {
        self.connecting.remove(row)
        self.lingeringAnswered.remove(row)
        self.lingering.remove(row)
    }
}
