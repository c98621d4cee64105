// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore
import WarrenLoop

/// Keeps one session up whose carrier we dial.
///
/// ```
/// idle ──start──> dialing ──carrier──> loggingIn ──ready──> up ──lost──> resting ──pause, or hurry──> dialing
///                  │  ^ the next carrier of the list                      ^
///                  └──┴───────────────────────────── all have failed ─────┘
/// ```
///
/// Whoever owns it is the owner of its sessions too, and passes on what they say. Everything is on one loop.
final class Reconnector {
    private enum State {
        case idle
        case dialing(any OpenAttempt)
        case loggingIn(any Session)
        case up(any Session)
        /// Without a timer until somebody asks.
        case resting(LoopTimer?)
        case stopped
    }

    /// What it is of use for at the moment.
    enum Condition {
        case up(any Session)
        /// A session is being made.
        case soon
        case resting
        case stopped
    }

    /// A session that ends in order is followed by the next one, but never more often than this.
    private static let shortestTurn = TimeAmount.milliseconds(5)

    private let end: TunnelEnd
    private let loop: SocketLoop
    /// In the order in which they are tried. Whoever fails before its session is up goes to the end, so that the one
    /// that worked last is the first.
    private var carriers: ArraySlice<SessionCarrier>
    private let reporter: Reporter
    /// Whoever lets it go without a stop does not get a session any more.
    private weak var owner: (any SessionOwner & AnyObject)?

    private var state = State.idle { didSet { self.since = .now() } }
    private var since = NIODeadline.now()
    /// Why there is no session.
    private var lastReason: String?
    private var isRetiring = false
    /// Carriers that are still to be tried in this round, with the one in hand.
    private var untried = 0
    /// Addresses of the one in hand where no session was to be had in this round.
    private var failedAddresses = 0
    /// In this round somebody answered, if only to refuse.
    private var wasAnswered = false
    /// The carrier that is tried, or was used last.
    private var peer = ""
    private var backoff: Backoff
    private var lastTry = NIODeadline.uptimeNanoseconds(0)
    private var random = SystemRandomNumberGenerator()

    /// A session that could not be had, or was lost, is made again when somebody is in a hurry, and not before.
    var triesWhenAskedOnly = false
    /// Called when the carriers have been tried once, whatever came of it.
    var whenTried: (() -> Void)?
    /// Called when a session could not be had, or was lost.
    var whenLost: ((StreamFault) -> Void)?
    /// Asked when no carrier was of use: true if none is to be tried again, which whoever is asked tells of.
    var givesUp: (() -> Bool)?
    /// Called with a sentence when a carrier was to be had, and what stands there refused it.
    var onAnswer: ((String) -> Void)?

    /// - Parameters:
    ///   - carriers: tried in order; not empty.
    ///   - owner: of the sessions, and of this.
    init(
        _ end: TunnelEnd, on loop: SocketLoop, carriers: [SessionCarrier], reporter: Reporter,
        owner: any SessionOwner & AnyObject
    ) {
        self.end = end
        self.loop = loop
        self.carriers = carriers[...]
        self.reporter = reporter
        self.owner = owner
        self.backoff = Backoff(longest: end.isAsked ? Backoff.longest : Backoff.longestUnasked)
    }

    var condition: Condition {
        switch self.state {
        case .up(let session): .up(session)
        case .idle, .dialing, .loggingIn: .soon
        case .resting: .resting
        case .stopped: .stopped
        }
    }

    /// For people.
    var status: TunnelStatus {
        let (state, nextTry): (String, NIODeadline?) =
            switch self.state {
            case .up: ("up", nil)
            case .idle, .dialing, .loggingIn: ("connecting", nil)
            case .resting(let timer?): ("resting", timer.deadline)
            case .resting(nil): ("asleep", nil)
            case .stopped: ("stopped", nil)
            }
        return TunnelStatus(
            role: self.end.role, name: self.end.name, state: state, peer: self.peer.isEmpty ? nil : self.peer,
            since: self.since, nextTry: nextTry, reason: state == "up" ? nil : self.lastReason)
    }

    func start() { self.dialFirst() }

    /// A lost session is not made again: neither one that will be, nor one that is.
    func retire() {
        self.isRetiring = true
        if case .resting = self.state { self.stop() }
    }

    /// Gives up the session, for good.
    func stop() {
        let state = self.state
        self.state = .stopped
        switch state {
        case .dialing(let attempt): attempt.cancel()
        case .loggingIn(let session), .up(let session): session.shutDown(.shutdown)
        case .resting(let pause): pause?.cancel()
        case .idle, .stopped: break
        }
        self.whenLost?(.shutdown)
        self.triedOnce()
    }

    /// Ends a pause early: somebody wants a stream.
    func hurry() {
        guard case .resting(let pause) = self.state else { return }
        pause?.cancel()
        self.rest(for: Backoff.shortest - (.now() - self.lastTry))
    }

