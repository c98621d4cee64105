// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// The exit's streams in the deployed protocol: one for each destination, opened by the first request for it.
///
/// ```
/// (none) --GET--> connecting --reached--> open --finish, idle, unasked, stalled--> (none)
///                     |                    +--reset--> leaving --all is sent--> (none)
///                     +--refused--> (none)                +--all is sent, a GET has come--> connecting
/// ```
///
/// Every way to (none) tells the inter-server, by a reply of length 0 behind all that the destination has sent.
struct ExitStreams: Streams {
    var common: Multiplexer
    private var intake: SlowReaderGuard
    /// By the last byte in either direction.
    private var quiet = AgeQueue()
    /// By the last request.
    private var asked = AgeQueue()
    private let idle: TimeAmount
    private let sendOnly: TimeAmount

    init(_ common: Multiplexer, _ configuration: ZhwkproX.ExitConfiguration) {
        self.common = common
        self.intake = SlowReaderGuard(common.limits, stall: configuration.stall, opensStreams: false)
        self.idle = configuration.idle
        self.sendOnly = configuration.sendOnly
    }

    var wantsBytes: Bool {
        mutating get { !self.intake.isHeld && !self.common.isCrowded }
    }

    var wantsTurn: Bool {
        mutating get { self.intake.wantsTurn }
    }

    var deadline: NIODeadline? {
        mutating get {
            var first = self.intake.due ?? .distantFuture
            if let (_, since) = self.quiet.oldest { first = min(first, since + self.idle) }
            if let (_, since) = self.asked.oldest { first = min(first, since + self.sendOnly) }
            if let due = self.common.paceDeadline { first = min(first, due) }
            return first == .distantFuture ? nil : first
        }
    }

    mutating func next(now: NIODeadline, writable: Bool) throws(WireError) -> SessionAction? {
        repeat {
            while let notice = self.common.notices.popFirst() {
                if let action = self.settle(notice, now: now) { return action }
            }
            if let action = self.expire(now: now) { return action }
            while let incoming = try self.common.nextIncoming() {
                guard case .get(let endpoint, let bytes) = incoming else { continue }
                if let action = self.handle(endpoint, bytes, now: now) { return action }
            }
        } while !self.common.notices.isEmpty
        let bytes = self.common.write(now: now, writable: writable)
        for row in self.common.wrote where self.quiet.contains(row) { self.quiet.touch(row, now: now) }
        return bytes.map { .write($0) }
    }

    // MARK: Commands

    mutating func accept(_ stream: StreamID) {
        guard let row = self.common.table.row(stream), self.common.table[row].phase == .connecting else { return }
        self.common.table[row].phase = .open
        self.common.notices.append(.accepted(stream))
    }

    /// The destination has sent all, and the protocol has one word for that and for its end.
    mutating func finish(_ stream: StreamID) {
        guard let row = self.common.table.row(stream), !self.common.table[row].isFinished else { return }
        self.common.table[row].isFinished = true
        if self.common.table[row].phase == .open { self.closeWhenSent(row) }
    }

    mutating func reset(_ stream: StreamID, _ fault: StreamFault?) {
        guard let row = self.common.table.row(stream) else { return }
        switch self.common.table[row].phase {
        case .connecting:
            self.end(row)
        case .open:
            self.common.table[row].phase = .leaving
            self.intake.forget(row)
            self.quiet.remove(row)
            self.asked.remove(row)
            self.closeWhenSent(row)
        case .waiting, .late, .leaving:
            break  // the first two are never an exit's
        }
    }

    mutating func consumed(_ count: Int, on stream: StreamID) {
        if let row = self.common.table.row(stream) { self.intake.consumed(count, of: row) }
    }
}

// MARK: Requests

extension ExitStreams {
    private mutating func handle(
        _ endpoint: ZhwkproX.StreamAddress, _ bytes: ByteBuffer, now: NIODeadline
    ) -> SessionAction? {
        guard let row = self.common.rows[endpoint] else { return self.open(endpoint, bytes, now: now) }
        if bytes.readableBytes > 0 { self.intake.delivered(bytes.readableBytes, to: row, now: now) }
        switch self.common.table[row].phase {
        case .open:
            self.wasAsked(row, now: now)
            return bytes.readableBytes > 0 ? .deliver(self.common.table[row].id, bytes) : nil
        case .connecting:
            self.wasAsked(row, now: now)
            self.common.table[row].early.writeImmutableBuffer(bytes)
        case .leaving:  // it is for the next connection, which must wait for the end of the last
            self.common.table[row].isWanted = true
            self.common.table[row].early.writeImmutableBuffer(bytes)
        case .waiting, .late:
            break  // never an exit's
        }
        return nil
    }

