// SPDX-License-Identifier: Apache-2.0

import Crypto
public import NIOCore

extension SecureDatagrams.Initiator {
    /// A handshake that is under way, over as many requests as it takes.
    struct Handshake {
        let startedAt: NIODeadline
        var retryAt: NIODeadline
        var retries = 0
        /// The last request; an answer to an earlier one comes too late.
        var asked: Asked?
    }

    struct Asked {
        let noise: Noise.HandshakeState
        let index: UInt32
        let mac1: [UInt8]
        /// It has been sent again with a cookie: a forged cookie costs one request, not many.
        let isWithCookie: Bool
    }

    /// Empty datagrams that tell the server that its answer has come, until one comes back.
    struct Confirmation {
        var at: NIODeadline
        var pause: TimeAmount
    }

    /// Puts out a new request. Each has an ephemeral key and an index of its own.
    mutating func ask(now: NIODeadline) {
        guard self.handshake != nil else { return }
        let ephemeral = self.random.ephemeralKey()
        let index = UInt32(truncatingIfNeeded: self.random.next())
        var noise = self.suite.handshake(isInitiator: true, index: index, ephemeral: ephemeral)
        self.attempt += 1
        var payload = SecureDatagrams.RequestPayload()
        if let keys = self.session.current {
            payload.index = keys.remote
            payload.attempt = self.attempt
            payload.binder = keys.binder(
                ephemeral: Array(ephemeral.publicKey.rawRepresentation), attempt: self.attempt)
        }
        guard let message = try? noise.write(payload.bytes) else { return }
        var bytes = SecureDatagrams.Request.head(index) + message
        let mac1 = self.suite.requestProofs.mac1(of: bytes)
        bytes += mac1
        let cookie = self.cookie.flatMap { now < $0.until ? $0.bytes : nil }
        let mac2 = cookie.map { SecureDatagrams.Proofs.mac($0, bytes) } ?? [UInt8](repeating: 0, count: mac1.count)
        bytes += mac2
        self.handshake?.asked = Asked(noise: noise, index: index, mac1: mac1, isWithCookie: cookie != nil)
        self.datagrams.append(ByteBuffer(bytes: bytes))
    }

    mutating func respond(_ datagram: ByteBuffer, now: NIODeadline) {
        guard let response = SecureDatagrams.Response(datagram) else {
            self.counters.strangers += 1
            return
        }
        guard let asked = self.handshake?.asked, asked.index == response.index else {
            self.counters.unknown += 1
            return
        }
        let proofs = self.suite.responseProofs(client: nil)
        guard SecureDatagrams.Proofs.areEqual(proofs.mac1(of: response.beforeMac1), response.mac1) else {
            self.counters.strangers += 1
            return
        }
        var noise = asked.noise
        guard let bytes = try? noise.read(response.noise), let payload = SecureDatagrams.ResponsePayload(bytes) else {
            self.counters.forged += 1
            return
        }
        guard let remote = payload.index else { return self.fail(.forgotten) }
        self.handshake = nil
        self.session.adopt(
            SecureDatagrams.TransportKeys(
                noise, isInitiator: true, local: asked.index, remote: remote, born: now, by: self.suite.way),
            now: now)
        _ = self.session.takeRetired()
        self.confirm = Confirmation(at: now, pause: .milliseconds(250))
        self.becameUp()
    }

    mutating func takeCookie(_ datagram: ByteBuffer, now: NIODeadline) {
        guard let asked = self.handshake?.asked, !asked.isWithCookie else {
            self.counters.unknown += 1
            return
        }
        guard let cookie = self.suite.requestProofs.cookie(in: datagram, index: asked.index, mac1: asked.mac1) else {
            self.counters.forged += 1
            return
        }
        self.cookie = (cookie, now + SecureDatagrams.Cookies.lifetime)
        self.ask(now: now)
    }

    /// Does what is due: requests, confirmations, keep-alives, ends.
    mutating func tick(now: NIODeadline) {
        if case .dead = self.state { return }
        self.session.prune(now: now)
        _ = self.session.takeRetired()
        if self.state != .handshaking, self.session.current == nil { return self.fail(.expired) }
        if self.handshake == nil, let due = self.rekeyAt, now >= due {
            self.handshake = Handshake(startedAt: now, retryAt: now)
            self.becameRekeying()
        }
        if let handshake = self.handshake {
            if now >= handshake.startedAt + self.timing.handshake { return self.fail(.noAnswer) }
            if now >= handshake.retryAt { self.retry(handshake, now: now) }
        }
        if let confirm = self.confirm, now >= confirm.at { self.sayConfirmation(confirm, now: now) }
        if let due = self.session.keepAliveAt, now >= due { self.sayNothing(now: now) }
    }

    private mutating func retry(_ handshake: Handshake, now: NIODeadline) {
        let factor = Int64(1) << min(handshake.retries, 16)
        let longest = self.state == .handshaking ? self.timing.longestFirstRetry : self.timing.longestRetry
        let pause = min(.nanoseconds(self.timing.firstRetry.nanoseconds &* factor), longest)
        self.handshake?.retries += 1
        self.handshake?.retryAt = now + pause
        // What could not be made is tried again then.
        self.ask(now: now)
    }

    private mutating func sayConfirmation(_ confirm: Confirmation, now: NIODeadline) {
        self.sayNothing(now: now)
        let pause = min(confirm.pause + confirm.pause, self.timing.longestRetry)
        self.confirm = Confirmation(at: now + confirm.pause, pause: pause)
    }

    private mutating func sayNothing(now: NIODeadline) {
        var datagram = ByteBuffer()
        self.session.keepsAlive()
        if self.session.seal(ByteBuffer(), into: &datagram, now: now) { self.datagrams.append(datagram) }
    }

    /// When new keys are due: by age, by use, or because the server is silent.
    private var rekeyAt: NIODeadline? {
        guard let keys = self.session.current else { return nil }
        if max(keys.sealed, keys.window.next) >= self.timing.rekeyAfterDatagrams { return .distantPast }
        let byAge = keys.born + self.timing.rekeyAfter
        return min(byAge, self.session.unansweredSince.map { $0 + self.timing.silence } ?? byAge)
    }

    /// When ``poll(now:)`` has something to do; nil if never again.
    public var deadline: NIODeadline? {
        if case .dead = self.state { return nil }
        if !self.datagrams.isEmpty { return .distantPast }
        let handshake = self.handshake.map { min($0.retryAt, $0.startedAt + self.timing.handshake) }
        let rekey = self.handshake == nil ? self.rekeyAt : nil
        return [handshake, self.session.nextEnd, rekey, self.confirm?.at, self.session.keepAliveAt].compactMap { $0 }
            .min()
    }
}
