// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

// How streams end.
//
// A deployed peer that has sent its FIN loses payload that it reads together with ours. So our last word waits until the
// carrier has acknowledged the payload before it, or for a moment where the carrier does not tell.
extension Multiplexer {
    /// From the acknowledgement to the last word.
    private static let afterAcknowledgement = TimeAmount.milliseconds(5)

    var holdTime: TimeAmount {
        self.settings.acknowledges ? Self.afterAcknowledgement : self.settings.finishDelay
    }

    /// The step that a notice stands for; nil if it was one without a step, or its stream is gone.
    mutating func settle(_ notice: Notice, now: NIODeadline) -> SessionAction? {
        switch notice {
        case .pause(let id): return self.isPaused(id) == true ? .pause(id) : nil
        case .resume(let id): return self.isPaused(id) == false ? .resume(id) : nil
        case .end(let id, let fault): return .end(id, fault)
        case .ready: return .ready
        case .early(let id):
            guard let row = self.table.row(id), self.table[row].phase == .open else { return nil }
            if self.table[row].isPeerFinished { self.notices.append(.peerFinished(id)) }
            let early = self.table[row].early
            self.table[row].early = ByteBuffer()
            return early.readableBytes > 0 ? .deliver(id, early) : nil
        case .peerFinished(let id):
            guard let row = self.table.row(id), self.table[row].phase == .open else { return nil }
            return self.tellFinish(row)
        case .ending(let id):
            guard let row = self.table.row(id) else { return nil }
            self.table[row].isEnding = true
            self.settleEnding(row, now: now)
            return nil
        }
    }

    /// Passes the peer's end on; the stream is over if ours was said before.
    mutating func tellFinish(_ row: Int) -> SessionAction {
        let id = self.table[row].id
        self.table[row].hasToldFinish = true
        if self.table[row].window.saidFinish { self.end(row) }
        return .finish(id)
    }

    private func isPaused(_ id: StreamID) -> Bool? {
        self.table.row(id).flatMap { self.table[$0].phase == .leaving ? nil : self.table[$0].isPaused }
    }

    /// Says our last word of a stream once all that came before is written, and may be followed.
    mutating func settleEnding(_ row: Int, now: NIODeadline) {
        guard self.table[row].isEnding else { return }
        let isCutOff = self.table[row].isWindowed && self.table[row].window.isCutOff
        guard self.table[row].queued == 0 || isCutOff, !self.holds(row, now: now) else { return }
        self.sayLastWord(row)
    }

    private mutating func sayLastWord(_ row: Int) {
        let id = self.table[row].id
        guard self.table[row].phase == .leaving else {
            guard !self.table[row].window.saidFinish else { return }
            self.table[row].window.saidFinish = true
            self.say(.data, id, flags: VProxy.Frame.over)
            if self.table[row].hasToldFinish { self.end(row) }
            return
        }
        let fault = self.table[row].window.fault
        if self.table[row].isWindowed {
            self.say(.reset(fault), id)
        } else if fault != nil {
            self.say(.headers, id, flags: VProxy.Frame.over)
        } else if !self.table[row].window.saidFinish {
            self.say(.data, id, flags: VProxy.Frame.over)
        }
        self.remove(row)
    }

    /// Whether the last word of a stream must wait still.
    private mutating func holds(_ row: Int, now: NIODeadline) -> Bool {
        let fault = self.table[row].window.fault
        guard !self.isExtended, let lastByte = self.table[row].lastByte, !self.table[row].window.saidFinish,
            fault?.comesBehindBytes ?? true
        else { return false }
        if self.holding.contains(row) || self.awaiting.contains(row) { return true }
        if self.settings.acknowledges, self.acknowledged < lastByte.end {
            self.awaiting.touch(row, now: now)
            return true
        }
        // An acknowledgement may have come just now, of payload that was sent again.
        if !self.settings.acknowledges, lastByte.at + self.settings.finishDelay <= now { return false }
        self.holding.touch(row, now: now)
        return true
    }

    /// Says the last words that have waited long enough.
    ///
    /// Looks at one row if nothing is due: who waits behind it had its payload written before, or nearly so.
    mutating func releaseHeld(now: NIODeadline) {
        while let (row, _) = self.awaiting.oldest, self.table[row].lastByte?.end ?? 0 <= self.acknowledged {
            self.awaiting.remove(row)
            self.settleEnding(row, now: now)
        }
        while let (row, since) = self.holding.oldest, since + self.holdTime <= now {
            self.holding.remove(row)
            self.sayLastWord(row)
        }
    }

    /// Both ends have sent all.
    private mutating func end(_ row: Int) {
        self.notices.append(.end(self.table[row].id, nil))
        self.remove(row)
    }

    /// Server: no to a stream. To a deployed peer, which has had its yes, that is an end without a byte.
    mutating func refuse(_ row: Int, _ fault: StreamFault) {
        let id = self.table[row].id
        if self.table[row].isWindowed {
            self.say(.reset(fault), id)
        } else {
            self.say(.data, id, flags: VProxy.Frame.over)
        }
        self.remove(row)
    }

    /// Client: gives up a stream before it was answered.
    mutating func abandon(_ row: Int, _ fault: StreamFault) {
        let id = self.table[row].id
        if self.table[row].isWindowed {
            self.say(.reset(fault), id)
        } else {
            self.say(.headers, id, flags: VProxy.Frame.over)
        }
        self.remove(row)
    }
}