    private mutating func open(
        _ endpoint: ZhwkproX.StreamAddress, _ bytes: ByteBuffer, now: NIODeadline
    ) -> SessionAction? {
        guard self.common.table.count < self.common.limits.streams else {
            self.common.sayEmpty(endpoint)
            return nil
        }
        var stream = StreamRow(self.common.table.newID(), endpoint, .connecting, head: .get(endpoint))
        stream.early = bytes
        let row = self.common.table.insert(stream)
        self.common.rows[endpoint] = row
        self.intake.streams = self.common.table.count
        self.wasAsked(row, now: now)
        if bytes.readableBytes > 0 { self.intake.delivered(bytes.readableBytes, to: row, now: now) }
        return .open(stream.id, StreamRequest(endpoint.destination))
    }

    /// The next connection to a destination takes the place of the last.
    private mutating func reopen(_ row: Int, now: NIODeadline) -> SessionAction {
        let endpoint = self.common.table[row].endpoint
        var stream = StreamRow(self.common.table.newID(), endpoint, .connecting, head: .get(endpoint))
        stream.early = self.common.table[row].early
        self.common.table.replace(row, by: stream)
        self.wasAsked(row, now: now)
        return .open(stream.id, StreamRequest(endpoint.destination))
    }

    private mutating func wasAsked(_ row: Int, now: NIODeadline) {
        self.quiet.touch(row, now: now)
        self.asked.touch(row, now: now)
    }
}

// MARK: Ends

extension ExitStreams {
    private mutating func settle(_ notice: Multiplexer.Notice, now: NIODeadline) -> SessionAction? {
        switch notice {
        case .pause(let id): return self.common.settlePressure(id, isPaused: true)
        case .resume(let id): return self.common.settlePressure(id, isPaused: false)
        case .accepted(let id): return self.accepted(id)
        case .drained(let id): return self.drained(id, now: now)
        case .end, .opened, .freed, .finished, .reset: return nil  // never an exit's
        }
    }

    private mutating func accepted(_ id: StreamID) -> SessionAction? {
        guard let row = self.common.table.row(id), self.common.table[row].phase == .open else { return nil }
        let early = self.common.table[row].early
        self.common.table[row].early = ByteBuffer()
        if self.common.table[row].isFinished { self.closeWhenSent(row) }
        return early.readableBytes > 0 ? .deliver(id, early) : nil
    }

    private mutating func closeWhenSent(_ row: Int) {
        self.common.table[row].closesWhenSent = true
        if self.common.table[row].queued == 0 { self.common.notices.append(.drained(self.common.table[row].id)) }
    }

    private mutating func drained(_ id: StreamID, now: NIODeadline) -> SessionAction? {
        guard let row = self.common.table.row(id), self.common.table[row].closesWhenSent,
            self.common.table[row].queued == 0
        else { return nil }
        guard self.common.table[row].phase == .leaving else {
            self.end(row)
            return .end(id, nil)
        }
        guard self.common.table[row].isWanted else {
            self.end(row)
            return nil
        }
        self.common.sayEmpty(self.common.table[row].endpoint)
        return self.reopen(row, now: now)
    }

    /// Tells the inter-server, and forgets the stream with all that it has queued.
    private mutating func end(_ row: Int) {
        let endpoint = self.common.table[row].endpoint
        self.common.sayEmpty(endpoint)
        self.common.rows[endpoint] = nil
        self.quiet.remove(row)
        self.asked.remove(row)
        self.intake.forget(row)
        self.common.remove(row)
        self.intake.streams = self.common.table.count
    }

    /// Ends one stream whose time is over; nil if there is none.
    private mutating func expire(now: NIODeadline) -> SessionAction? {
        while let row = self.intake.stalled(now: now) {
            guard self.common.table[row].phase == .leaving else { return self.end(row, .stalled) }
            // What has come for the next connection is given up; the last one is still to be ended.
            self.common.table[row].isWanted = false
            self.common.table[row].early = ByteBuffer()
            self.intake.forget(row)
        }
        while let (row, since) = self.quiet.oldest, since + self.idle <= now {
            if self.common.table[row].queued == 0 { return self.end(row, .idle) }
            self.quiet.touch(row, now: now)  // it is the carrier that takes its time
        }
        // Nobody can say that its user has left.
        if let (row, since) = self.asked.oldest, since + self.sendOnly <= now { return self.end(row, .idle) }
        return nil
    }

    private mutating func end(_ row: Int, _ fault: StreamFault) -> SessionAction {
        let id = self.common.table[row].id
        self.end(row)
        return .end(id, fault)
    }
}
