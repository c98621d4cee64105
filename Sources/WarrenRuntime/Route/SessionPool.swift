// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore
import WarrenLoop

/// Sessions of one loop that are ready before a stream asks for them. Each is good for one stream.
///
/// ```
/// making ──ready──> waiting ──take──> the stream's
///   │  ^               │ too old, ended
///   │  └── at once ────┤
///   └── failed, or gone soon after ──> resting, 250 ms to 30 s ──> making
/// ```
///
/// One is made at a time, so that a server that comes back is not run down. Everything is on one loop.
final class SessionPool: @unchecked Sendable {
    // Sendable: the constants are, and all state is touched on `loop` only.
    struct Plan: Sendable {
        let carrier: SessionCarrier
        /// Sessions that wait, and the one that is being made.
        let size: Int
        /// A session that has waited so long makes room for another one: servers do not let them wait for ever.
        let age: TimeAmount
    }

    /// One that ends before it has waited so long is a failure, or a server that ends all of them would be dialled
    /// without end.
    private static let shortest = TimeAmount.seconds(5)

    private let plan: Plan
    let loop: SocketLoop
    private let name: String
    private let reporter: Reporter
    /// The oldest first.
    private var waiting: [Member] = []
    private var making: Member?
    /// The pause after a failure.
    private var pause: LoopTimer?
    /// Rings when the oldest has waited long enough.
    private var ageing: LoopTimer?
    private var backoff = Backoff()
    private var random = SystemRandomNumberGenerator()
    private var lastReason: String?
    private var isFilling = false

    init(_ plan: Plan, name: String, on loop: SocketLoop, reporter: Reporter) {
        self.plan = plan
        self.name = name
        self.loop = loop
        self.reporter = reporter
    }

    func start() {
        self.loop.execute {
            self.isFilling = true
            self.fill()
        }
    }

    /// Lets go of all that wait, and makes no other one.
    func stop() {
        self.loop.execute {
            self.isFilling = false
            self.pause?.cancel()
            self.pause = nil
            let making = self.making
            self.making = nil
            making?.giveUp()
            self.drop()
        }
    }

    /// The session that has waited least: that is the one most surely there. On the loop.
    func take() -> (any Session)? {
        guard let member = self.waiting.popLast(), let session = member.session else { return nil }
        member.session = nil
        self.backoff.succeeded()
        self.setAge()
        self.fill()
        return session
    }

    /// One that was taken was not there any more: those that have waited longer are not either. On the loop.
    func doubt() { self.drop() }

    private func drop() {
        let members = self.waiting
        self.waiting = []
        self.setAge()
        for member in members { member.giveUp() }
        self.fill()
    }
}

// MARK: - Making

extension SessionPool {
    private func fill() {
        guard self.isFilling, self.making == nil, self.pause == nil, self.waiting.count < self.plan.size else { return }
        let member = Member(self)
        self.making = member
        var isAnswered = false
        let attempt = self.plan.carrier.dial(self.loop) { result in
            isAnswered = true
            self.dialled(member, result)
        }
        if !isAnswered { member.attempt = attempt }
    }

    private func dialled(_ member: Member, _ result: Result<any Leg, CarrierFailure>) {
        member.attempt = nil
        switch result {
        case .success(let leg):
            guard self.making === member else { return leg.discard() }
            do {
                try self.plan.carrier.makeSession(leg, member, self.loop)
            } catch {
                leg.discard()
                self.failed(member, "\(error)")
            }
        case .failure(let failure): self.failed(member, failure.description)
        }
    }

    fileprivate func began(_ member: Member, _ session: any Session) { member.session = session }

    fileprivate func ready(_ member: Member, _ session: any Session) {
        guard self.making === member else { return session.shutDown(.finished) }
        self.making = nil
        self.lastReason = nil
        member.since = self.loop.now
        self.waiting.append(member)
        self.setAge()
        self.fill()
    }

    fileprivate func ended(_ member: Member, _ reason: CloseReason) {
        if self.making === member { return self.failed(member, reason.asLoss) }
        let count = self.waiting.count
        self.waiting.removeAll { $0 === member }
        // It was taken, or given up.
        guard self.waiting.count < count else { return }
        self.setAge()
        guard self.loop.now - member.since < Self.shortest else { return self.fill() }
        self.rest()
    }

    private func failed(_ member: Member, _ reason: String) {
        guard self.making === member else { return }
        self.making = nil
        // Each reason once: nobody has asked for anything.
        if self.lastReason != reason {
            let peer = self.plan.carrier.description
            self.reporter.emit(.carrierFailed(.outbound(self.name), peer: peer, reason: reason))
        }
        self.lastReason = reason
        self.rest()
    }

    private func rest() {
        guard self.isFilling, self.pause == nil else { return }
        self.pause = self.loop.timer(in: self.backoff.failed(random: &self.random)) {
            self.pause = nil
            self.fill()
        }
    }

    // MARK: Age

    private func setAge() {
        guard let oldest = self.waiting.first else {
            self.ageing?.cancel()
            self.ageing = nil
            return
        }
        let end = oldest.since + self.plan.age
        // One that rings too early looks again.
        if let ageing, ageing.deadline <= end { return }
        self.ageing?.cancel()
        self.ageing = self.loop.timer(at: end) {
            self.ageing = nil
            self.endOldest()
        }
    }

    private func endOldest() {
        if let oldest = self.waiting.first, oldest.since + self.plan.age <= self.loop.now {
            self.waiting = Array(self.waiting.dropFirst())
            oldest.giveUp()
            self.fill()
        }
        self.setAge()
    }
}

/// One session of a pool, from its dialling on. It belongs to whoever took it afterwards.
private final class Member: OutboundSessionOwner, @unchecked Sendable {
    // Sendable: all state is touched on the pool's loop only.
    private let pool: SessionPool
    var attempt: (any OpenAttempt)?
    var session: (any Session)?
    /// When it was ready.
    var since = NIODeadline.uptimeNanoseconds(0)

    init(_ pool: SessionPool) { self.pool = pool }

    func giveUp() {
        self.attempt?.cancel()
        self.attempt = nil
        let session = self.session
        self.session = nil
        session?.shutDown(.finished)
    }

    func sessionBegan(_ session: any Session) { self.pool.began(self, session) }
    func sessionReady(_ session: any Session) { self.pool.ready(self, session) }
    func sessionEnded(_ session: any Session, _ reason: CloseReason) {
        self.session = nil
        self.pool.ended(self, reason)
    }
}
