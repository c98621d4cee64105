// SPDX-License-Identifier: Apache-2.0

import CWarrenSystem
package import NIOCore
package import WarrenCore
package import WarrenLoop

/// Two legs joined: what one receives the other writes, with back pressure, half-close and reset passed through.
///
/// ```
/// front ──received──> back.write        front reads only while back is writable
/// front ──finished──> back.finish       when both have finished, the bridge ends in order
/// front ──ended(fault)──> back.end(fault)
/// ```
package final class Bridge: LegEvents {
    private struct Side {
        var leg: any Leg
        var received = 0
        var hasFinished = false
        var hasEnded = false
    }

    private var front: Side
    private var back: Side
    private var fault: StreamFault?
    private let loop: SocketLoop
    private let started: NIODeadline
    private var activity: NIODeadline
    /// What waited at the last look.
    private var waiting = (front: 0, back: 0)
    private var hasBegun = false
    private var ending: ((Bridge, BridgeReport) -> Void)?
    /// Its place among those who live on the loop.
    var ticket: LoopRegistry.Ticket?

    package private(set) var needs: LegNeeds
    /// Who wants what; nil for a bridge that is a part of another stream.
    package var opening: StreamOpening? {
        didSet { self.setThrottle() }
    }
    /// For a stream with a rate.
    private var throttle: Throttle?

    /// - Parameters:
    ///   - front: the side that asked for the stream.
    ///   - back: the side that reached the destination.
    ///   - onEnd: called exactly once, when both legs are gone.
    package convenience init(
        front: any Leg, back: any Leg, on loop: SocketLoop, onEnd: @escaping (BridgeReport) -> Void
    ) {
        self.init(front: front, back: back, on: loop, ending: { _, report in onEnd(report) })
    }

    /// The same with an end that is told of whom.
    init(front: any Leg, back: any Leg, on loop: SocketLoop, ending: @escaping (Bridge, BridgeReport) -> Void) {
        self.front = Side(leg: front)
        self.back = Side(leg: back)
        self.needs = Self.needs(front, back)
        self.loop = loop
        self.started = loop.now
        self.activity = loop.now
        self.ending = ending
        front.events = self
        back.events = self
    }

    /// A stream is one of many on its carrier: its machine keeps what waits, and must know what its reader takes.
    private static func needs(_ front: any Leg, _ back: any Leg) -> LegNeeds {
        front.isOneOfMany || back.isOneOfMany ? [.lastWords, .ownBytes, .counts, .smallSteps] : [.lastWords]
    }

    private func setThrottle() {
        guard let meter = (self.opening?.request.route as? TakenRoute)?.meter else { return }
        self.throttle = Throttle(meter, on: self.loop)
        self.takeSteps(meter)
    }

    private func takeSteps(_ meter: StreamMeter) {
        self.front.leg.readAtMost(meter.step(up: true))
        self.back.leg.readAtMost(meter.step(up: false))
    }

    /// Starts both directions, once.
    package func begin() {
        guard !self.hasBegun else { return }
        self.hasBegun = true
        for isFront in [true, false] { self.hold(isFront, self.throttle?.ask(isFront: isFront)) }
        self.back.leg.begin()
        self.front.leg.begin()
    }

    /// Puts a socket in the place of a stream: the machine that carried the front has left the carrier. `early` is what
    /// it had received for the back.
    package func replaceFront(by leg: any Leg, early: ByteBuffer) {
        self.front.leg.events = nil
        self.front.leg = leg
        self.needs = Self.needs(leg, self.back.leg)
        // The far leg was told what the stream needed.
        self.back.leg.events = self
        leg.events = self
        if let throttle { self.takeSteps(throttle.meter) }
        leg.setReading(self.mayRead(leg))  // the machine may have stopped it
        // What the machine delivered just before it left leaves with the burst.
        if early.readableBytes > 0 { leg.unread(early) } else { self.receivedBurst(by: leg) }
        if self.back.hasFinished { leg.finish() }  // the machine was told, and may have kept it for its peer
        if self.hasBegun { leg.begin() } else { self.begin() }
    }

    /// Ends the bridge from outside: idle time, shutdown.
    package func cancel(_ fault: StreamFault) {
        if self.fault == nil { self.fault = fault }
        self.front.leg.end(fault)
        self.back.leg.end(fault)
    }

    /// It leads to a connection that was made in advance, and carries nobody's stream yet.
    package var waitsForUse: Bool { self.back.leg.waitsForUse }

    /// How the stream is now.
    package struct State {
        package let age: TimeAmount
        package let bytesIn: Int
        package let bytesOut: Int
        package let waitsIn: String
        package let waitsOut: String
    }

    package var state: State {
        State(
            age: .now() - self.started, bytesIn: self.front.received, bytesOut: self.back.received,
            waitsIn: self.back.leg.obstacle ?? self.waitsForRate(isFront: true) ?? "writer",
            waitsOut: self.front.leg.obstacle ?? self.waitsForRate(isFront: false) ?? "writer")
    }

    private func waitsForRate(isFront: Bool) -> String? {
        self.throttle?.isHeld(isFront: isFront) == true ? "rate" : nil
    }

    /// Looked at now and then. A reader that takes what was sent long ago is not idle.
    package func isIdle(since moment: NIODeadline) -> Bool {
        let waiting = (front: self.front.leg.waiting, back: self.back.leg.waiting)
        let isHeld = self.throttle.map { $0.isHeld(isFront: true) || $0.isHeld(isFront: false) } ?? false
        if waiting != self.waiting || isHeld { self.activity = self.loop.now }
        self.waiting = waiting
        return self.activity < moment
    }
}

