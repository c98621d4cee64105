// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore

extension SecureDatagrams.Listener {
    /// Answers a request, from the cheapest check to the dearest.
    mutating func answer(
        _ datagram: ByteBuffer, from address: SecureDatagrams.Address, _ isPassedOn: Bool, now: NIODeadline
    ) {
        let proofs = self.suite.requestProofs
        guard let request = SecureDatagrams.Request(datagram, self.suite.pattern),
            SecureDatagrams.Proofs.areEqual(proofs.mac1(of: request.beforeMac1), request.mac1)
        else {
            self.counters.strangers += 1
            return
        }
        // Who passes it on has asked for all of this.
        guard !isPassedOn else { return self.admit(request, from: address, isPassedOn, now: now) }
        let isBusy = !self.everybody.take(
            perSecond: self.limits.handshakesBeforeCookies, most: self.limits.handshakesBeforeCookies, now: now)
        if self.limits.alwaysCookies || isBusy || self.pending > self.limits.pending / 2,
            !self.cookies.accepts(request, from: address, &self.random, now: now)
        {
            return self.sendCookie(for: request, to: address, now: now)
        }
        guard self.limiter.admits(address.host, now: now) else {
            self.counters.limited += 1
            return
        }
        self.admit(request, from: address, isPassedOn, now: now)
    }

    private mutating func sendCookie(
        for request: SecureDatagrams.Request, to address: SecureDatagrams.Address, now: NIODeadline
    ) {
        let cookie = self.cookies.cookie(address, &self.random, now: now)
        let nonce = self.random.bytes(12)
        guard let message = self.suite.requestProofs.cookieMessage(cookie, for: request, nonce: nonce) else { return }
        self.counters.cookies += 1
        self.send(message, to: address)
    }

    private mutating func admit(
        _ request: SecureDatagrams.Request, from address: SecureDatagrams.Address, _ isPassedOn: Bool, now: NIODeadline
    ) {
        var noise = self.suite.handshake(
            isInitiator: false, index: request.index, ephemeral: self.random.ephemeralKey())
        var isRefused = false
        let allowed = self.allowed
        let bytes = try? noise.read(request.noise) { key in
            isRefused = allowed?.contains(SecureDatagrams.PublicKey(key)) == false
            return !isRefused
        }
        guard let payload = bytes.flatMap({ SecureDatagrams.RequestPayload($0) }) else {
            if isRefused { self.counters.refused += 1 } else { self.counters.forged += 1 }
            return
        }
        guard let named = payload.index else { return self.begin(noise, request, from: address, now: now) }
        if self.passesOn(named, isPassedOn) { return }
        self.goOn(noise, request, payload, from: address, now: now)
    }

    /// A new session; it counts once the client has used its keys.
    private mutating func begin(
        _ noise: Noise.HandshakeState, _ request: SecureDatagrams.Request, from address: SecureDatagrams.Address,
        now: NIODeadline
    ) {
        guard self.clients.count < self.limits.sessions, self.pending < self.limits.pending else {
            self.counters.limited += 1
            return
        }
        let index = self.freeIndex()
        guard let keys = self.respond(noise, request, index: index, to: address, now: now) else { return }
        var client = Client(
            session: SecureDatagrams.Session(self.timing), address: address,
            key: noise.remoteStatic.map { SecureDatagrams.PublicKey($0) }, since: now)
        client.session.propose(keys)
        let id = self.makeID()
        self.clients[id] = client
        self.indices[index] = id
        self.pending += 1
        self.look(at: now + self.timing.handshake)
    }

    /// New keys for a session, if the client proves that it has the old ones.
    private mutating func goOn(
        _ noise: Noise.HandshakeState, _ request: SecureDatagrams.Request, _ payload: SecureDatagrams.RequestPayload,
        from address: SecureDatagrams.Address, now: NIODeadline
    ) {
        guard let named = payload.index, let ephemeral = noise.remoteEphemeral, let id = self.indices[named],
            let client = self.clients[id], let old = client.session.keys(named),
            client.key == noise.remoteStatic.map({ SecureDatagrams.PublicKey($0) }),
            SecureDatagrams.Proofs.areEqual(
                old.binder(ephemeral: ephemeral, attempt: payload.attempt), payload.binder)
        else {
            _ = self.respond(noise, request, index: nil, to: address, now: now)
            return
        }
        guard payload.attempt > client.attempt else {
            self.counters.replayed += 1
            return
        }
        let index = self.freeIndex()
        guard let keys = self.respond(noise, request, index: index, to: address, now: now) else { return }
        self.clients[id]?.attempt = payload.attempt
        self.clients[id]?.session.propose(keys)
        self.indices[index] = id
        self.forgetRetired(id)
    }

    /// - Parameter index: ours; nil says that the session that was to go on is not known.
    private mutating func respond(
        _ handshake: Noise.HandshakeState, _ request: SecureDatagrams.Request, index: UInt32?,
        to address: SecureDatagrams.Address,
        now: NIODeadline
    ) -> SecureDatagrams.TransportKeys? {
        var noise = handshake
        guard let message = try? noise.write(SecureDatagrams.ResponsePayload(index: index).bytes) else { return nil }
        let bytes = SecureDatagrams.Response.head(request.index) + message
        let proofs = self.suite.responseProofs(client: noise.remoteStatic)
        self.send(ByteBuffer(bytes: bytes + proofs.mac1(of: bytes)), to: address)
        return index.map {
            SecureDatagrams.TransportKeys(
                noise, isInitiator: false, local: $0, remote: request.index, born: now, by: self.suite.way)
        }
    }

    /// One that nobody has. There are far more than sessions.
    private mutating func freeIndex() -> UInt32 {
        var index = self.part.own(UInt32(truncatingIfNeeded: self.random.next()))
        while self.indices[index] != nil { index = self.part.own(UInt32(truncatingIfNeeded: self.random.next())) }
        return index
    }
}
