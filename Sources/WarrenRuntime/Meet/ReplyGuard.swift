// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore
import WarrenLoop

/// Keeps the first bytes of a partner from a carrier that has only just been answered.
///
/// Deployed connecters take the reply with one read, and lose what stands behind it. So a partner is not read before the
/// reply has reached the other end and was there for a moment, or the front has spoken, which it does behind the reply, or
/// some time is over. The other direction does not wait.
final class ReplyGuard: LegEvents {
    /// Enough for a reader that waits to be woken, and how often it is looked whether the reply is there.
    static let moment = TimeAmount.milliseconds(5)
    static let longest = TimeAmount.milliseconds(20)

    private let front: any Leg
    private let back: any Leg
    private let relay: Bridge
    private let loop: SocketLoop
    /// What the partner has sent.
    private var early: ByteBuffer
    private var hasFinished = false
    private let until: NIODeadline
    private var timer: LoopTimer?
    private var isOver = false

    private init(_ front: any Leg, _ back: any Leg, _ early: ByteBuffer, _ relay: Bridge, on loop: SocketLoop) {
        self.front = front
        self.back = back
        self.early = early
        self.relay = relay
        self.loop = loop
        self.until = loop.now + Self.longest
    }

    /// Begins the relay between the two, with these bytes of the partner as the first.
    static func begin(
        _ relay: Bridge, from front: any Leg, to back: any Leg, early: ByteBuffer, on loop: SocketLoop
    ) {
        let one = ReplyGuard(front, back, early, relay, on: loop)
        front.events = one
        back.events = one
        back.setReading(false)
        relay.begin()
        one.wait()
    }

    private func wait() {
        guard !self.isOver else { return }
        self.timer = self.loop.timer(at: min(self.loop.now + Self.moment, self.until)) { self.look() }
    }

    private func look() {
        self.timer = nil
        let isThere = self.front.plainSocket.map { !$0.hasUnsent && $0.socket.unsent == 0 } ?? true
        if isThere || self.loop.now >= self.until { self.release() } else { self.wait() }
    }

    private func release() {
        guard !self.isOver else { return }
        self.isOver = true
        self.timer?.cancel()
        self.timer = nil
        // One of them may be gone.
        if self.front.events != nil { self.front.events = self.relay }
        if self.back.events != nil { self.back.events = self.relay }
        if self.early.readableBytes > 0 { self.relay.received(self.early, by: self.back) }
        self.relay.receivedBurst(by: self.back)
        if self.hasFinished {
            self.relay.finished(by: self.back)
        } else if self.front.isWritable {
            self.back.setReading(true)
        }
    }
}

extension ReplyGuard {
    var needs: LegNeeds { self.relay.needs }

    func received(_ bytes: ByteBuffer, by leg: any Leg) {
        guard leg === self.front || self.isOver else {
            self.early.writeImmutableBuffer(bytes)
            return
        }
        self.release()
        self.relay.received(bytes, by: leg)
    }

    func receivedBurst(by leg: any Leg) { if self.isOver || leg === self.front { self.relay.receivedBurst(by: leg) } }

    func finished(by leg: any Leg) {
        if leg === self.back, !self.isOver { self.hasFinished = true } else { self.relay.finished(by: leg) }
    }

    func sent(_ count: Int, by leg: any Leg) { self.relay.sent(count, by: leg) }

    func writabilityChanged(of leg: any Leg) {
        if self.isOver || leg === self.back { self.relay.writabilityChanged(of: leg) }
    }

    func failed(by error: any Error) { self.relay.failed(by: error) }

    func ended(_ leg: any Leg, _ fault: StreamFault?) {
        leg.events = nil
        self.release()
        self.relay.ended(leg, fault)
    }
}

@available(*, unavailable)
extension ReplyGuard: Sendable {}
