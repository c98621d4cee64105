// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// The server's half of a logged-in session: streams come from the peer.
struct ServerStreams {
    private struct Pending {
        var request: JProxy.ConnectRequest
        var isDatagram: Bool
        var localPort: UInt16
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
        return self.common.write(writable: writable).map { .write($0) }
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
            let isDatagram = self.common.table[row].isDatagram
            self.common.remove(row, .byUs)
            self.common.notices.append(.refused(id, fault ?? .failed, openedAt: openedAt, isDatagram: isDatagram))
        case .open:
            self.common.disconnect(row, afterQueue: fault == nil)
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
        case .refused(let id, let fault, let openedAt, let isDatagram):
            self.refuse(id, fault, openedAt: openedAt, now: now, isDatagram: isDatagram)
            return nil
        case .pause, .resume, .end, .finished, .freed:
            return self.common.settle(notice, now: now)
        }
    }

    /// Says that the stream is open, and delivers what came before it was.
    private mutating func answer(_ id: UInt16, now: NIODeadline) -> SessionAction? {
        guard let row = self.common.table.row(id) else { return nil }
        let stream = self.common.table[row]
        if stream.isDatagram {
            self.common.say(.associateReply(id: id, isAccepted: true, localPort: stream.localPort))
        } else {
            let time = Self.milliseconds(since: stream.openedAt, now: now)
            self.common.say(.connectReply(JProxy.ConnectReply(id: id, fault: nil, milliseconds: time)))
        }
        if stream.isFinished { self.common.notices.append(.finished(id)) }
        self.common.table[row].early = ByteBuffer()
        guard stream.phase == .open, stream.early.readableBytes > 0 else { return nil }
        return .deliver(stream.stream, stream.early)
    }

    private mutating func refuse(
        _ id: UInt16, _ fault: StreamFault, openedAt: NIODeadline, now: NIODeadline, isDatagram: Bool = false
    ) {
        if isDatagram { return self.common.say(.associateReply(id: id, isAccepted: false, localPort: 0)) }
        let time =
            fault.isReportedWithItsTime
            ? Self.milliseconds(since: openedAt, now: now) : JProxy.ConnectReply.atOnce
        self.common.say(.connectReply(JProxy.ConnectReply(id: id, fault: fault, milliseconds: time)))
    }

    private static func milliseconds(since start: NIODeadline, now: NIODeadline) -> UInt16 {
        UInt16(truncatingIfNeeded: (now - start).nanoseconds / 1_000_000)
    }

    private mutating func handle(_ incoming: Incoming, now: NIODeadline) throws(WireError) -> SessionAction? {
        switch incoming {
        case .data(let id, let bytes):
            return self.take(bytes, id: id, isDatagram: false, now: now)
        case .message(var bytes):
            do throws(WireError) {
                return try self.handle(bytes.readJProxyMessage(self.common.dialect, from: .client), now: now)
            } catch {
                if self.isStrict { throw error }
                return nil
            }
        }
    }

    private mutating func handle(_ message: JProxy.Message, now: NIODeadline) throws(WireError) -> SessionAction? {
        switch message {
        case .connect(let request):
            return self.replace(Pending(request: request, isDatagram: false, localPort: 0), now: now)
        case .associate(let request, let localPort):
            return self.replace(Pending(request: request, isDatagram: true, localPort: localPort), now: now)
        case .disconnect(let id), .dissociate(let id):
            return self.end(id)
        case .datagram(let id, let bytes):
            return self.take(bytes, id: id, isDatagram: true, now: now)
        case .unknown(let type):
            throw WireError(.unexpected, in: "message.type", found: "\(type)")
        case .data, .connectReply, .associateReply:
            return nil  // the first never comes this way, the others never from a client
        }
    }

    private mutating func take(_ bytes: ByteBuffer, id: UInt16, isDatagram: Bool, now: NIODeadline) -> SessionAction? {
        guard let row = self.common.table.row(id), self.common.table[row].isDatagram == isDatagram else { return nil }
        switch self.common.table[row].phase {
        case .connecting where isDatagram:
            return nil
        case .connecting:
            self.common.table[row].early.writeImmutableBuffer(bytes)
            self.common.delivered(bytes.readableBytes, to: row, now: now)
            return nil
        case .open:
            self.common.delivered(bytes.readableBytes, to: row, now: now)
            return .deliver(self.common.table[row].stream, bytes)
        case .draining:
            return nil
        }
    }

    /// The client says that a stream is over, either by a message or by using its id again.
    private mutating func end(_ id: UInt16) -> SessionAction? {
        guard let row = self.common.table.row(id) else { return nil }
        let isKnownToDriver = self.common.table[row].phase != .draining
        let stream = self.common.table[row].stream
        self.common.remove(row, .byPeer)
        return isKnownToDriver ? .end(stream, nil) : nil
    }

    /// A CONNECT on a live id replaces the stream: deployed clients use an id again at once.
    private mutating func replace(_ pending: Pending, now: NIODeadline) -> SessionAction? {
        guard let action = self.end(pending.request.id) else { return self.open(pending, now: now) }
        self.pending = pending
        return action
    }

    private mutating func open(_ pending: Pending, now: NIODeadline) -> SessionAction? {
        let request = pending.request
        guard let host = request.host, self.common.table.count < self.common.limits.streams else {
            let fault: StreamFault = request.host == nil ? .unsupported : .limit
            self.refuse(request.id, fault, openedAt: now, now: now, isDatagram: pending.isDatagram)
            return nil
        }
        var stream = StreamRow()
        stream.id = request.id
        stream.isDatagram = pending.isDatagram
        stream.localPort = pending.localPort
        stream.openedAt = now
        _ = self.common.table.insert(stream)
        return .open(
            stream.stream,
            StreamRequest(.host(host, port: request.port, pending.isDatagram ? .udp : .tcp)))
    }
}
