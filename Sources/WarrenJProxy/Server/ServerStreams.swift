// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// The server's half of a logged-in session: streams come from the peer.
struct ServerStreams {
    private struct Pending {
        var request: JProxy.ConnectRequest
        var isDatagram: Bool
        var localPort: UInt16
        /// With the extension: what we may send.
        var window: UInt32?
    }

    var common: Multiplexer
    private let isStrict: Bool
    /// A CONNECT that waits until the stream that had its id before is reported ended.
    private var pending: Pending?

    init(_ common: Multiplexer, isStrict: Bool) {
        self.common = common
        self.isStrict = isStrict
    }

    mutating func next(now: NIODeadline, writable: Bool) throws(WireError) -> SessionAction? {
        repeat {
            while let notice = self.common.notices.popFirst() {
                if let action = self.settle(notice, now: now) { return action }
            }
            if let action = self.common.expire(now: now) { return action }
            if let pending {
                self.pending = nil
                if let action = self.open(pending, now: now) { return action }
            }
            while let incoming = try self.common.nextIncoming() {
                if let action = try self.handle(incoming, now: now) { return action }
            }
        } while !self.common.notices.isEmpty
        return self.common.write(now: now, writable: writable).map { .write($0) }
    }

    /// The first packet of a session with a client that has announced the extension.
    mutating func welcome(_ version: UInt8, now: NIODeadline) {
        self.common.say(.welcome(version: version))
        self.common.extend(now: now)
    }

    mutating func accept(_ stream: StreamID) {
        guard let row = self.common.table.row(stream), self.common.table[row].phase == .connecting else { return }
        self.common.table[row].phase = .open
        self.common.notices.append(.accepted(self.common.table[row].id))
    }

    mutating func reset(_ stream: StreamID, _ fault: StreamFault?) {
        guard let row = self.common.table.row(stream) else { return }
        let (id, openedAt) = (self.common.table[row].id, self.common.table[row].openedAt)
        switch self.common.table[row].phase {
        case .connecting:
            let kind = self.common.table[row].kind
            self.common.remove(row, .byUs)
            self.common.notices.append(.refused(id, fault ?? .failed, openedAt: openedAt, kind))
        case .open where self.common.table[row].isWindowed:
            self.common.resetWindowed(row, fault)
        case .open:
            self.common.disconnect(row, afterQueue: fault?.comesBehindBytes ?? true)
        case .draining:
            break  // the driver has reset it before
        }
    }
}

extension ServerStreams {
    private mutating func settle(_ notice: Multiplexer.Notice, now: NIODeadline) -> SessionAction? {
        switch notice {
        case .accepted(let id):
            return self.answer(id, now: now)
        case .refused(let id, let fault, let openedAt, let kind):
            self.refuse(id, fault, openedAt: openedAt, now: now, kind)
            return nil
        case .pause, .resume, .end, .finished, .reset, .freed:
            return self.common.settle(notice, now: now)
        }
    }

    /// Says that the stream is open, and delivers what came before it was.
    private mutating func answer(_ id: UInt16, now: NIODeadline) -> SessionAction? {
        guard let row = self.common.table.row(id) else { return nil }
        if self.common.table[row].phase == .open, self.common.table[row].isWindowed {
            self.common.ledger?.windows.open(&self.common.table[row].window.share)
        }
        let stream = self.common.table[row]
        let time = Self.milliseconds(since: stream.openedAt, now: now)
        let reply = JProxy.ConnectReply(id: id, fault: nil, milliseconds: time)
        switch stream.kind {
        case .datagrams: self.common.say(.associateReply(id: id, isAccepted: true, localPort: stream.localPort))
        case .windowed: self.common.say(.opened(reply, window: UInt32(stream.window.share.window)))
        case .plain: self.common.say(.connectReply(reply))
        }
        if stream.isFinished { self.common.notices.append(.finished(id)) }
        self.common.table[row].early = ByteBuffer()
        guard stream.phase == .open, stream.early.readableBytes > 0 else { return nil }
        return .deliver(stream.stream, stream.early)
    }

    private mutating func refuse(
        _ id: UInt16, _ fault: StreamFault, openedAt: NIODeadline, now: NIODeadline, _ kind: StreamRow.Kind
    ) {
        let time =
            fault.isReportedWithItsTime
            ? Self.milliseconds(since: openedAt, now: now) : JProxy.ConnectReply.atOnce
        let reply = JProxy.ConnectReply(id: id, fault: fault, milliseconds: time)
        switch kind {
        case .datagrams: self.common.say(.associateReply(id: id, isAccepted: false, localPort: 0))
        case .windowed: self.common.say(.opened(reply, window: 0))
        case .plain: self.common.say(.connectReply(reply))
        }
    }

