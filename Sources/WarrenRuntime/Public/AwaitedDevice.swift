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

    /// Visitors of all names that wait at the same time, and are told when somebody serves theirs.
    final class Line: Sendable {
        private static let most = 256

        private struct Place: @unchecked Sendable {
            // Sendable: who waits is touched on `loop` only.
            let awaited: AwaitedDevice
            let loop: SocketLoop
            let names: Set<String>
        }

        private let places = Mutex<[ObjectIdentifier: Place]>([:])

        /// - Returns: false if it is full.
        fileprivate func enter(_ awaited: AwaitedDevice, _ names: Set<String>) -> Bool {
            let place = Place(awaited: awaited, loop: awaited.loop, names: names)
            return self.places.withLock { places in
                guard places.count < Self.most else { return false }
                places[ObjectIdentifier(place.awaited)] = place
                return true
            }
        }

        fileprivate func leave(_ awaited: AwaitedDevice) {
            let id = ObjectIdentifier(awaited)
            self.places.withLock { $0[id] = nil }
        }

        /// Lets everybody look again. On any thread.
        ///
        /// - Parameter name: lets only those look who would have a device that serves this.
        func wake(for name: String? = nil) {
            let places = self.places.withLock { places in
                places.values.filter { place in name.map { place.names.contains($0) } ?? true }
            }
            for place in places { place.loop.execute { place.awaited.turn() } }
        }
    }

    private let line: Line
    private let loop: SocketLoop
    private let look: (_ isLast: Bool) -> (any OpenAttempt)?
    private var timer: LoopTimer?
    private var attempt: (any OpenAttempt)?

    /// - Parameters:
    ///   - names: under one of which its device may come back.
    ///   - since: when the device went.
    ///   - look: opens the stream, or tells that it cannot be had; nil while the device is away, unless that was the last look.
    /// - Returns: nil where nobody is waited for any more, or too many wait.
    init?(
        as names: [String], in line: Line, since: NIODeadline, on loop: SocketLoop,
        look: @escaping (_ isLast: Bool) -> (any OpenAttempt)?
    ) {
        let left = Self.patience - (.now() - since)
        self.line = line
        self.loop = loop
        self.look = look
        guard left > .zero, line.enter(self, Set(names)) else { return nil }
        self.timer = loop.timer(in: left) { self.turn(isLast: true) }
        // It may have come back before this was in the line.
        self.turn()
    }

    private func turn(isLast: Bool = false) {
        guard let timer, let attempt = self.look(isLast) else { return }
        self.attempt = attempt
        self.leave(timer)
    }

    private func leave(_ timer: LoopTimer) {
        timer.cancel()
        self.timer = nil
        self.line.leave(self)
    }

    func cancel() {
        if let timer { self.leave(timer) }
        self.attempt?.cancel()
        self.attempt = nil
    }
}
