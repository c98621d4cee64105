// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

// What the peer says about streams.
extension Multiplexer {
    /// What is left to an end of the tunnel, where relay and device differ.
    enum Outcome {
        case step(SessionAction)
        case nothing
        /// A visitor has come.
        case connection(MProxy.Header)
        /// Data of a stream that is none, or none any more.
        case stray(MProxy.Header, ByteBuffer)
        case control(ByteBuffer)
    }

    /// - Throws: what breaks the rules of the extension.
    mutating func take(_ event: MProxy.Unpacker.Event, now: NIODeadline) throws(WireError) -> Outcome {
        switch event {
        case .connection(let header):
            return .connection(header)
        case .control(_, let body):
            return .control(body)
        case .data(let header, let bytes):
            guard bytes.readableBytes > 0 else { return .nothing }
            guard let row = self.table.row(header.source) else { return .stray(header, bytes) }
            return try self.received(bytes, row, now: now).map { .step($0) } ?? .nothing
        case .end(let header):
            return self.peerEnded(header, nil).map { .step($0) } ?? .nothing
        case .error(let header, let body):
            let row = self.table.row(header.source)
            let isRefusal = self.side == .relay && row.map { self.table[$0].received == 0 } ?? false
            let fault = MProxy.Failure(body: body).fault ?? (isRefusal ? .refused : .aborted)
            return self.peerEnded(header, fault).map { .step($0) } ?? .nothing
        case .pause(let header, _):
            if let row = self.table.row(header.source) { self.table[row].isHeld = true }
            return .nothing
        case .resume(let header, _):
            if let row = self.table.row(header.source) {
                self.table[row].isHeld = false
                self.queue.release(self.line(row))
            }
            return .nothing
        case .credit(let header, let body):
            try self.takeCredit(header, body)
            return .nothing
        case .finish(let header):
            return try self.peerFinished(header).map { .step($0) } ?? .nothing
        }
    }

    mutating func received(_ bytes: ByteBuffer, _ row: Int, now: NIODeadline) throws(WireError) -> SessionAction? {
        guard self.table[row].phase != .draining else { return nil }
        self.table[row].received &+= UInt64(bytes.readableBytes)
        if self.table[row].isWindowed {
            try self.receivedInWindow(bytes, row)
        } else {
            self.receivedInTurn(bytes.readableBytes, row, now: now)
        }
        guard self.table[row].phase == .open else {
            self.table[row].early.writeImmutableBuffer(bytes)
            return nil
        }
        return .deliver(self.table[row].id, bytes)
    }

    /// Without windows: counts what its reader has not taken, and asks the peer to pause.
    private mutating func receivedInTurn(_ count: Int, _ row: Int, now: NIODeadline) {
        self.intake.delivered(count, to: row, now: now)
        if self.lingering.contains(row) { self.lingering.touch(row, now: now) }
        guard !self.table[row].hasPausedPeer, self.dialect == .node,
            self.intake.unread(row) >= self.limits.unreadPerStream
        else { return }
        self.table[row].hasPausedPeer = true
        self.say(.pause, self.table[row].header, self.count(row))
    }

    /// The peer has ended a stream, or confirmed that we have. It hears the same from us, so that its address rests no longer;
    /// an end of what is no stream is never answered.
    private mutating func peerEnded(_ header: MProxy.Header, _ fault: StreamFault?) -> SessionAction? {
        guard let row = self.table.row(header.source) else {
            self.resting.remove(header.source)
            return nil
        }
        let (stream, phase) = (self.table[row].id, self.table[row].phase)
        self.say(.end, self.table[row].header)
        self.remove(row)
        return phase == .draining ? nil : .end(stream, fault)
    }
}