    private static func milliseconds(since start: NIODeadline, now: NIODeadline) -> UInt16 {
        UInt16(truncatingIfNeeded: (now - start).nanoseconds / 1_000_000)
    }

    private mutating func handle(_ incoming: Incoming, now: NIODeadline) throws(WireError) -> SessionAction? {
        switch incoming {
        case .data(let id, let bytes):
            return try self.take(bytes, id: id, isDatagram: false, now: now)
        case .message(var bytes):
            if self.common.isExtended, let message = try bytes.readJProxyExtension(from: .client) {
                return try self.handle(message, now: now)
            }
            let message: JProxy.Message
            do throws(WireError) {
                message = try bytes.readJProxyMessage(self.common.dialect, from: .client)
            } catch {
                if self.isStrict { throw error }
                return nil
            }
            return try self.handle(message, now: now)
        }
    }

    private mutating func handle(
        _ message: JProxy.ExtendedMessage, now: NIODeadline
    ) throws(WireError) -> SessionAction? {
        guard case .open(let request, let window) = message else { return try self.common.handle(message, now: now) }
        guard self.common.table.row(request.id) == nil
        else { throw WireError(.unexpected, in: "open.id", found: "\(request.id) is in use") }
        return self.open(Pending(request: request, isDatagram: false, localPort: 0, window: window), now: now)
    }

    private mutating func handle(_ message: JProxy.Message, now: NIODeadline) throws(WireError) -> SessionAction? {
        switch message {
        case .connect(let request):
            return try self.replace(Pending(request: request, isDatagram: false, localPort: 0), now: now)
        case .associate(let request, let localPort):
            return try self.replace(Pending(request: request, isDatagram: true, localPort: localPort), now: now)
        case .disconnect(let id), .dissociate(let id):
            return self.end(id)
        case .datagram(let id, let bytes):
            return try self.take(bytes, id: id, isDatagram: true, now: now)
        case .unknown(let type):
            if self.isStrict { throw WireError(.unexpected, in: "message.type", found: "\(type)") }
            return nil
        case .data, .connectReply, .associateReply, .extended:
            return nil  // the first and the last never come this way, the others never from a client
        }
    }

    private mutating func take(
        _ bytes: ByteBuffer, id: UInt16, isDatagram: Bool, now: NIODeadline
    ) throws(WireError) -> SessionAction? {
        guard let row = self.common.table.row(id), self.common.table[row].isDatagram == isDatagram else { return nil }
        switch self.common.table[row].phase {
        case .connecting where isDatagram:
            return nil
        case .connecting:
            try self.common.delivered(bytes.readableBytes, to: row, now: now)
            self.common.table[row].early.writeImmutableBuffer(bytes)
            return nil
        case .open:
            try self.common.delivered(bytes.readableBytes, to: row, now: now)
            return .deliver(self.common.table[row].stream, bytes)
        case .draining:
            return nil
        }
    }

    /// The client says that a stream is over, either by a message or by using its id again.
    private mutating func end(_ id: UInt16) -> SessionAction? {
        guard let row = self.common.table.row(id), !self.common.table[row].isWindowed else { return nil }
        let isKnownToDriver = self.common.table[row].phase != .draining
        let stream = self.common.table[row].stream
        self.common.remove(row, .byPeer)
        return isKnownToDriver ? .end(stream, nil) : nil
    }

    /// A CONNECT on a live id replaces the stream: deployed clients use an id again at once.
    private mutating func replace(_ pending: Pending, now: NIODeadline) throws(WireError) -> SessionAction? {
        if let row = self.common.table.row(pending.request.id), self.common.table[row].isWindowed {
            throw WireError(.unexpected, in: "connect.id", found: "\(pending.request.id) is in use")
        }
        guard let action = self.end(pending.request.id) else { return self.open(pending, now: now) }
        self.pending = pending
        return action
    }

    private mutating func open(_ pending: Pending, now: NIODeadline) -> SessionAction? {
        let request = pending.request
        guard let host = request.host, self.common.table.count < self.common.limits.streams else {
            let fault: StreamFault = request.host == nil ? .unsupported : .limit
            let kind: StreamRow.Kind = pending.isDatagram ? .datagrams : pending.window == nil ? .plain : .windowed
            self.refuse(request.id, fault, openedAt: now, now: now, kind)
            return nil
        }
        var stream = StreamRow()
        stream.id = request.id
        stream.isDatagram = pending.isDatagram
        stream.localPort = pending.localPort
        stream.openedAt = now
        if let window = pending.window {
            stream.isWindowed = true
            stream.window.credit = Int(window)
        }
        _ = self.common.table.insert(stream)
        self.common.intake.streams = self.common.table.count
        return .open(
            stream.stream,
            StreamRequest(.host(host, port: request.port, pending.isDatagram ? .udp : .tcp)))
    }
}
