// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Synchronization
package import WarrenCore
package import WarrenLoop

/// An outbound that is good for one stream: whoever comes second is refused here, where the reason is known, and not by a
/// peer who cannot know it.
package final class SingleUseOutbound: Outbound {
    private enum Use {
        case free
        /// The one stream is asked for, and may yet be refused.
        case asked
        case used
    }

    private let inner: any Outbound
    private let reporter: Reporter
    private let sentence: String
    private let use = Mutex(Use.free)

    /// - Parameter sentence: for the log, whenever somebody comes too late.
    package init(_ inner: any Outbound, reporter: Reporter, whenUsed sentence: String) {
        self.inner = inner
        self.reporter = reporter
        self.sentence = sentence
    }

    package var name: String { self.inner.name }
    package var home: SocketLoop? { self.inner.home }

    package func open(
        _ request: StreamRequest, trusted: Bool, on loop: SocketLoop,
        answer: @escaping (Result<any Leg, StreamFault>) -> Void
    ) -> any OpenAttempt {
        guard self.take() else {
            self.reporter.emit(.warn("\(self.name): \(self.sentence)"))
            answer(.failure(.limit))
            return NoAttempt()
        }
        let attempt = self.inner.open(request, trusted: trusted, on: loop) { result in
            if case .success = result { self.settle(.used) } else { self.settle(.free) }
            answer(result)
        }
        return UseAttempt(attempt) { self.settle(.free) }
    }

    private func take() -> Bool {
        self.use.withLock { use in
            guard case .free = use else { return false }
            use = .asked
            return true
        }
    }

    private func settle(_ new: Use) {
        self.use.withLock { use in if case .asked = use { use = new } }
    }
}

private final class UseAttempt: OpenAttempt {
    private let inner: any OpenAttempt
    private let onCancel: () -> Void

    init(_ inner: any OpenAttempt, onCancel: @escaping () -> Void) {
        self.inner = inner
        self.onCancel = onCancel
    }

    func cancel() {
        self.inner.cancel()
        self.onCancel()
    }
}
