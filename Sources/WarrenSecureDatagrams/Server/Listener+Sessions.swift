// SPDX-License-Identifier: Apache-2.0

import NIOCore

extension SecureDatagrams.Listener {
    mutating func look(at time: NIODeadline?) {
        guard let time else { return }
        self.lookAt = min(self.lookAt ?? time, time)
    }

    /// Looks after every session: keep-alives, ends. Not oftener than every 100 ms, however many there are.
    mutating func lookAtAll(now: NIODeadline) {
        var next: NIODeadline?
        for id in Array(self.clients.keys) {
            guard let due = self.lookAfter(id, now: now) else { continue }
            next = min(next ?? due, due)
        }
        self.lookAt = next.map { max($0, now + .milliseconds(100)) }
    }

    /// - Returns: when to look again; nil if it is over.
    private mutating func lookAfter(_ id: SecureDatagrams.SessionID, now: NIODeadline) -> NIODeadline? {
        if let due = self.clients[id]?.session.keepAliveAt, now >= due { self.sayNothing(id, now: now) }
        self.clients[id]?.session.prune(now: now)
        self.forgetRetired(id)
        guard let client = self.clients[id] else { return nil }
        let confirmBy = client.since + self.timing.handshake
        guard let end = client.session.nextEnd, client.isUp || now < confirmBy else {
            self.end(id, .expired)
            return nil
        }
        return [end, client.session.keepAliveAt, client.isUp ? nil : confirmBy].compactMap { $0 }.min()
    }

    mutating func sayNothing(_ id: SecureDatagrams.SessionID, now: NIODeadline) {
        var datagram = ByteBuffer()
        self.clients[id]?.session.keepsAlive()
        guard let address = self.seal(ByteBuffer(), for: id, into: &datagram, now: now) else { return }
        self.send(datagram, to: address)
    }

    /// Queues an answer; who does not poll does not make the queue grow.
    mutating func send(_ datagram: ByteBuffer, to address: SecureDatagrams.Address) {
        guard self.datagrams.count < 1024 else {
            self.counters.limited += 1
            return
        }
        self.datagrams.append(Outgoing(datagram: datagram, address: address))
    }

    mutating func forgetRetired(_ id: SecureDatagrams.SessionID) {
        for index in self.clients[id]?.session.takeRetired() ?? [] { self.indices[index] = nil }
    }

    mutating func end(_ id: SecureDatagrams.SessionID, _ failure: SecureDatagrams.Failure) {
        self.forgetRetired(id)
        guard let client = self.clients.removeValue(forKey: id) else { return }
        for index in client.session.indices { self.indices[index] = nil }
        if client.isUp { self.events.append(.ended(id, failure)) } else { self.pending -= 1 }
    }
}
