// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Foundation
import NIOConcurrencyHelpers
package import NIOCore
package import WarrenCore
package import WarrenLoop

/// One stream whose near side is the process's standard input and output.
package final class StdioInbound: NodeComponent, SessionOwner {
    package var name: String { self.sessions.name }
    private let destination: Destination
    private let sessions: InboundSessions
    private let context: @Sendable () -> LoopContext
    private let loop: SocketLoop
    private let beforeEnd: @Sendable (StreamFault) -> Void
    private let onDone: @Sendable (StreamFault?) -> Void
    /// The stream is over, and everything is written: in either order.
    private let outcome = NIOLockedValueBox(Outcome())
    /// Given once, when the stream has ended.
    private let ended = DispatchSemaphore(value: 0)
    private static let endTimeout = 10.0

    private struct Outcome {
        /// How the stream ended, or the session before there was one.
        var fault: StreamFault?
        var hasEnded = false
        /// Whether everything was taken; nil before the output is done.
        var isWhole: Bool?
        var isTold = false

        mutating func end(_ fault: StreamFault?) {
            if !self.hasEnded { self.fault = fault }
            self.hasEnded = true
        }
    }

    /// - Parameters:
    ///   - beforeEnd: told why the stream was cut off, before the output is closed.
    ///   - onDone: told once, on any thread, how the stream ended.
    package init(
        _ destination: Destination, sessions: InboundSessions, loops: Loops,
        beforeEnd: @escaping @Sendable (StreamFault) -> Void = { _ in },
        onDone: @escaping @Sendable (StreamFault?) -> Void
    ) {
        let loop = sessions.home ?? loops.next()
        self.destination = destination
        self.sessions = sessions
        self.loop = loop
        self.context = { loops.context(on: loop) }
        self.beforeEnd = beforeEnd
        self.onDone = onDone
    }

    package func start() -> EventLoopFuture<Void> {
        self.loop.submit {
            let leg = try StandardStreams.leg(on: self.loop, beforeEnd: { _ in self.tellEnd() }) { isWhole in
                self.note { $0.isWhole = isWhole }
            }
            self.context().start(ForwardMachine(target: self.destination), on: leg, owner: self)
        }
    }

    /// On the thread of the output, which may wait: the end of the stream may be on its way between two loops.
    @Sendable private func tellEnd() {
        guard self.ended.wait(timeout: .now() + Self.endTimeout) == .success else { return }
        self.ended.signal()
        if let fault = self.outcome.withLockedValue({ $0.fault }) { self.beforeEnd(fault) }
    }

    package func retire() {}
    package func stop() {}

    private func note(_ change: (inout Outcome) -> Void) {
        let told = self.outcome.withLockedValue { outcome -> (fault: StreamFault?, isNow: Bool) in
            let hadEnded = outcome.hasEnded
            change(&outcome)
            if outcome.hasEnded && !hadEnded { self.ended.signal() }
            guard outcome.hasEnded, let isWhole = outcome.isWhole, !outcome.isTold else { return (nil, false) }
            outcome.isTold = true
            return (outcome.fault ?? (isWhole ? nil : .aborted), true)
        }
        if told.isNow { self.onDone(told.fault) }
    }

    package var judge: any Authenticator { self.sessions.judge }

    package var source: StreamSource? { self.sessions.source }
    package var label: SessionLabel? { self.sessions.label }

    package func routed(_ request: StreamRequest) -> StreamRequest { self.sessions.routed(request) }

    package func open(
        _ request: StreamRequest, on loop: SocketLoop, answer: @escaping (Result<any Leg, StreamFault>) -> Void
    ) -> any OpenAttempt {
        self.sessions.open(request, on: loop, answer: answer)
    }

    package func streamEnded(_ request: StreamRequest, _ report: BridgeReport, user: String?) {
        self.sessions.streamEnded(request, report, user: user)
        self.note { $0.end(report.fault) }
    }

    package func sessionBegan(_ session: any Session) {}
    package func sessionReady(_ session: any Session) {}
    /// Also when the output was gone before the stream was there.
    package func sessionEnded(_ session: any Session, _ reason: CloseReason) {
        if reason != .finished { self.note { $0.end(.aborted) } }
    }
}
