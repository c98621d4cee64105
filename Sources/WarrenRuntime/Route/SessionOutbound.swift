// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import WarrenCore

/// Takes streams through a session whose carrier we dial, and keeps that session up.
///
/// ```
/// idle ──start──> dialing ──carrier, login──> up ──lost──> resting ──backoff, or a stream is asked for──> dialing
/// ```
///
/// A stream that is asked for while the session is being made waits for it; one that comes while it rests makes it try
/// at once (at most every 250 ms). Everything lives on ``home``.
package final class SessionOutbound: Outbound, @unchecked Sendable {
    // Sendable: the constants are, and all state is touched on `home` only (asserted where it is entered).
    private enum State {
        case idle
        case dialing(any OpenAttempt)
        case loggingIn(any Session)
        case up(any Session)
        case resting(LoopTimer)
        case stopped
    }

    package let name: String
    package let home: SocketLoop?
    private let loop: SocketLoop
    private let carrier: CarrierDialer
    private let makeSession: @Sendable (any Leg, any SessionOwner, SocketLoop) throws -> Void
    private let reporter: Reporter

    private var state = State.idle
    private var isRetiring = false
    private var backoff = Backoff()
    private var lastTry = NIODeadline.uptimeNanoseconds(0)
    private var waiting: [WaitingStream] = []
    private var random = SystemRandomNumberGenerator()
    /// Waited for by ``start()``.
    private var tried: EventLoopPromise<Void>?

    /// - Parameter makeSession: starts a session with this owner on a connected carrier.
    package init(
        name: String, home: SocketLoop, carrier: CarrierDialer, reporter: Reporter,
        makeSession: @escaping @Sendable (any Leg, any SessionOwner, SocketLoop) throws -> Void
    ) {
        self.name = name
        self.home = home
        self.loop = home
        self.carrier = carrier
        self.reporter = reporter
        self.makeSession = makeSession
    }

    /// Completes when the carrier has been tried once, whatever came of it.
    package func start() -> EventLoopFuture<Void> {
        let tried = self.loop.makePromise(of: Void.self)
        self.loop.execute {
            self.tried = tried
            self.dial()
        }
        return tried.futureResult
    }

    /// The process is on its way out: the session may go on, but a lost one is not made again.
    package func retire() { self.loop.execute { self.isRetiring = true } }

    /// Gives up waiting streams and the session, for good.
    package func stop() {
        self.loop.execute {
            let state = self.state
            self.state = .stopped
            switch state {
            case .dialing(let attempt): attempt.cancel()
            case .loggingIn(let session), .up(let session): session.shutDown(.shutdown)
            case .resting(let pause): pause.cancel()
            case .idle, .stopped: break
            }
            self.failWaiting(.shutdown)
            self.triedOnce()
        }
    }
}

// MARK: - Streams

extension SessionOutbound {
    /// Streams that may wait for a session at the same time.
    private static let mostWaiting = 1024

    package func open(
        _ request: StreamRequest, trusted: Bool, on loop: SocketLoop,
        answer: @escaping (Result<any Leg, StreamFault>) -> Void
    ) -> any OpenAttempt {
        self.loop.preconditionInEventLoop()
        switch self.state {
        case .up(let session): return session.open(request, answer: answer)
        case .stopped: answer(.failure(.shutdown))
        case .idle, .dialing, .loggingIn: return self.wait(request, answer)
        case .resting(let pause):
            let stream = self.wait(request, answer)
            pause.cancel()
            self.rest(for: Backoff.shortest - (.now() - self.lastTry))
            return stream
        }
        return NoAttempt()
    }

    private func wait(
        _ request: StreamRequest, _ answer: @escaping (Result<any Leg, StreamFault>) -> Void
    ) -> any OpenAttempt {
        self.waiting.removeAll { $0.isCancelled }
        guard self.waiting.count < Self.mostWaiting else {
            answer(.failure(.limit))
            return NoAttempt()
        }
        let stream = WaitingStream(request: request, answer: answer)
        self.waiting.append(stream)
        return stream
    }

    private func failWaiting(_ fault: StreamFault) {
        let waiting = self.waiting
        self.waiting = []
        for stream in waiting { stream.fail(fault) }
    }
}

