// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// The inter-server's streams in the deployed protocol: one at a time for each destination.
///
/// ```
/// waiting --its turn--> open --dlen 0--> late --150 ms--> (none), or leaving if something had crossed the end
///    |                   +--user left, reader stalled--> leaving --dlen 0, 150 ms, or silence--> (none)
///    +--10 s--> (none)   +--silence--> (none)
/// ```
///
/// Until (none), nobody else is let in: what still comes for the destination is nobody else's.
struct InterStreams: Streams {
    /// How much longer than the exit's idle time a destination must have been silent to be surely closed.
    static let slack = TimeAmount.seconds(5)

    var common: Multiplexer
    var waiting: WaitingLine
    var intake: SlowReaderGuard
    /// By the last byte in either direction.
    var quiet = AgeQueue()
    /// Whose end has come, by when.
    var late = AgeQueue()
    /// Whose users have only received for a while: by the first byte since something was said.
    var receiving = AgeQueue()
    let idle: TimeAmount
    /// Deployed exits end what gets no request for their idle time, even while it sends.
    let reminder: TimeAmount
    let lateTime: TimeAmount
    /// Streams that the exit has yet to be told of.
    var unsaid = ContiguousArray<StreamID>()
    /// The shortest time in which the exit was ever seen to answer.
    var roundTrip: TimeAmount
    /// Payload that was nobody's.
    var strayBytes = 0

    /// - Parameter roundTrip: from our answer to its challenge to the exit's verdict.
    init(_ common: Multiplexer, _ configuration: ZhwkproX.InterConfiguration, roundTrip: TimeAmount) {
        self.common = common
        self.waiting = WaitingLine(
            timeout: configuration.wait, mostOfOne: configuration.waitersPerDestination, most: configuration.waiters)
        self.intake = SlowReaderGuard(common.limits, stall: configuration.stall, opensStreams: true)
        self.idle = configuration.idle + Self.slack
        self.reminder = .nanoseconds(configuration.idle.nanoseconds / 2)
        self.lateTime = configuration.late
        self.roundTrip = roundTrip
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
            if let (_, since) = self.late.oldest { first = min(first, since + self.lateTime) }
            if let due = self.waiting.deadline { first = min(first, due) }
            if let (_, since) = self.receiving.oldest { first = min(first, since + self.reminder) }
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
            if !self.common.notices.isEmpty { continue }
            while let incoming = try self.common.nextIncoming() {
                guard case .get(let endpoint, let bytes) = incoming else { continue }
                if let action = self.handle(endpoint, bytes, now: now) { return action }
            }
        } while !self.common.notices.isEmpty
        if writable { self.sayAll(now: now) }
        let bytes = self.common.write(now: now, writable: writable)
        for row in self.common.wrote { self.said(row, now: now) }
        return bytes.map { .write($0) }
    }

    // MARK: Commands

    /// - Throws: `unsupported` for anything but TCP to an address, `limit` when all places, also to wait, are taken.
    mutating func open(_ request: StreamRequest, now: NIODeadline) throws(StreamFault) -> StreamID {
        let endpoint = try ZhwkproX.StreamAddress(request.destination)
        let isFree = self.common.rows[endpoint] == nil && self.waiting.isEmpty(endpoint)
        if isFree {
            guard self.common.table.count - self.waiting.count < self.common.limits.streams else { throw .limit }
        } else {
            guard self.waiting.hasRoom(endpoint) else { throw .limit }
        }
        let stream = StreamRow(self.common.table.newID(), endpoint, .waiting, head: .get(endpoint))
        let row = self.common.table.insert(stream)
        self.intake.streams = self.common.table.count
        if isFree { self.admit(row, now: now) } else { self.waiting.append(row, endpoint, now: now) }
        return stream.id
    }

    /// Nothing can be said of it: the stream stays until the exit ends it.
    mutating func finish(_ stream: StreamID) {
        if let row = self.common.table.row(stream) { self.common.table[row].isFinished = true }
    }

    /// The user has left. What is queued is still sent if that is in order.
    mutating func reset(_ stream: StreamID, _ fault: StreamFault?) {
        guard let row = self.common.table.row(stream) else { return }
        switch self.common.table[row].phase {
        case .waiting:
            self.waiting.remove(row, self.common.table[row].endpoint)
            self.common.remove(row)
            self.intake.streams = self.common.table.count
        case .open:
            if fault != nil { self.common.purge(row) }
            self.leave(row)
        case .late:
            self.leave(row)
        case .connecting, .leaving:
            break  // the first is never an inter-server's
        }
    }

    mutating func consumed(_ count: Int, on stream: StreamID) {
        if let row = self.common.table.row(stream) { self.intake.consumed(count, of: row) }
    }
}

// MARK: Saying

extension InterStreams {
    private mutating func settle(_ notice: Multiplexer.Notice, now: NIODeadline) -> SessionAction? {
        switch notice {
        case .pause(let id): return self.common.settlePressure(id, isPaused: true)
        case .resume(let id): return self.common.settlePressure(id, isPaused: false)
        case .opened(let id):
            guard let row = self.common.table.row(id), self.common.table[row].phase != .leaving else { return nil }
            return .opened(id)
        case .freed(let endpoint):
            guard self.common.rows[endpoint] == nil, let row = self.waiting.popFirst(endpoint) else { return nil }
            self.admit(row, now: now)
            return nil
        case .end, .accepted, .drained, .finished, .reset:
            return nil  // never those of an inter-server
        }
    }

    /// The destination is the stream's from now on.
    private mutating func admit(_ row: Int, now: NIODeadline) {
        let id = self.common.table[row].id
        self.common.rows[self.common.table[row].endpoint] = row
        self.common.admit(row)
        self.quiet.touch(row, now: now)
        self.unsaid.append(id)
        self.common.notices.append(.opened(id))
    }

    /// Tells the exit of streams whose users wait for the destination to speak: a request of length 0.
    private mutating func sayAll(now: NIODeadline) {
        guard !self.unsaid.isEmpty else { return }
        for id in self.unsaid {
            guard let row = self.common.table.row(id), self.common.table[row].firstSaid == nil,
                self.common.table[row].queued == 0, self.common.table[row].phase == .open
            else { continue }
            self.common.sayEmpty(self.common.table[row].endpoint)
            self.said(row, now: now)
        }
        self.unsaid.removeAll(keepingCapacity: true)
    }

    private mutating func said(_ row: Int, now: NIODeadline) {
        if self.common.table[row].firstSaid == nil { self.common.table[row].firstSaid = now }
        self.common.table[row].lastSaid = now
        self.common.table[row].hasHeard = false
        self.quiet.touch(row, now: now)
        self.receiving.remove(row)
    }

    /// Says that users who only receive are still there, by a request of length 0.
    mutating func remind(now: NIODeadline) {
        while let (row, since) = self.receiving.oldest, since + self.reminder <= now {
            self.common.sayEmpty(self.common.table[row].endpoint)
            self.said(row, now: now)
        }
    }
}