    /// The session did all it was for: makes the next one, after a pause at least.
    func next(after pause: TimeAmount = .zero) {
        switch self.state {
        case .loggingIn, .up: self.rest(for: max(pause, Self.shortestTurn - (.now() - self.lastTry)))
        case .idle, .dialing, .resting, .stopped: break
        }
    }
}

// MARK: - What the session says

extension Reconnector {
    func began(_ session: any Session) { self.state = .loggingIn(session) }

    func ready(_ session: any Session) {
        guard self.isUp(session) else { return }
        self.reporter.emit(.tunnelUp(self.end, peer: self.peer))
    }

    /// The session is of use from now on, whether it is ready for streams or not.
    ///
    /// - Returns: false if it comes too late.
    @discardableResult func isUp(_ session: any Session) -> Bool {
        if case .stopped = self.state {
            session.shutDown(.shutdown)
            return false
        }
        self.state = .up(session)
        if let address = session.peer.flatMap({ IPAddress($0) }) { self.carriers.first?.memory?.succeeded(address) }
        self.backoff.succeeded()
        self.triedOnce()
        return true
    }

    func ended(_ reason: CloseReason) {
        switch self.state {
        case .stopped, .resting: return
        case .up: self.failed(reason.asLoss, wasUp: true)
        case .loggingIn(let session): self.loginFailed(reason.asLoss, at: session.peer.flatMap { IPAddress($0) })
        case .idle, .dialing: self.tryNext(reason.asLoss)
        }
    }
}

// MARK: - Dialling

extension Reconnector {
    private func dialFirst() {
        self.untried = self.carriers.count
        self.failedAddresses = 0
        self.wasAnswered = false
        self.dial()
    }

    private func dial() {
        if case .stopped = self.state { return self.triedOnce() }
        guard self.owner != nil else { return self.stop() }
        guard let carrier = self.carriers.first else { return self.failed("no address") }
        self.lastTry = .now()
        self.state = .idle
        self.peer = carrier.description
        var isAnswered = false
        let attempt = carrier.dial(self.loop) { result in
            isAnswered = true
            self.dialled(carrier, result)
        }
        if !isAnswered { self.state = .dialing(attempt) }
    }

    private func dialled(_ carrier: SessionCarrier, _ result: Result<any Leg, CarrierFailure>) {
        if case .stopped = self.state {
            if case .success(let leg) = result { leg.discard() }
            return
        }
        switch result {
        case .success(let leg):
            self.wasAnswered = true
            guard let owner else { return self.abandon(leg) }
            do {
                try carrier.makeSession(leg, owner, self.loop)
            } catch {
                leg.discard()
                self.tryNext("\(error)")
            }
        case .failure(let failure):
            if !failure.fault.isSilence { self.wasAnswered = true }
            if failure.isAnswer { self.onAnswer?(failure.description) }
            self.tryNext(failure.description)
        }
    }

    private func abandon(_ leg: any Leg) {
        leg.discard()
        self.stop()
    }

    /// Another address of the same server may do better.
    private func loginFailed(_ reason: String, at address: IPAddress?) {
        guard let address, let memory = self.carriers.first?.memory else { return self.tryNext(reason) }
        memory.failed(address)
        self.failedAddresses += 1
        guard self.failedAddresses < memory.count, !self.isRetiring else { return self.tryNext(reason) }
        self.reporter.emit(.carrierFailed(self.end, peer: "\(self.peer) at \(address)", reason: reason))
        self.dial()
    }

    private func tryNext(_ reason: String) {
        self.failedAddresses = 0
        if let carrier = self.carriers.popFirst() { self.carriers.append(carrier) }
        self.untried -= 1
        guard self.untried > 0, !self.isRetiring else { return self.failed(reason) }
        self.reporter.emit(.carrierFailed(self.end, peer: self.peer, reason: reason))
        self.dial()
    }

    private func failed(_ reason: String, wasUp: Bool = false) {
        self.lastReason = reason
        self.triedOnce()
        guard !self.isRetiring else {
            self.state = .stopped
            self.whenLost?(.shutdown)
            return
        }
        if self.givesUp?() == true { return self.stop() }
        let pause = self.backoff.failed(wasAnswered: self.wasAnswered, random: &self.random)
        self.reporter.emit(.tunnelLost(self.end, peer: self.peer, reason: reason, pause: pause, wasUp: wasUp))
        if self.triesWhenAskedOnly { self.state = .resting(nil) } else { self.rest(for: pause) }
        self.whenLost?(.sessionLost)
    }

    private func triedOnce() {
        self.whenTried?()
        self.whenTried = nil
    }

    private func rest(for pause: TimeAmount) {
        self.state = .resting(self.loop.timer(in: max(pause, .zero)) { self.dialFirst() })
    }
}

extension StreamFault {
    /// Nobody has answered: the network may be away.
    fileprivate var isSilence: Bool {
        switch self {
        case .timedOut, .unreachable, .unknownHost: true
        case .refused, .notAllowed, .limit, .stalled, .idle, .aborted, .sessionLost, .noExit, .noServer, .unsupported,
            .shutdown, .failed:
            false
        }
    }
}

@available(*, unavailable)
extension Reconnector: Sendable {}
