// SPDX-License-Identifier: Apache-2.0

import Dispatch
import NIOCore
import WarrenCore
import WarrenLoop

@testable import WarrenRuntime

/// A device's session on a real loop, whose visitors are the test's.
final class VisitedDevice: Session, @unchecked Sendable {
    // Sendable: it changes nothing of its own.
    let loop: SocketLoop
    let visits = Mailbox<Visit>()
    private let onVisit: @Sendable (Visit) -> Void
    var peer: SocketAddress? { nil }
    var user: String? { "device" }
    var isReady: Bool { true }

    /// - Parameter onVisit: called with each visit, on the loop.
    init(on loop: SocketLoop, onVisit: @escaping @Sendable (Visit) -> Void = { _ in }) {
        self.loop = loop
        self.onVisit = onVisit
    }

    func open(_ request: StreamRequest, answer: @escaping (Result<any Leg, StreamFault>) -> Void) -> any OpenAttempt {
        self.loop.preconditionInEventLoop()
        let visit = Visit(on: self.loop, answer)
        self.visits.put(visit)
        self.onVisit(visit)
        return visit
    }

    func shutDown(_ reason: CloseReason) {}

    /// One visitor, who waits for an answer.
    final class Visit: OpenAttempt, @unchecked Sendable {
        // Sendable: used on its loop only.
        let loop: SocketLoop
        private var answer: ((Result<any Leg, StreamFault>) -> Void)?
        private let cancelled: EventLoopPromise<Void>
        /// The far end of its stream, which nobody else keeps.
        private var far: MemoryLeg?

        fileprivate init(on loop: SocketLoop, _ answer: @escaping (Result<any Leg, StreamFault>) -> Void) {
            self.loop = loop
            self.answer = answer
            self.cancelled = loop.makePromise()
        }

        /// Fails where it was answered.
        var hasLeft: EventLoopFuture<Void> { self.cancelled.futureResult }

        func cancel() {
            self.answer = nil
            self.cancelled.succeed()
        }

        /// On its loop.
        func give(_ result: Result<any Leg, StreamFault>) {
            let answer = self.answer
            self.answer = nil
            self.cancelled.fail(ChannelError.alreadyClosed)
            if let answer { answer(result) } else if case .success(let leg) = result { leg.discard() }
        }

        /// Takes the visitor and says everything that it says. On its loop.
        func echo() {
            let (near, far) = MemoryLeg.pair(on: self.loop)
            far.events = Echo()
            far.begin()
            self.far = far
            self.give(.success(near))
        }

        /// Takes the visitor.
        func accept() async throws -> OpenedStream {
            try await self.loop.submit {
                let (near, far) = MemoryLeg.pair(on: self.loop)
                let probe = LegProbe(self.loop)
                far.events = probe
                far.begin()
                self.give(.success(near))
                return OpenedStream(
                    loop: self.loop, leg: NIOLoopBound(far, eventLoop: self.loop),
                    probe: NIOLoopBound(probe, eventLoop: self.loop))
            }.get()
        }
    }
}

/// Keeps a loop from doing anything until it is let go.
struct HeldLoop: Sendable {
    private let gate = DispatchSemaphore(value: 0)

    /// - Parameter first: what the loop does then, before anything that has come meanwhile.
    init(_ loop: SocketLoop, first: @escaping @Sendable () -> Void = {}) {
        let gate = self.gate
        loop.execute {
            gate.wait()
            first()
        }
    }

    func letGo() { self.gate.signal() }
}
