// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import WarrenCore
package import WarrenLoop

/// An inbound whose carrier we dial: the end of a tunnel that cannot be reached from outside. Keeps its session up, and
/// opens what the peer asks for through an outbound.
package final class DialledInbound: NodeComponent, @unchecked Sendable {
    // Sendable: the constants are, and all state is touched on `loop` only.

    /// What follows a session.
    package enum Succession: Sendable {
        /// It carries many streams, and is made again when it is lost.
        case whenLost
        /// It becomes its one stream, and the next one is made at once, for at most so many streams at a time.
        case always(most: Int)
        /// It becomes its one stream, and if that was of use to the peer, the inbound has done its work.
        case never

        /// Streams that may run at a time where each has a session of its own; nil where one session carries them all.
        var mostStreams: Int? {
            switch self {
            case .whenLost: nil
            case .always(let most): most
            case .never: 1
            }
        }
    }

    package struct Plan: Sendable {
        package var carriers: [SessionCarrier]
        /// Where every stream goes, whatever the peer asks for; it stands in our own configuration.
        package var target: Destination?
        /// What visitors of names and ports are served with. Their streams are refused without it.
        package var services: LocalServices?
        package var succession: Succession
        /// Told how others reach us, whenever that changes. On the loop.
        package var onGrant: @Sendable (Grant) -> Void = { _ in }
        /// Told whenever a session that carries many streams is up, before what it is granted. On the loop.
        package var onUp: @Sendable (GrantList) -> Void = { _ in }
        /// Told once, on the loop, when there is no more to come.
        package var onDone: @Sendable () -> Void = {}
        /// Told once, on the loop, in a sentence, that every carrier was to be had and no peer would have us. Without it,
        /// they are asked again and again, and so is whoever had us once for many streams.
        package var onRefused: (@Sendable (String) -> Void)?

        package init(carriers: [SessionCarrier], target: Destination? = nil, succession: Succession) {
            self.carriers = carriers
            self.target = target
            self.succession = succession
        }
    }

    package var name: String { self.sessions.name }
    private let plan: Plan
    private let sessions: InboundSessions
    private let loop: SocketLoop
    private let reporter: Reporter
    private lazy var keeper = self.makeKeeper()
    /// Streams that have reached their destination and not ended.
    private(set) var running = 0
    /// Those whose end is being reported although they never ran.
    private(set) var failing = 0
    private var waitsForEnd = false
    /// What a peer answered since the carriers were last tried from the first one on.
    private var refusal: String?
    /// A session that carries many streams was up.
    private var wasUp = false
    /// The last stream's target could not be had, or went.
    private var hasLostTarget = false
    private var granted = NIODeadline.uptimeNanoseconds(0)
    private var targetLosses = Backoff()
    private var random = SystemRandomNumberGenerator()

    /// A wait of this length was one in which somebody could have come.
    private static let steadyWait = TimeAmount.seconds(10)

    /// - Parameter loop: where the outbound of `sessions` lives, if it is bound to a loop.
    package init(_ plan: Plan, sessions: InboundSessions, on loop: SocketLoop, reporter: Reporter) {
        self.plan = plan
        self.sessions = sessions
        self.loop = loop
        self.reporter = reporter
    }

    private func makeKeeper() -> Reconnector {
        let keeper = Reconnector(
            .inbound(self.sessions.name), on: self.loop, carriers: self.plan.carriers,
            reporter: self.reporter, owner: self
        )
        keeper.onAnswer = { [weak self] in self?.refusal = $0 }
        keeper.givesUp = { [weak self] in self?.isRefused() ?? false }
        return keeper
    }

    /// All carriers have been tried: whether that is the end, which is told then.
    private func isRefused() -> Bool {
        guard !self.wasUp, let refusal, let onRefused = self.plan.onRefused else { return false }
        self.refusal = nil
        onRefused(refusal)
        return true
    }

    package func start() -> EventLoopFuture<Void> {
        let tried = self.loop.makePromise(of: Void.self)
        self.loop.execute {
            self.keeper.whenTried = { tried.succeed() }
            self.keeper.start()
        }
        return tried.futureResult
    }

    package func tunnels() -> EventLoopFuture<[TunnelStatus]>? { self.loop.submit { [self.keeper.status] } }

    /// A session that waits for its one stream is of no use any more.
    package func retire() {
        self.loop.execute {
            if self.plan.succession.mostStreams != nil { self.keeper.stop() } else { self.keeper.retire() }
        }
    }

    package func stop() { self.loop.execute { self.keeper.stop() } }
}

// MARK: - What the session says

extension DialledInbound: SessionOwner {
    package var judge: any Authenticator { self.sessions.judge }

    package var source: StreamSource? { self.sessions.source }
    package var label: SessionLabel? { self.sessions.label }

    package func routed(_ request: StreamRequest) -> StreamRequest { self.sessions.routed(request) }

