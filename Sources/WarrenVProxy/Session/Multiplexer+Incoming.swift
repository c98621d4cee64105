// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

// What the peer says. What is about a stream that is gone, or never was, means nothing.
extension Multiplexer {
    mutating func handle(_ incoming: VProxy.Incoming, now: NIODeadline) throws(WireError) -> SessionAction? {
        switch incoming {
        case .handshake: return nil  // comes once, before there are streams
        case .open(let id, let flags): return self.peerOpened(id, flags: flags)
        case .data(let id, let bytes): return try self.take(bytes, id, now: now)
        case .finish(let id): return self.peerFinished(id)
        case .reset(let id): return self.peerReset(id)
        case .ping(let number, let extra): self.answer(number, extra, now: now)
        case .pong(let number, let extra): return self.answered(number, extra, now: now)
        case .extended(let id, .credit(let bytes)): try self.addCredit(Int(bytes), id)
        case .extended(let id, .reset(let fault)): return self.peerLeft(id, fault)
        case .shutdown(let reason):
            let text = Farewell.shown(reason)
            return .close(text.isEmpty ? .finished : .carrierLost("the peer shut the tunnel down: \(text)"))
        }
        return nil
    }

    // MARK: Opening

    private mutating func peerOpened(_ id: UInt32, flags: UInt8) -> SessionAction? {
        guard let row = self.table.row(id) else {
            return self.side == .server ? self.peerAsked(StreamID(id), flags: flags) : nil
        }
        guard self.table[row].phase == .asking else { return nil }
        self.asking.remove(row)
        self.table[row].phase = .open
        return .opened(StreamID(id))
    }

    /// A deployed peer is told yes at once: anything else in answer to its SYN would leave its user hanging.
    private mutating func peerAsked(_ id: StreamID, flags: UInt8) -> SessionAction? {
        let isWindowed = self.isExtended && flags & VProxy.Extension.flag != 0
        if !isWindowed { self.say(.headers, id) }
        guard self.table.count < self.settings.limits.streams else {
            if isWindowed { self.say(.reset(.limit), id) } else { self.say(.data, id, flags: VProxy.Frame.over) }
            return nil
        }
        let row = self.insert(StreamRow(id, .connecting, isWindowed: isWindowed))
        self.giveFirstCredit(row)
        return .open(id, StreamRequest(.fixed))
    }

    // MARK: Payload

    private mutating func take(
        _ bytes: ByteBuffer, _ id: UInt32, now: NIODeadline
    ) throws(WireError) -> SessionAction? {
        guard let row = self.table.row(id), self.table[row].phase != .leaving else { return nil }
        self.keepAlive.moved()
        if self.table[row].isWindowed {
            guard self.table[row].phase != .asking, !self.table[row].isPeerFinished else {
                throw WireError(.unexpected, in: "data.stream")
            }
            try self.ledger?.windows.received(bytes.readableBytes, on: &self.table[row].window.share, now: now)
        } else {
            guard !self.table[row].isPeerFinished else { return nil }
            self.intake.delivered(bytes.readableBytes, to: row, now: now)
        }
        switch self.table[row].phase {
        case .open, .leaving:
            return .deliver(StreamID(id), bytes)
        case .connecting:
            self.table[row].early.writeImmutableBuffer(bytes)
            return nil
        case .asking:
            // Payload says yes, too.
            self.asking.remove(row)
            self.table[row].phase = .open
            self.table[row].early = bytes
            self.notices.append(.early(StreamID(id)))
            return .opened(StreamID(id))
        }
    }

    private mutating func addCredit(_ bytes: Int, _ id: UInt32) throws(WireError) {
        guard let row = self.table.row(id), self.table[row].isWindowed else { return }
        try self.table[row].window.grant(bytes, most: VProxy.Extension.mostCredit)
        if bytes > 0 { self.queue.release(self.line(row)) }
    }

    // MARK: Ends

    private mutating func peerFinished(_ id: UInt32) -> SessionAction? {
        guard let row = self.table.row(id), !self.table[row].isPeerFinished else { return nil }
        switch self.table[row].phase {
        case .asking:
            self.remove(row)
            return .end(StreamID(id), .refused)
        case .leaving:
            return nil
        case .connecting, .open:
            self.table[row].isPeerFinished = true
        }
        if self.table[row].isWindowed { self.ledger?.windows.finish(&self.table[row].window.share) }
        return self.table[row].phase == .open ? self.tellFinish(row) : nil
    }

    /// Deployed peers are answered in kind, as they answer.
    private mutating func peerReset(_ id: UInt32) -> SessionAction? {
        guard let row = self.table.row(id) else { return nil }
        let isRefusal = self.table[row].phase == .asking
        if !self.table[row].isWindowed { self.say(.headers, StreamID(id), flags: VProxy.Frame.over) }
        return self.peerLeft(id, isRefusal ? .refused : .aborted)
    }

    private mutating func peerLeft(_ id: UInt32, _ fault: StreamFault?) -> SessionAction? {
        guard let row = self.table.row(id) else { return nil }
        let phase = self.table[row].phase
        self.remove(row)
        switch phase {
        case .leaving: return nil
        case .asking: return .end(StreamID(id), fault ?? .failed)
        case .connecting, .open: return .end(StreamID(id), fault)
        }
    }

    // MARK: PINGs

    private mutating func answer(_ number: UInt64, _ extra: ByteBuffer, now: NIODeadline) {
        let knows = self.side == .server && self.settings.mayExtend
        guard knows, VProxy.Extension.version(announcedBy: extra) != nil else {
            return self.urgent.writeVProxyPing(number, flags: VProxy.Frame.over)
        }
        self.urgent.writeVProxyPing(number, flags: VProxy.Frame.over, extra: VProxy.Extension.announcement)
        self.extend(now: now)
    }

    private mutating func answered(_ number: UInt64, _ extra: ByteBuffer, now: NIODeadline) -> SessionAction? {
        if let measuring, measuring.ping == number {
            self.ledger?.answered(measuring.number, now: now)
            self.measuring = nil
        }
        guard let announcement, announcement.number == number else { return nil }
        return self.announced(version: VProxy.Extension.version(announcedBy: extra), now: now)
    }
}
