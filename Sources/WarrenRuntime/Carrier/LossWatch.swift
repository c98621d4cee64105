// SPDX-License-Identifier: Apache-2.0

import CWarrenSystem
import NIOCore
import WarrenCore
import WarrenLoop

/// Finds a peer that has gone while data was on its way to it. On the loop of its leg only.
///
/// TCP_USER_TIMEOUT would end a peer, too, that lives and only reads nothing for that long (Linux counts the questions
/// at a closed window whether they are answered or not). A stream may stand still for as long as its reader likes, so
/// we look ourselves whether *anything* has been answered.
final class LossWatch {
    /// How late a loss may be found beyond the time of silence.
    private static let interval = TimeAmount.seconds(4)

    private weak var leg: SocketLeg?
    private let silence: UInt32
    private var timer: LoopTimer?

    /// - Parameter silence: in seconds.
    init(_ leg: SocketLeg, silence: Int32) {
        self.leg = leg
        self.silence = UInt32(clamping: Int64(silence) * 1000)
        self.lookLater()
    }

    deinit { self.timer?.cancel() }

    func stop() {
        self.timer?.cancel()
        self.timer = nil
    }

    private func lookLater() {
        self.timer = self.leg?.loop.timer(in: Self.interval) { [weak self] in self?.look() }
    }

    private func look() {
        guard let leg else { return }
        guard cws_is_unanswered(leg.socket.descriptor, self.silence) == 0 else { return leg.close(.timedOut) }
        self.lookLater()
    }
}

@available(*, unavailable)
extension LossWatch: Sendable {}
