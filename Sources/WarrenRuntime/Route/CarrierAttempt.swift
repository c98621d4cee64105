// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore
import WarrenLoop

/// One stream on its way to a carrier of its own.
///
/// ```
/// trying ──carrier──> asking ──yes──> answered
///   │ ^ the next carrier  │ no
///   │ └───────────────────┘        a fresh ticket: all over again
///   └──none left──> waiting for a fresh ticket, if there are any ──> answered
/// ```
///
/// A carrier that is a stream of a tunnel is tried once more where it ends unasked: the tunnel may have ended in that moment.
final class CarrierAttempt: OpenAttempt {
    /// How long a stream that was refused looks for a fresh ticket, and how often.
    private static let timeout = TimeAmount.seconds(2)
    private static let pause = TimeAmount.milliseconds(10)

    private let request: StreamRequest
    private let loop: SocketLoop
    private let outbound: PerStreamOutbound
    private let reporter: Reporter
    private let deadline: NIODeadline
    private var route: PerStreamOutbound.Route
    private var carriers: ArraySlice<SessionCarrier>
    private var wasRedirected = false
    private var wasTriedAgain = false
    /// The carrier in hand is one that a peer named.
    private var isElsewhere = false
    private var answer: ((Result<any Leg, StreamFault>) -> Void)?
    /// The dial, or the stream that is asked for.
    private var attempt: (any OpenAttempt)?
    private var session: (any Session)?
    /// Sessions of earlier rounds have nothing more to say.
    private var round = 0
    /// What the relays of our own choice made of it: a no of one that answered, or why the last one could not.
    private var why = StreamFault.failed
    private var wasRefusedByPeer = false
    private var wasRefused = false
    private var looking: LoopTimer?
    /// Where the next ticket stands is being read.
    private var isLooking = false

    init(
        _ request: StreamRequest, _ route: PerStreamOutbound.Route, of outbound: PerStreamOutbound, on loop: SocketLoop,
        reporter: Reporter, answer: @escaping (Result<any Leg, StreamFault>) -> Void
    ) {
        self.request = request
        self.route = route
        self.carriers = route.carriers[...]
        self.loop = loop
        self.outbound = outbound
        self.deadline = loop.now + Self.timeout
        self.reporter = reporter
        self.answer = answer
    }

    func start() {
        guard self.answer != nil else { return }
        guard let carrier = self.carriers.first else {
            if self.looking == nil, !self.isLooking { self.finish(.failure(self.why)) }
            return
        }
        var isAnswered = false
        let attempt = carrier.dial(self.loop) { result in
            isAnswered = true
            self.dialled(carrier, result)
        }
        if !isAnswered { self.attempt = attempt }
    }

    private func dialled(_ carrier: SessionCarrier, _ result: Result<any Leg, CarrierFailure>) {
        self.attempt = nil
        switch result {
        case .success(let leg):
            guard self.answer != nil else { return leg.discard() }
            do {
                try carrier.makeSession(leg, OneStream(self, round: self.round, on: self.loop), self.loop)
            } catch {
                leg.discard()
                self.failed("\(error)", .failed)
            }
        case .failure(let failure):
            self.outbound.silent.failed(carrier)
            let why = failure.fault == .notAllowed ? nil : self.route.whenUnreachable
            self.failed(failure.description, why ?? failure.fault)
        }
    }

    private func failed(_ reason: String, _ fault: StreamFault, sentTo elsewhere: SessionCarrier? = nil) {
        guard self.answer != nil, let carrier = self.carriers.popFirst() else { return }
        self.reporter.emit(.carrierFailed(.outbound(self.outbound.name), peer: carrier.description, reason: reason))
        if !self.isElsewhere {
            self.wasRefused = self.wasRefused || fault == .refused
            self.why = self.wasRefusedByPeer ? self.route.whenRejected ?? .refused : fault
        }
        self.isElsewhere = elsewhere != nil
        if let elsewhere { self.carriers.insert(elsewhere, at: self.carriers.startIndex) }
        if self.wasRefused, self.route.ticket != nil, self.looking == nil, !self.isLooking {
            self.lookLater()
        }
        self.start()
    }

    /// True if the carrier has ended with its tunnel, and is tried once more. Nothing but the request has left.
    private func triesAgain(after fault: StreamFault) -> Bool {
        guard fault == .sessionLost, !self.wasTriedAgain, self.answer != nil, self.carriers.first?.isStream == true
        else { return false }
        self.wasTriedAgain = true
        self.dropRound()
        let round = self.round
        // Not before everybody knows of the tunnel's end.
        self.loop.defer { if self.round == round { self.start() } }
        return true
    }

