// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Holds back the two sides of a relay whose stream has a rate.
final class Throttle {
    struct Side {
        /// Runs while it is not read.
        var timer: LoopTimer?
        /// Received and not yet charged.
        var uncharged = 0
        /// Credit that its peer is not given while it is not read.
        var owed = 0
    }

    let meter: StreamMeter
    var front = Side()
    var back = Side()

    init(_ meter: StreamMeter) { self.meter = meter }

    func received(_ count: Int, isFront: Bool) {
        if isFront { self.front.uncharged += count } else { self.back.uncharged += count }
    }

    /// Charges what has been received.
    ///
    /// - Returns: how long its sender is not to be read; nil to go on.
    func charge(isFront: Bool, now: NIODeadline) -> TimeAmount? {
        let count = isFront ? self.front.uncharged : self.back.uncharged
        guard count > 0 else { return nil }
        if isFront { self.front.uncharged = 0 } else { self.back.uncharged = 0 }
        return self.meter.take(count, up: isFront, now: now)
    }

    func isHeld(isFront: Bool) -> Bool { (isFront ? self.front.timer : self.back.timer) != nil }

    func letGo(isFront: Bool) {
        if isFront {
            (self.front.timer, self.front.owed) = (nil, 0)
        } else {
            (self.back.timer, self.back.owed) = (nil, 0)
        }
    }

    func stop() {
        self.front.timer?.cancel()
        self.back.timer?.cancel()
        self.front.timer = nil
        self.back.timer = nil
    }
}
