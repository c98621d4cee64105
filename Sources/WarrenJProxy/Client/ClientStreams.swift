// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// The client's half of a logged-in session: streams go to the peer.
struct ClientStreams {
    var common: Multiplexer
    private var ids = IDPool()

    init(_ common: Multiplexer) { self.common = common }

    mutating func next(now: NIODeadline, writable: Bool) throws(WireError) -> SessionAction? {
        repeat {
            while let notice = self.common.notices.popFirst() {
                if case .freed(let id, let parting) = notice {
                    self.ids.free(id, parting, now: now)
                } else if let action = self.common.settle(notice, now: now) {
                    return action
                }
            }
            if let action = self.common.expire(now: now) { return action }
            while let incoming = try self.common.nextIncoming() {
                if let action = self.handle(incoming, now: now) { return action }
            }
        } while !self.common.notices.isEmpty
        return self.common.write(writable: writable).map { .write($0) }
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
        let row = self.common.table.insert(stream)
        self.common.startConnecting(row, now: now)
        let connect = JProxy.ConnectRequest(id: id, host: host, port: port)
        self.common.say(stream.isDatagram ? .associate(connect, localPort: 0) : .connect(connect))
        return stream.stream
    }

    /// A user who leaves wants nothing any more: what is queued is dropped, orderly or not.
    mutating func reset(_ stream: StreamID) {
        guard let row = self.common.table.row(stream) else { return }
        self.common.disconnect(row, afterQueue: false)
    }
}

extension ClientStreams {
    private mutating func handle(_ incoming: Incoming, now: NIODeadline) -> SessionAction? {
        switch incoming {
        case .data(let id, let bytes):
            return self.deliver(bytes, id: id, isDatagram: false, now: now)
        case .message(var bytes):
            // What a client cannot read it ignores, as deployed ones do.
            guard let message = try? bytes.readJProxyMessage(self.common.dialect, from: .server) else { return nil }
            return self.handle(message, now: now)
        }
    }

    private mutating func handle(_ message: JProxy.Message, now: NIODeadline) -> SessionAction? {
        switch message {
        case .connectReply(let reply):
            return self.answered(reply.id, reply.fault, isDatagram: false)
        case .associateReply(let id, let isAccepted, _):
            return self.answered(id, isAccepted ? nil : .failed, isDatagram: true)
        case .disconnect(let id), .dissociate(let id):
            guard let row = self.common.table.row(id) else { return nil }
            let fault: StreamFault? = self.common.table[row].phase == .connecting ? .failed : nil
            return self.end(row, fault)
        case .datagram(let id, let bytes):
            return self.deliver(bytes, id: id, isDatagram: true, now: now)
        case .connect, .associate, .data, .unknown:
            return nil
        }
    }

    private mutating func answered(_ id: UInt16, _ fault: StreamFault?, isDatagram: Bool) -> SessionAction? {
        guard let row = self.common.table.row(id), self.common.table[row].phase == .connecting,
            self.common.table[row].isDatagram == isDatagram
        else { return nil }
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
    private mutating func deliver(_ bytes: ByteBuffer, id: UInt16, isDatagram: Bool, now: NIODeadline) -> SessionAction?
    {
        guard let row = self.common.table.row(id), self.common.table[row].phase == .open,
            self.common.table[row].isDatagram == isDatagram
        else { return nil }
        self.common.delivered(bytes.readableBytes, to: row, now: now)
        return .deliver(self.common.table[row].stream, bytes)
    }
}
