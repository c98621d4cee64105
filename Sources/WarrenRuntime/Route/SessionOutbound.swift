// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import WarrenCore

/// Takes streams through a session whose carrier we dial, and keeps that session up.
///
/// A stream that is asked for while the session is being made waits for it; one that comes while it rests makes it try
/// at once (at most every 250 ms). Everything lives on ``home``.
package final class SessionOutbound: Outbound, NodePart, @unchecked Sendable {
    // Sendable: the constants are, and all state is touched on `home` only (asserted where it is entered).
    package let name: String
    package let home: SocketLoop?
    private let loop: SocketLoop
    private let carrier: SessionCarrier
    private let reporter: Reporter
    private var waiting: [WaitingStream] = []
    private lazy var keeper = self.makeKeeper()

    package init(name: String, home: SocketLoop, carrier: SessionCarrier, reporter: Reporter) {
        self.name = name
        self.home = home
        self.loop = home
        self.carrier = carrier
        self.reporter = reporter
    }

    private func makeKeeper() -> SessionKeeper {
        let keeper = SessionKeeper(
            .outbound(self.name), on: self.loop, carriers: [self.carrier], reporter: self.reporter, owner: self
        )
        keeper.whenLost = { [weak self] in self?.failWaiting($0) }
        return keeper
    }

    package func start() -> EventLoopFuture<Void> {
        let tried = self.loop.makePromise(of: Void.self)
        self.loop.execute {
            self.keeper.whenTried = { tried.succeed() }
            self.keeper.start()
        }
        return tried.futureResult
    }

    package func retire() { self.loop.execute { self.keeper.retire() } }

    package func stop() { self.loop.execute { self.keeper.stop() } }
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
        switch self.keeper.condition {
        case .up(let session): return session.open(request, answer: answer)
        case .stopped: answer(.failure(.shutdown))
        case .soon: return self.wait(request, answer)
        case .resting:
            let stream = self.wait(request, answer)
            self.keeper.hurry()
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

extension SessionOutbound: OpeningOwner {
    package func sessionBegan(_ session: any Session) { self.keeper.began(session) }

    package func sessionReady(_ session: any Session) {
        self.keeper.ready(session)
        let waiting = self.waiting
        self.waiting = []
        for stream in waiting { stream.open(on: session) }
    }

    package func sessionEnded(_ session: any Session, _ reason: CloseReason) { self.keeper.ended(reason) }
}
