// SPDX-License-Identifier: Apache-2.0

package import NIOCore
import Synchronization
package import WarrenCore
package import WarrenLoop

/// One session whose carrier we dial, kept up, and the streams that wait for it.
///
/// A stream that is asked for while the session is being made waits for it; one that comes while it rests makes it try
/// at once (at most every 250 ms). Everything is on one loop.
package final class SessionLane: @unchecked Sendable {
    // Sendable: the constants are, and all state but `isUp` is touched on `loop` only.
    package let name: String
    package let loop: SocketLoop
    private let carrier: SessionCarrier
    private let reporter: Reporter
    private let isSpare: Bool
    private let unit: UnitTag?
    private var waiting: [WaitingStream] = []
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
        switch self.keeper.condition {
        case .up(let session): return session.open(request, answer: answer)
        case .stopped: answer(.failure(.shutdown))
        case .soon:
            let stream = self.wait(request, answer)
            self.begin()
            return stream
        case .resting:
            defer { self.keeper.hurry() }
            if let other = another() { return other.open(request, from: self.loop, answer: answer) }
            return self.wait(request, answer)
        }
        return NoAttempt()
    }

    /// The same on another loop.
    func open(
        _ request: StreamRequest, from near: SocketLoop, answer: @escaping (Result<any Leg, StreamFault>) -> Void
    ) -> any OpenAttempt {
        Crossing.open(from: near, to: self.loop, answer: answer) { answer in
            self.open(request, another: { nil }, answer: answer)
        }
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