    private func finish(_ result: Result<any Leg, StreamFault>) {
        let (answer, session) = (self.answer, self.session)
        self.answer = nil
        self.letGo()
        // One that is up without its stream would keep its carrier, and nobody would ever use it.
        if case .failure = result { session?.shutDown(.finished) }
        // There is no tunnel that could be lost: the server was asked for this stream alone.
        answer?(result.mapError { $0 == .sessionLost ? .noServer : $0 })
    }

    func cancel() {
        self.answer = nil
        self.dropRound()
        self.letGo()
    }

    private func letGo() {
        self.looking?.cancel()
        self.looking = nil
        self.session = nil
    }

    private func dropRound() {
        self.round += 1
        self.attempt?.cancel()
        self.attempt = nil
        let session = self.session
        self.session = nil
        session?.shutDown(.finished)
    }
}

// MARK: - Tickets

extension CarrierAttempt {
    private func lookLater() { self.looking = self.loop.timer(in: Self.pause) { self.look() } }

    private func look() {
        self.looking = nil
        guard self.answer != nil else { return }
        self.isLooking = true
        self.outbound.find(self.loop) { found in
            self.isLooking = false
            self.found(try? found.get())
        }
    }

    private func found(_ route: PerStreamOutbound.Route?) {
        guard self.answer != nil else { return }
        if let route, route.ticket != self.route.ticket {
            self.dropRound()
            self.route = route
            self.carriers = route.carriers[...]
            self.wasRedirected = false
            self.isElsewhere = false
            self.why = .failed
            self.wasRefusedByPeer = false
            self.wasRefused = false
            self.start()
        } else if self.loop.now < self.deadline {
            self.lookLater()
        } else if self.carriers.isEmpty {
            self.finish(.failure(self.why))
        }
    }
}

// MARK: - What the session says

extension CarrierAttempt {
    fileprivate func began(_ session: any Session, round: Int) { if round == self.round { self.session = session } }

    fileprivate func ready(_ session: any Session, round: Int) {
        guard self.answer != nil, round == self.round else { return session.shutDown(.finished) }
        if let carrier = self.carriers.first { self.outbound.silent.answered(carrier) }
        self.attempt = session.open(self.request) { result in
            if case .failure(let fault) = result, self.triesAgain(after: fault) { return }
            self.finish(result)
        }
    }

    fileprivate func ended(_ reason: CloseReason, wasReady: Bool, round: Int) {
        guard round == self.round else { return }
        self.session = nil
        if wasReady, reason.isTheirDoing, let carrier = self.carriers.first {
            self.reporter.emit(
                .carrierFailed(
                    .outbound(self.outbound.name), peer: carrier.description, reason: "\(reason)"))
        }
        // Once asked for, the stream's own answer says what became of it.
        guard !wasReady, self.answer != nil, !self.triesAgain(after: StreamFault(reason)) else { return }
        var elsewhere: SessionCarrier?
        if case .redirected(let host) = reason, !self.wasRedirected {
            self.wasRedirected = true
            elsewhere = self.route.redirected(host)
        }
        // A no is an answer, too.
        let wasRefusedByPeer = StreamFault(reason) == .refused
        if let carrier = self.carriers.first {
            if wasRefusedByPeer { self.outbound.silent.answered(carrier) } else { self.outbound.silent.failed(carrier) }
        }
        if !self.isElsewhere && wasRefusedByPeer { self.wasRefusedByPeer = true }
        self.failed(reason.asLoss, StreamFault(reason), sentTo: elsewhere)
    }
}

@available(*, unavailable)
extension CarrierAttempt: Sendable {}

extension StreamFault {
    /// What the end of the carrier means to a stream that was to have it.
    fileprivate init(_ reason: CloseReason) {
        switch reason {
        case .rejected, .denied, .redirected: self = .refused
        case .timedOut: self = .timedOut
        case .shutdown: self = .shutdown
        case .cutOff(let fault): self = fault
        case .finished, .violation, .carrierLost: self = .sessionLost
        }
    }
}

/// The session that is to become the one stream.
private final class OneStream: OutboundSessionOwner {
    // Used on the loop of its session only.
    private let attempt: NIOLoopBound<CarrierAttempt>
    private let round: Int

    init(_ attempt: CarrierAttempt, round: Int, on loop: SocketLoop) {
        self.round = round
        self.attempt = NIOLoopBound(attempt, eventLoop: loop)
    }

    func sessionBegan(_ session: any Session) { self.attempt.value.began(session, round: self.round) }
    func sessionReady(_ session: any Session) { self.attempt.value.ready(session, round: self.round) }
    func sessionEnded(_ session: any Session, _ reason: CloseReason) {
        self.attempt.value.ended(reason, wasReady: session.isReady, round: self.round)
    }
}