/// A stream that waits for the session.
private final class WaitingStream: OpenAttempt {
    private let request: StreamRequest
    private var answer: ((Result<any Leg, StreamFault>) -> Void)?
    private var attempt: (any OpenAttempt)?
    var isCancelled: Bool { self.answer == nil }

    init(request: StreamRequest, answer: @escaping (Result<any Leg, StreamFault>) -> Void) {
        self.request = request
        self.answer = answer
    }

    func open(on session: any Session) {
        guard let answer else { return }
        self.attempt = session.open(self.request, answer: answer)
    }

    func fail(_ fault: StreamFault) {
        guard let answer else { return }
        self.answer = nil
        answer(.failure(fault))
    }

    func cancel() {
        self.answer = nil
        self.attempt?.cancel()
    }
}

// MARK: - The session

extension SessionOutbound {
    private func dial() {
        if case .stopped = self.state { return self.triedOnce() }
        self.lastTry = .now()
        var isAnswered = false
        let attempt = self.carrier.dial(on: self.loop) { result in
            isAnswered = true
            self.dialled(result)
        }
        if !isAnswered { self.state = .dialing(attempt) }
    }

    private func dialled(_ result: Result<any Leg, CarrierFailure>) {
        if case .stopped = self.state {
            if case .success(let leg) = result { leg.discard() }
            return
        }
        switch result {
        case .success(let leg):
            let owner = OutboundSessions(self, on: self.loop)
            do {
                try self.makeSession(leg, owner, self.loop)
            } catch {
                leg.discard()
                self.failed("\(error)")
            }
        case .failure(let failure):
            self.failed(failure.description)
        }
    }

    fileprivate func began(_ session: any Session) { self.state = .loggingIn(session) }

    fileprivate func ready(_ session: any Session) {
        if case .stopped = self.state { return session.shutDown(.shutdown) }
        self.state = .up(session)
        self.backoff.succeeded()
        self.reporter.sessionUp(outbound: self.name, peer: self.carrier.description)
        self.triedOnce()
        let waiting = self.waiting
        self.waiting = []
        for stream in waiting { stream.open(on: session) }
    }

    fileprivate func ended(_ reason: CloseReason) {
        switch self.state {
        case .stopped, .resting: return
        case .up: self.failed("\(reason)", wasUp: true)
        case .idle, .dialing, .loggingIn: self.failed("\(reason)")
        }
    }

    private func failed(_ reason: String, wasUp: Bool = false) {
        self.triedOnce()
        guard !self.isRetiring else {
            self.state = .stopped
            return self.failWaiting(.shutdown)
        }
        let pause = self.backoff.failed(random: &self.random)
        self.reporter.sessionLost(
            outbound: self.name, peer: self.carrier.description, reason: reason, pause: pause, wasUp: wasUp
        )
        self.rest(for: pause)
        self.failWaiting(.sessionLost)
    }

    private func triedOnce() {
        self.tried?.succeed()
        self.tried = nil
    }

    private func rest(for pause: TimeAmount) {
        self.state = .resting(
            self.loop.timer(in: max(pause, .zero)) { self.dial() }
        )
    }
}

/// What the sessions of a ``SessionOutbound`` ask of their surroundings.
private final class OutboundSessions: SessionOwner {
    private let outbound: SessionOutbound
    private let loop: SocketLoop
    var judge: any Authenticator { NoAuthenticator() }

    init(_ outbound: SessionOutbound, on loop: SocketLoop) {
        self.outbound = outbound
        self.loop = loop
    }

    /// The peer of a session that we dialled to open streams may not open any itself.
    func open(
        _ request: StreamRequest, on loop: SocketLoop, answer: @escaping (Result<any Leg, StreamFault>) -> Void
    ) -> any OpenAttempt {
        answer(.failure(.notAllowed))
        return NoAttempt()
    }

    func streamEnded(_ request: StreamRequest, _ report: RelayReport, user: String?) {}
    func sessionBegan(_ session: any Session) { self.outbound.began(session) }
    func sessionReady(_ session: any Session) { self.outbound.ready(session) }
    func sessionEnded(_ session: any Session, _ reason: CloseReason) { self.outbound.ended(reason) }
}
