// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

// What drivers command.
extension Multiplexer {
    func hasRoom(on stream: StreamID) -> Bool { self.table.row(stream).map { !self.table[$0].isPaused } ?? true }

    mutating func send(_ bytes: ByteBuffer, on stream: StreamID) {
        guard bytes.readableBytes > 0, let row = self.table.row(stream), !self.table[row].isFinished,
            self.table[row].phase != .draining
        else { return }  // a data frame without data ends deployed relays
        self.table[row].queued += bytes.readableBytes
        self.queue.append(bytes, to: self.line(row))
        if !self.table[row].isPaused, self.table[row].queued >= self.limits.queuedPerStream {
            self.table[row].isPaused = true
            self.notices.append(.pause(stream))
        }
    }

    mutating func finish(_ stream: StreamID) {
        guard let row = self.table.row(stream), !self.table[row].isFinished, self.table[row].phase != .draining
        else { return }
        self.table[row].isFinished = true
        if self.table[row].phase == .open { self.notices.append(.finished(stream)) }
    }

    /// Without a fault, and with one that comes behind bytes, what is queued is still sent.
    mutating func reset(_ stream: StreamID, _ fault: StreamFault?) {
        guard let row = self.table.row(stream), self.table[row].phase != .draining else { return }
        guard !self.table[row].window.resetsAtOnce(fault, queued: self.table[row].queued) else {
            return self.part(row, fault)
        }
        self.table[row].phase = .draining
        self.table[row].closesWhenSent = true
        self.ledger?.windows.close(&self.table[row].window.share)
        self.intake.forget(row)
        self.lingering.remove(row)
    }

    mutating func accept(_ stream: StreamID) {
        guard let row = self.table.row(stream), self.table[row].phase == .connecting else { return }
        self.table[row].phase = .open
        self.acceptWindow(row)
        self.notices.append(.accepted(stream))
    }

    mutating func consumed(_ count: Int, on stream: StreamID) {
        guard let row = self.table.row(stream) else { return }
        guard !self.table[row].isWindowed else {
            self.ledger?.consumed(count, of: &self.table[row].window, row: row)
            return
        }
        self.intake.consumed(count, of: row)
        guard self.table[row].hasPausedPeer, self.intake.unread(row) <= self.limits.unreadPerStream / 4 else { return }
        self.table[row].hasPausedPeer = false
        self.say(.resume, self.table[row].header, self.count(row))
    }

    /// What a stream has taken so far. Never 0 where it is said: it is the peer's payload that leads to it.
    func count(_ row: Int) -> ByteBuffer { ByteBuffer(string: String(self.table[row].received)) }
}

// How streams begin and end.
extension Multiplexer {
    mutating func insert(_ header: MProxy.Header, _ phase: StreamRow.Phase) -> Int {
        var header = header
        header.kind = .data
        let row = self.table.insert(StreamRow(self.table.newID(), header, phase))
        self.intake.streams = self.table.count
        return row
    }

    /// Says that a stream is over, and forgets it. Its address rests until the peer has said so, too.
    mutating func part(_ row: Int, _ fault: StreamFault?) {
        let header = self.table[row].header
        self.sayOver(header, fault)
        self.remove(row)
        self.resting.insert(header.source, now: self.now)
    }

    func failure(_ fault: StreamFault) -> ByteBuffer {
        var body = ByteBuffer()
        body.writeJSON(MProxy.Failure(fault).json)
        return body
    }

    mutating func sayOver(_ header: MProxy.Header, _ fault: StreamFault?) {
        if let fault, self.dialect == .node {
            self.say(.error, header, self.failure(fault))
        } else {
            self.say(.end, header)
        }
    }

    /// Answers data of a stream that is none, once.
    mutating func complain(_ header: MProxy.Header) {
        guard !self.resting.contains(header.source) else { return }
        var body = ByteBuffer()
        body.writeJSON(MProxy.Failure.noConnection.json)
        self.say(self.dialect == .node ? .error : .end, header, self.dialect == .node ? body : ByteBuffer())
        self.resting.insert(header.source, now: self.now)
    }

    /// Forgets a stream with all that waits for it or from it.
    mutating func remove(_ row: Int) {
        if self.table[row].queued > 0 { self.queue.purge(self.line(row)) }
        self.intake.forget(row)
        self.lingering.remove(row)
        self.ledger?.windows.close(&self.table[row].window.share)
        self.table.remove(row)
        self.intake.streams = self.table.count
    }
}

// What notices stand for.
extension Multiplexer {
    /// The step that a notice stands for; nil if it was one without a step, or its stream is gone.
    mutating func settle(_ notice: Notice) -> SessionAction? {
        switch notice {
        case .pause(let id):
            return self.isPaused(id) == true ? .pause(id) : nil
        case .resume(let id):
            return self.isPaused(id) == false ? .resume(id) : nil
        case .opened(let id):
            return self.table.row(id) == nil ? nil : .opened(id)
        case .accepted(let id):
            return self.deliverEarly(id)
        case .finished(let id):
            guard let row = self.table.row(id), self.table[row].phase == .open else { return nil }
            guard !self.table[row].isWindowed else {
                self.settleFinish(row)
                return nil
            }
            return self.startLingering(row)
        case .peerFinished(let id):
            guard let row = self.table.row(id), self.table[row].phase == .open else { return nil }
            if self.table[row].window.saidFinish { self.endFinished(row) }
            return .finish(id)
        case .end(let id, let fault):
            return .end(id, fault)
        }
    }

    private func isPaused(_ id: StreamID) -> Bool? {
        self.table.row(id).flatMap { self.table[$0].phase == .draining ? nil : self.table[$0].isPaused }
    }

    private mutating func deliverEarly(_ id: StreamID) -> SessionAction? {
        guard let row = self.table.row(id), self.table[row].phase == .open else { return nil }
        if self.table[row].window.share.isFinished { self.notices.append(.peerFinished(id)) }
        if self.table[row].isFinished { self.notices.append(.finished(id)) }
        let early = self.table[row].early
        self.table[row].early = ByteBuffer()
        return early.readableBytes > 0 ? .deliver(id, early) : nil
    }

    /// The protocol has no half-close: the stream stays open for the rest of the answer, until none comes for a while.
    private mutating func startLingering(_ row: Int) -> SessionAction? {
        guard self.linger == .zero else {
            self.lingering.touch(row, now: self.now)
            return nil
        }
        guard self.table[row].queued == 0 else {
            self.table[row].closesWhenSent = true
            return nil
        }
        let stream = self.table[row].id
        self.part(row, nil)
        return .end(stream, nil)
    }
}
