// SPDX-License-Identifier: Apache-2.0

package import NIOCore
import Synchronization
package import WarrenCore
package import WarrenLoop

/// One session whose carrier we dial, kept up, and the streams that wait for it.
///
/// A stream that is asked for while the session is being made waits for it; one that comes while it rests makes it try
/// at once (at most every 250 ms). One whose session ends before its answer has come is asked for once more, on the next
/// session: the server may have let the old one go in that moment. Everything is on one loop.
package final class SessionLane: @unchecked Sendable {
    // Sendable: the constants are, and all state but `isUp` is touched on `loop` only.
    package let name: String
    package let loop: SocketLoop
    private let carrier: SessionCarrier
    private let reporter: Reporter
    private let isSpare: Bool
    private let unit: UnitTag?
    private var waiting: [LaneStream] = []
    private var hasStarted = false
    private let up = Atomic<Bool>(false)
    private lazy var keeper = self.makeKeeper()

    /// - Parameter isSpare: its session is made when a stream asks for it, and made again when the next one does.
    package init(
        name: String, on loop: SocketLoop, carrier: SessionCarrier, isSpare: Bool = false, unit: UnitTag? = nil,
        reporter: Reporter
    ) {
        self.name = name
        self.loop = loop
        self.carrier = carrier
        self.isSpare = isSpare
        self.unit = unit
        self.reporter = reporter
    }

    /// Whether there is a session; from any thread.
    var isUp: Bool { self.up.load(ordering: .relaxed) }

    private func makeKeeper() -> Reconnector {
        let keeper = Reconnector(
            .outbound(self.name), on: self.loop, carriers: [self.carrier], reporter: self.reporter, owner: self
        )
        keeper.triesWhenAskedOnly = self.isSpare
        keeper.whenLost = { [weak self] in self?.failWaiting($0) }
        return keeper
    }

    package func start() -> EventLoopFuture<Void> {
        let tried = self.loop.makePromise(of: Void.self)
        self.loop.execute {
            self.keeper.whenTried = { tried.succeed() }
            self.begin()
        }
        return tried.futureResult
    }

    private func begin() {
        guard !self.hasStarted else { return }
        self.hasStarted = true
        self.keeper.start()
    }

    /// Nil for one that nobody has asked yet.
    func status() -> EventLoopFuture<TunnelStatus?> {
        self.loop.submit { self.hasStarted ? self.keeper.status : nil }
    }

    package func retire() { self.loop.execute { self.keeper.retire() } }

    package func stop() { self.loop.execute { self.keeper.stop() } }
}

// MARK: - Streams

extension SessionLane {
    /// Streams that may wait for a session at the same time.
    private static let mostWaiting = 1024

    /// To be called on its loop, where the answer comes.
    ///
    /// - Parameter another: another lane, to be used while this one cannot have a session.
    func open(
        _ request: StreamRequest, another: () -> SessionLane?, answer: @escaping (Result<any Leg, StreamFault>) -> Void
    ) -> any OpenAttempt {
        if case .resting = self.keeper.condition, let other = another() {
            defer { self.keeper.hurry() }
            return other.open(request, from: self.loop, answer: answer)
        }
        let stream = LaneStream(request, on: self, answer: answer)
        self.place(stream)
        return stream
    }

    private func place(_ stream: LaneStream) {
        switch self.keeper.condition {
        case .up(let session): stream.open(on: session)
        case .stopped: stream.finish(.failure(.shutdown))
        case .soon:
            self.wait(stream)
            self.begin()
        case .resting:
            self.wait(stream)
            self.keeper.hurry()
        }
    }

    /// The same on another loop.
    func open(
        _ request: StreamRequest, from near: SocketLoop, answer: @escaping (Result<any Leg, StreamFault>) -> Void
    ) -> any OpenAttempt {
        Crossing.open(from: near, to: self.loop, answer: answer) { answer in
            self.open(request, another: { nil }, answer: answer)
        }
    }

    private func wait(_ stream: LaneStream) {
        self.waiting.removeAll { $0.isOver }
        guard self.waiting.count < Self.mostWaiting else { return stream.finish(.failure(.limit)) }
        self.waiting.append(stream)
    }

    private func failWaiting(_ fault: StreamFault) {
        let waiting = self.waiting
        self.waiting = []
        for stream in waiting { stream.finish(.failure(fault)) }
    }

    /// The session is over, or says so of one behind it.
    fileprivate func lost(_ stream: LaneStream, by session: any Session) {
        // Not before the keeper knows.
        self.loop.defer {
            guard !stream.isOver else { return }
            if case .up(let current) = self.keeper.condition, current === session {
                return stream.finish(.failure(.sessionLost))
            }
            self.place(stream)
        }
    }
}

/// A stream that has been asked for, and its answer is due. Nothing of it has left but the request.
private final class LaneStream: OpenAttempt {
    private let request: StreamRequest
    private let lane: SessionLane
    private var answer: ((Result<any Leg, StreamFault>) -> Void)?
    private var attempt: (any OpenAttempt)?
    private var wasLost = false
    var isOver: Bool { self.answer == nil }

    init(
        _ request: StreamRequest, on lane: SessionLane, answer: @escaping (Result<any Leg, StreamFault>) -> Void
    ) {
        self.request = request
        self.lane = lane
        self.answer = answer
    }

    func open(on session: any Session) {
        guard !self.isOver else { return }
        var isAnswered = false
        let attempt = session.open(self.request) { result in
            isAnswered = true
            self.answered(result, by: session)
        }
        if !isAnswered { self.attempt = attempt }
    }

    private func answered(_ result: Result<any Leg, StreamFault>, by session: any Session) {
        self.attempt = nil
        if case .failure(.sessionLost) = result, !self.wasLost {
            self.wasLost = true
            return self.lane.lost(self, by: session)
        }
        self.finish(result)
    }

    func finish(_ result: Result<any Leg, StreamFault>) {
        guard let answer else {
            if case .success(let leg) = result { leg.discard() }
            return
        }
        self.answer = nil
        answer(result)
    }

    func cancel() {
        self.answer = nil
        self.attempt?.cancel()
        self.attempt = nil
    }
}

// MARK: - The session

extension SessionLane: OutboundSessionOwner {
    package var label: SessionLabel? { SessionLabel(role: "outbound", name: self.name, unit: self.unit) }

    package func sessionBegan(_ session: any Session) { self.keeper.began(session) }

    package func sessionReady(_ session: any Session) {
        self.keeper.ready(session)
        self.up.store(true, ordering: .relaxed)
        let waiting = self.waiting
        self.waiting = []
        for stream in waiting { stream.open(on: session) }
    }

    package func sessionEnded(_ session: any Session, _ reason: CloseReason) {
        self.up.store(false, ordering: .relaxed)
        self.keeper.ended(reason)
    }
}
