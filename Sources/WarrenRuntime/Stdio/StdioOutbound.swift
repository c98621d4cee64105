// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Synchronization
package import WarrenCore
package import WarrenLoop

/// Takes one stream to the process's standard input and output, and refuses all others.
package final class StdioOutbound: Outbound {
    package let name: String
    package var home: SocketLoop? { nil }
    private let isTaken = Atomic(false)
    private let beforeEnd: @Sendable () -> Void
    private let whenDone: @Sendable (Bool) -> Void

    /// - Parameters:
    ///   - beforeEnd: called before the output is closed, if the stream was cut off.
    ///   - whenDone: called once, on any thread, when the stream is over and the output has had everything: with
    ///     false if something was cut off.
    package init(
        name: String, beforeEnd: @escaping @Sendable () -> Void = {}, whenDone: @escaping @Sendable (Bool) -> Void
    ) {
        self.name = name
        self.beforeEnd = beforeEnd
        self.whenDone = whenDone
    }

    package func open(
        _ request: StreamRequest, trusted: Bool, on loop: SocketLoop,
        answer: @escaping (Result<any Leg, StreamFault>) -> Void
    ) -> any OpenAttempt {
        if self.isTaken.compareExchange(expected: false, desired: true, ordering: .relaxed).exchanged {
            do {
                answer(
                    .success(
                        try StandardStreams.leg(
                            on: loop, beforeEnd: { [beforeEnd] isCutOff in if isCutOff { beforeEnd() } },
                            whenDone: self.whenDone)))
            } catch {
                answer(.failure(.failed))
            }
        } else {
            answer(.failure(.limit))
        }
        return NoAttempt()
    }
}
