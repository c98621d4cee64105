// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Synchronization
import WarrenCore
import WarrenLoop

/// A visitor whose device was here a moment ago and may be back in the next: one whose session has drained dials again at once.
/// On the visitor's loop.
final class AwaitedDevice: OpenAttempt {
    /// How long a device may be away before its visitors are told so.
    static let patience = TimeAmount.milliseconds(700)
    private static let pause = TimeAmount.milliseconds(25)

    /// Visitors of all names that wait at the same time.
    final class Line: Sendable {
        private static let most = 256
        private let count = Atomic(0)

        /// - Returns: false if it is full.
        fileprivate func enter() -> Bool {
            guard self.count.add(1, ordering: .relaxed).newValue > Self.most else { return true }
            self.leave()
            return false
        }

        fileprivate func leave() { self.count.subtract(1, ordering: .relaxed) }
    }

    private let line: Line
    private let loop: SocketLoop
    private let end: NIODeadline
    private let look: (_ isLast: Bool) -> (any OpenAttempt)?
    private var timer: LoopTimer?
    private var attempt: (any OpenAttempt)?

    /// - Parameters:
    ///   - since: when the device went.
    ///   - look: opens the stream, or tells that it cannot be had; nil while the device is away, unless that was the last look.
    /// - Returns: nil where nobody is waited for any more, or too many wait.
    init?(
        in line: Line, since: NIODeadline, on loop: SocketLoop, look: @escaping (_ isLast: Bool) -> (any OpenAttempt)?
    ) {
        let left = Self.patience - (.now() - since)
        guard left > .zero, line.enter() else { return nil }
        self.line = line
        self.loop = loop
        self.end = loop.now + left
        self.look = look
        self.wait()
    }

    private func wait() { self.timer = self.loop.timer(in: Self.pause) { self.turn() } }

    private func turn() {
        self.timer = nil
        let attempt = self.look(self.loop.now >= self.end)
        guard let attempt else { return self.wait() }
        self.attempt = attempt
        self.line.leave()
    }

    func cancel() {
        if let timer {
            timer.cancel()
            self.timer = nil
            self.line.leave()
        }
        self.attempt?.cancel()
        self.attempt = nil
    }
}