extension Bridge {
    package func received(_ bytes: ByteBuffer, by leg: any Leg) {
        let count = bytes.readableBytes
        self.throttle?.received(count, isFront: leg === self.front.leg)
        if leg === self.front.leg {
            self.front.received += count
            self.back.leg.write(bytes)
        } else {
            self.back.received += count
            self.front.leg.write(bytes)
        }
    }

    package func plainTarget(of leg: any Leg) -> SocketLeg? {
        guard leg.plainSocket != nil, cws_can_splice() != 0, self.maySplice(from: leg) else { return nil }
        return self.other(than: leg).plainSocket
    }

    /// Steps of a splice are large.
    private func maySplice(from leg: any Leg) -> Bool {
        guard let throttle else { return true }
        return throttle.meter.step(up: leg === self.front.leg) == nil
    }

    package func spliced(_ count: Int, by leg: any Leg) {
        let isFront = leg === self.front.leg
        if isFront { self.front.received += count } else { self.back.received += count }
        self.throttle?.received(count, isFront: isFront)
        self.receivedBurst(by: leg)
    }

    package func receivedBurst(by leg: any Leg) {
        self.activity = self.loop.now
        let other = self.other(than: leg)
        other.flush()
        if let throttle {
            let isFront = leg === self.front.leg
            self.hold(isFront, throttle.charge(isFront: isFront))
        }
        if !other.isWritable { leg.setReading(false) }
    }

    private func mayRead(_ leg: any Leg) -> Bool {
        let isHeld = self.throttle?.isHeld(isFront: leg === self.front.leg) ?? false
        return !isHeld && self.other(than: leg).isWritable
    }

    /// Does not read a side that has sent more than its rate, until it has not.
    private func hold(_ isFront: Bool, _ pause: TimeAmount?) {
        guard let throttle, let pause, self.ending != nil else { return }
        (isFront ? self.front.leg : self.back.leg).setReading(false)
        throttle.hold(isFront: isFront, for: pause) { self.letGo(isFront, throttle) }
    }

    private func letGo(_ isFront: Bool, _ throttle: Throttle) {
        let owed = throttle.letGo(isFront: isFront)
        let leg = isFront ? self.front.leg : self.back.leg
        leg.setReading(self.mayRead(leg))
        if owed > 0 { leg.consumed(owed) }
    }

    package func finished(by leg: any Leg) {
        let isFront = leg === self.front.leg
        // A front may have passed it on for its user already, before the carrier tells of it.
        guard !(isFront ? self.front.hasFinished : self.back.hasFinished) else { return }
        if isFront { self.front.hasFinished = true } else { self.back.hasFinished = true }
        self.other(than: leg).finish()
    }

    package func sent(_ count: Int, by leg: any Leg) {
        self.activity = self.loop.now
        let other = self.other(than: leg)
        let isFront = other === self.front.leg
        // A stream's peer goes by the credit that it is given.
        if !(self.throttle?.owe(count, isFront: isFront) ?? false) { other.consumed(count) }
    }

    package func writabilityChanged(of leg: any Leg) {
        let other = self.other(than: leg)
        other.setReading(self.mayRead(other))
    }

    package func ended(_ leg: any Leg, _ fault: StreamFault?) {
        let isFront = leg === self.front.leg
        if isFront { self.front.hasEnded = true } else { self.back.hasEnded = true }
        // Its user has all of it, and may ask for the next.
        if isFront { self.throttle?.meter.leave() }
        leg.events = nil
        if let fault, self.fault == nil { self.fault = fault }
        if self.front.hasEnded && self.back.hasEnded {
            self.report()
        } else {
            self.other(than: leg).end(fault)
        }
    }

    private func other(than leg: any Leg) -> any Leg { leg === self.front.leg ? self.back.leg : self.front.leg }

    private func report() {
        guard let ending else { return }
        self.ending = nil
        self.throttle?.stop()
        ending(
            self,
            BridgeReport(
                bytesIn: self.front.received,
                bytesOut: self.back.received,
                duration: self.loop.now - self.started,
                fault: self.fault
            )
        )
    }
}

/// How a bridge ended. One per bridge.
package struct BridgeReport: Hashable, Sendable {
    /// Bytes from the front to the destination.
    package var bytesIn: Int
    /// Bytes from the destination to the front.
    package var bytesOut: Int
    package var duration: TimeAmount
    /// Nil for an orderly end.
    package var fault: StreamFault?
}
