// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenLoop

/// Holds back the two sides of a relay whose stream has a rate.
final class Throttle {
    private struct Side {
        /// Runs while it is not read.
        var timer: LoopTimer?
        /// Received and not yet charged.
        var uncharged = 0
        /// Paid for and not yet received.
        var booked = 0
        /// Credit that its peer is not given while it is not read.
        var owed = 0
    }

    let meter: StreamMeter
    private let loop: SocketLoop
    private var front = Side()
    private var back = Side()

    init(_ meter: StreamMeter, on loop: SocketLoop) {
        self.meter = meter
        self.loop = loop
    }

    private func change<Value>(_ isFront: Bool, _ body: (inout Side) -> Value) -> Value {
        isFront ? body(&self.front) : body(&self.back)
    }

    func received(_ count: Int, isFront: Bool) { self.change(isFront) { $0.uncharged += count } }

    /// Charges what has been received.
    ///
    /// - Returns: how long its sender is not to be read; nil to go on.
    func charge(isFront: Bool) -> TimeAmount? {
        let (count, booked, left) = self.change(isFront) { side in
            let booked = min(side.uncharged, side.booked)
            side.booked -= booked
            defer { side.uncharged = 0 }
            return (side.uncharged, booked, side.booked)
        }
        guard count > 0 else { return nil }
        self.meter.take(count, booked: booked, up: isFront, now: self.loop.now)
        return left > 0 ? nil : self.ask(isFront: isFront)
    }

    /// Books the next step.
    ///
    /// - Returns: how long to wait before it is read; nil to go on.
    func ask(isFront: Bool) -> TimeAmount? {
        guard let step = self.meter.step(up: isFront) else { return nil }
        let missing = self.change(isFront) { side in
            defer { side.booked = max(side.booked, step) }
            return step - side.booked
        }
        return missing > 0 ? self.meter.book(missing, up: isFront, now: self.loop.now) : nil
    }

    func isHeld(isFront: Bool) -> Bool { self.change(isFront) { $0.timer != nil } }

    /// Keeps credit back while its side is held.
    ///
    /// - Returns: false if it is not.
    func owe(_ count: Int, isFront: Bool) -> Bool {
        self.change(isFront) { side in
            guard side.timer != nil else { return false }
            side.owed += count
            return true
        }
    }

    func hold(isFront: Bool, for pause: TimeAmount, then letGo: @escaping () -> Void) {
        let timer = self.loop.timer(in: pause, letGo)
        self.change(isFront) { side in
            side.timer?.cancel()
            side.timer = timer
        }
    }

    /// - Returns: the credit that was kept back.
    func letGo(isFront: Bool) -> Int {
        self.change(isFront) { side in
            defer { (side.timer, side.owed) = (nil, 0) }
            return side.owed
        }
    }

    /// The stream is over.
    func stop() {
        for isFront in [true, false] {
            let booked = self.change(isFront) { side in
                side.timer?.cancel()
                side.timer = nil
                defer { side.booked = 0 }
                return side.booked
            }
            if booked > 0 { _ = self.meter.book(-booked, up: isFront, now: self.loop.now) }
        }
    }
}