    package func open(
        _ request: StreamRequest, on loop: SocketLoop, answer: @escaping (Result<any Leg, StreamFault>) -> Void
    ) -> any OpenAttempt {
        var request = request
        if let target = self.plan.target { request.destination = target }
        let target = request.destination
        let counted: (Result<any Leg, StreamFault>) -> Void = { result in
            switch result {
            case .success:
                self.running += 1
                self.hasLostTarget = false
            case .failure(let fault):
                self.failing += 1
                self.hasLostTarget = true
                self.targetFailed(target, fault)
            }
            answer(result)
        }
        // What it serves is not what its successor does; the relay asks that one in a moment.
        guard !self.sessions.unit.isRetired || (self.plan.services == nil && self.plan.target == nil) else {
            counted(.failure(.shutdown))
            return NoAttempt()
        }
        guard let services = self.plan.services else { return self.sessions.open(request, on: loop, answer: counted) }
        return services.open(request, by: self.sessions, on: loop, answer: counted)
    }

    package func streamEnded(_ request: StreamRequest, _ report: BridgeReport, user: String?) {
        self.sessions.streamEnded(request, report, user: user)
        guard self.failing == 0 else {
            self.failing -= 1
            return
        }
        self.running -= 1
        let isOurs = report.fault == nil || report.fault == .sessionLost || report.fault == .shutdown
        self.hasLostTarget = !isOurs && report.bytesIn == 0
        guard self.waitsForEnd else { return }
        self.waitsForEnd = false
        if case .never = self.plan.succession, report.wasOfUse { return self.finish() }
        self.keeper.next()
    }

    /// Where a peer chooses the targets, it may choose bad ones as often as it likes.
    private func targetFailed(_ target: Destination, _ fault: StreamFault) {
        guard self.plan.target != nil, self.plan.succession.mostStreams != nil, fault != .shutdown else { return }
        self.reporter.emit(.warn("\(self.sessions.name): the target \(target) cannot be reached: \(fault.rawValue)"))
    }

    private func finish() {
        self.keeper.stop()
        self.plan.onDone()
    }

    package func sessionBegan(_ session: any Session) { self.keeper.began(session) }

    /// A session for one stream says so when its peer has come.
    package func sessionReady(_ session: any Session) {
        guard self.plan.succession.mostStreams == nil else {
            self.keeper.isUp(session)
            return
        }
        self.keeper.ready(session)
        self.wasUp = true
        self.plan.onUp(session.grantList)
    }

    package func sessionGranted(_ session: any Session, _ grant: Grant) {
        self.keeper.isUp(session)
        self.granted = self.loop.now
        self.hasLostTarget = false
        self.refusal = nil
        self.reporter.emit(.granted(inbound: self.sessions.name, peer: session.peer, grant))
        self.plan.onGrant(grant)
    }

    package func sessionEnded(_ session: any Session, _ reason: CloseReason) {
        guard let most = self.plan.succession.mostStreams, case .up = self.keeper.condition else {
            if reason.isAnswer { self.refusal = "\(reason)" }
            return self.keeper.ended(reason)
        }
        switch reason {
        // Nobody came in the time that the peer gives: nothing is wrong.
        case .timedOut: self.keeper.next()
        case .finished where !session.isReady && self.running == 0 && self.hasLostTarget: self.waitAgain()
        case .carrierLost where !session.isReady && self.hasLostTarget:
            self.reporter.emit(.note("\(self.sessions.name): the wait is over: \(reason)"))
            self.waitAgain()
        case .finished: self.handedOver(most: session.isReady ? most : 1)
        case .denied, .rejected, .redirected, .violation, .carrierLost, .cutOff, .shutdown: self.keeper.ended(reason)
        }
    }

    /// The wait was for nothing, because its target went before anybody came: more of the same must not be a flood.
    private func waitAgain() {
        if self.loop.now - self.granted >= Self.steadyWait { self.targetLosses.succeeded() }
        self.keeper.next(after: self.targetLosses.failed(random: &self.random))
    }

    /// - Parameter most: streams at a time; one where nothing tells whether anybody has come, as more of the same could
    ///   go on for ever. None may be running: a stream that ended before the session did is nothing to wait for.
    private func handedOver(most: Int) {
        if self.running < most { self.keeper.next() } else { self.waitsForEnd = true }
    }
}

extension CloseReason {
    /// Whether a peer that was reached did not want us, or was no peer of ours.
    fileprivate var isAnswer: Bool {
        switch self {
        case .denied, .rejected, .redirected, .violation: true
        case .finished, .timedOut, .carrierLost, .cutOff, .shutdown: false
        }
    }
}

extension BridgeReport {
    /// A relay that goes away looks like a peer that came, said nothing and heard little of what was said to it.
    fileprivate var wasOfUse: Bool { self.bytesIn > 0 || (self.fault == nil && self.bytesOut > 0) }
}
