// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// The client's half of a logged-in session: streams go to the peer.
struct ClientStreams {
    var common: Multiplexer
    private var ids: IDPool
    /// The server was told that we know the extension.
    private let announced: Bool
    /// Ids of streams that we gave up before the server answered; with windows only.
    private var abandoned: Set<UInt16> = []
    /// What came with the login and is no welcome.
    private var heldBack: Incoming?

    init(_ common: Multiplexer, announced: Bool, ids: Int, now: NIODeadline) {
        self.common = common
        self.announced = announced
        self.ids = IDPool(count: ids)
        // The server's welcome comes right behind its login reply: seen now, it counts for the first streams, too.
        // Bad bytes are found again by the next step.
        guard announced, let first = try? self.common.nextIncoming() else { return }
        if !self.isWelcomed(by: first, now: now) { self.heldBack = first }
    }

    mutating func next(now: NIODeadline, writable: Bool) throws(WireError) -> SessionAction? {
        repeat {
            while let notice = self.common.notices.popFirst() {
                if case .freed(let id, .answerIsDue) = notice {
                    self.abandoned.insert(id)
                } else if case .freed(let id, let parting) = notice {
                    self.ids.free(id, parting, now: now)
                } else if let action = self.common.settle(notice, now: now) {
                    return action
                }
            }
            if let action = self.common.expire(now: now) { return action }
            while let incoming = try self.nextIncoming() {
                if let action = try self.handle(incoming, now: now) { return action }
            }
        } while !self.common.notices.isEmpty
        return self.common.write(now: now, writable: writable).map { .write($0) }
    }

    mutating func open(_ request: StreamRequest, now: NIODeadline) throws(StreamFault) -> StreamID {
        guard case .host(let host, let port, let network) = request.destination,
            network == .tcp || self.common.dialect.carriesUDP
        else { throw .unsupported }
        guard host.isSendableOverJProxy else { throw .unknownHost }
        if self.common.table.count >= self.common.limits.streams, !self.common.evictLingering() { throw .limit }
        guard let id = self.ids.take(now: now) else { throw .limit }
        var stream = StreamRow()
        stream.id = id
        stream.isDatagram = network == .udp
        stream.number = self.ids.connects
        stream.openedAt = now
        stream.isWindowed = self.common.isExtended && network == .tcp
        if stream.isWindowed {
            stream.window.credit = 0
            self.common.ledger?.windows.open(&stream.window.share)
        }
        let row = self.common.table.insert(stream)
        self.common.intake.streams = self.common.table.count
        self.common.startConnecting(row, now: now)
        let connect = JProxy.ConnectRequest(id: id, host: host, port: port)
        switch stream.kind {
        case .datagrams: self.common.say(.associate(connect, localPort: 0))
        case .windowed: self.common.say(.open(connect, window: UInt32(stream.window.share.window)))
        case .plain: self.common.say(.connect(connect))
        }
        return stream.stream
    }

    /// Without windows a user who leaves wants nothing any more: what is queued is dropped, orderly or not.
    mutating func reset(_ stream: StreamID, _ fault: StreamFault?) {
        guard let row = self.common.table.row(stream) else { return }
        guard self.common.table[row].isWindowed else { return self.common.disconnect(row, afterQueue: false) }
        switch self.common.table[row].phase {
        case .connecting: self.common.abandon(row, fault)
        case .open: self.common.resetWindowed(row, fault)
        case .draining: break  // the driver has reset it before
        }
    }
}

extension ClientStreams {
    private mutating func nextIncoming() throws(WireError) -> Incoming? {
        guard let heldBack else { return try self.common.nextIncoming() }
        self.heldBack = nil
        return heldBack
    }

    /// True if the server says that it knows the extension: from here on it is in use.
    private mutating func isWelcomed(by incoming: Incoming, now: NIODeadline) -> Bool {
        guard self.announced, !self.common.isExtended, case .message(var bytes) = incoming,
            case .welcome(1...JProxy.Extension.version) = try? bytes.readJProxyExtension(from: .server)
        else { return false }
        self.common.extend(now: now)
        return true
    }

    private mutating func handle(_ incoming: Incoming, now: NIODeadline) throws(WireError) -> SessionAction? {
        switch incoming {
        case .data(let id, let bytes):
            return try self.deliver(bytes, id: id, isDatagram: false, now: now)
        case .message(var bytes):
            if self.isWelcomed(by: incoming, now: now) { return nil }
            if self.common.isExtended, let message = try bytes.readJProxyExtension(from: .server) {
                return try self.handle(message, now: now)
            }
            // What a client cannot read it ignores, as deployed ones do.
            guard let message = try? bytes.readJProxyMessage(self.common.dialect, from: .server) else { return nil }
            return try self.handle(message, now: now)
        }
    }

    private mutating func handle(
        _ message: JProxy.ExtendedMessage, now: NIODeadline
    ) throws(WireError) -> SessionAction? {
        guard case .opened(let reply, let window) = message else { return try self.common.handle(message, now: now) }
        if self.abandoned.remove(reply.id) != nil {
            self.ids.free(reply.id, .byPeer, now: now)
            return nil
        }
        return self.answered(reply.id, reply.fault, .windowed, credit: Int(window))
    }

    private mutating func handle(_ message: JProxy.Message, now: NIODeadline) throws(WireError) -> SessionAction? {
        switch message {
        case .connectReply(let reply):
            return self.answered(reply.id, reply.fault, .plain)
        case .associateReply(let id, let isAccepted, _):
            return self.answered(id, isAccepted ? nil : .failed, .datagrams)
        case .disconnect(let id), .dissociate(let id):
            guard let row = self.common.table.row(id), !self.common.table[row].isWindowed else { return nil }
            let fault: StreamFault? = self.common.table[row].phase == .connecting ? .failed : nil
            return self.end(row, fault)
        case .datagram(let id, let bytes):
            return try self.deliver(bytes, id: id, isDatagram: true, now: now)
        case .connect, .associate, .data, .extended, .unknown:
            return nil
        }
    }

    private mutating func answered(
        _ id: UInt16, _ fault: StreamFault?, _ kind: StreamRow.Kind, credit: Int = .max
    ) -> SessionAction? {
        guard let row = self.common.table.row(id), self.common.table[row].phase == .connecting,
            self.common.table[row].kind == kind
        else { return nil }
        self.common.table[row].window.credit = credit
        self.ids.answered(self.common.table[row].number)
        if let fault { return self.end(row, fault) }
        self.common.opened(row)
        return .opened(self.common.table[row].stream)
    }

    private mutating func end(_ row: Int, _ fault: StreamFault?) -> SessionAction {
        let stream = self.common.table[row].stream
        self.common.remove(row, .byPeer)
        return .end(stream, fault)
    }

    /// Payload for an id that is unknown, closed or not yet open belongs to nobody.
    private mutating func deliver(
        _ bytes: ByteBuffer, id: UInt16, isDatagram: Bool, now: NIODeadline
    ) throws(WireError) -> SessionAction? {
        guard let row = self.common.table.row(id), self.common.table[row].phase == .open,
            self.common.table[row].isDatagram == isDatagram
        else { return nil }
        try self.common.delivered(bytes.readableBytes, to: row, now: now)
        return .deliver(self.common.table[row].stream, bytes)
    }
}
