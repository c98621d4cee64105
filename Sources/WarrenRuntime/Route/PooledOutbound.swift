// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import WarrenCore
package import WarrenLoop

/// Takes every stream through a carrier of its own, one that was made ready before anybody asked, where there is one.
///
/// Where none waits, or the one that was taken is not there any more, the stream has another one dialled.
package final class PooledOutbound: Outbound, NodeComponent {
    private let fresh: PerStreamOutbound
    private let loop: SocketLoop
    private let pools: [SessionPool]
    private let byLoop: [ObjectIdentifier: SessionPool]

    /// - Parameters:
    ///   - fresh: what dials where no session waits.
    ///   - loop: where sessions wait.
    ///   - others: where so many wait, too.
    ///   - carrier: to the same server, for sessions that wait.
    ///   - size: how many.
    ///   - age: after which time another one takes the place of one that waits.
    package init(
        _ fresh: PerStreamOutbound, on loop: SocketLoop, _ others: [SocketLoop] = [], carrier: SessionCarrier,
        size: Int,
        age: TimeAmount, reporter: Reporter
    ) {
        let plan = SessionPool.Plan(carrier: carrier, size: size, age: age)
        self.fresh = fresh
        self.loop = loop
        self.pools = ([loop] + others).map { SessionPool(plan, name: fresh.name, on: $0, reporter: reporter) }
        self.byLoop = Dictionary(self.pools.map { (ObjectIdentifier($0.loop), $0) }) { first, _ in first }
    }

    package var name: String { self.fresh.name }
    package var home: SocketLoop? { self.fresh.home }

    package func open(
        _ request: StreamRequest, trusted: Bool, on loop: SocketLoop,
        answer: @escaping (Result<any Leg, StreamFault>) -> Void
    ) -> any OpenAttempt {
        let dial = { answer in self.fresh.open(request, trusted: trusted, on: loop, answer: answer) }
        guard let pool = self.byLoop[ObjectIdentifier(loop)], let session = pool.take() else { return dial(answer) }
        let attempt = PooledAttempt(session, pool, answer: answer, dial: dial)
        attempt.ask(for: request)
        return attempt
    }

    /// It needs none of them to be of use.
    package func start() -> EventLoopFuture<Void> {
        for pool in self.pools { pool.start() }
        return self.loop.makeSucceededVoidFuture()
    }

    package func retire() { for pool in self.pools { pool.stop() } }
    package func stop() { for pool in self.pools { pool.stop() } }
}

/// A stream on its way through a session that waited, and by a fresh one if that is not there any more.
private final class PooledAttempt: OpenAttempt {
    private let pool: SessionPool
    private var answer: ((Result<any Leg, StreamFault>) -> Void)?
    private let dial: (@escaping (Result<any Leg, StreamFault>) -> Void) -> any OpenAttempt
    private var session: (any Session)?
    private var attempt: (any OpenAttempt)?

    init(
        _ session: any Session, _ pool: SessionPool, answer: @escaping (Result<any Leg, StreamFault>) -> Void,
        dial: @escaping (@escaping (Result<any Leg, StreamFault>) -> Void) -> any OpenAttempt
    ) {
        self.session = session
        self.pool = pool
        self.answer = answer
        self.dial = dial
    }

    func ask(for request: StreamRequest) {
        guard let session else { return }
        self.take(session.open(request) { result in self.asked(result) }, while: session)
    }

    /// An attempt that is over already is not kept.
    private func take(_ attempt: any OpenAttempt, while session: any Session) {
        if self.session === session { self.attempt = attempt }
    }

    private func asked(_ result: Result<any Leg, StreamFault>) {
        let session = self.session
        self.session = nil
        self.attempt = nil
        guard case .failure(let fault) = result else { return self.finish(result) }
        // It is good for nothing else.
        session?.shutDown(.finished)
        guard fault == .sessionLost || fault == .noServer, self.answer != nil else { return self.finish(result) }
        self.pool.doubt()
        var isAnswered = false
        let attempt = self.dial { result in
            isAnswered = true
            self.finish(result)
        }
        if !isAnswered { self.attempt = attempt }
    }

    private func finish(_ result: Result<any Leg, StreamFault>) {
        let answer = self.answer
        self.answer = nil
        self.attempt = nil
        answer?(result)
    }

    func cancel() {
        self.answer = nil
        let (attempt, session) = (self.attempt, self.session)
        self.attempt = nil
        self.session = nil
        attempt?.cancel()
        session?.shutDown(.finished)
    }
}
