// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import WarrenCore
package import WarrenLoop

/// One end of a stream between two loops: what is written to one end, the other one tells.
///
/// ```
/// loop A                                          loop B
/// relay ── CrossingLeg ──bytes, finish, end──> CrossingLeg ── relay
///                      <──────credit────────
/// ```
///
/// At most a window of bytes is on its way, or waits at the far loop, in each direction.
package final class CrossingLeg: InnerLeg {
    /// Bytes that may be under way in one direction. A write finds room again when it is half of that.
    private let window: Int
    /// The end on the other loop; nil when this one is over. Touched there only.
    private var far: FarEnd?
    /// What has been written and not yet sent.
    private var pending = ByteBuffer()
    private var underWay = 0
    private var isFull = false
    private var hasFinished = false
    /// What our reader has taken and the far end was not told.
    private var taken = 0
    private var isTellingCredit = false
    private var source: SocketAddress?
    /// The far end is a connection that was accepted, and has not said what it is for.
    private var isInAdvance = false

    /// Names the end that lives on another loop.
    private struct FarEnd: @unchecked Sendable {
        // Sendable: the leg is touched on its own loop only, to which every message goes.
        let leg: CrossingLeg

        func tell(_ message: @escaping @Sendable (FarEnd) -> Void) { self.leg.loop.execute { message(self) } }
    }

    /// Two ends that lead to each other.
    ///
    /// - Returns: the one for `loop`, and the other one, to be used on `other` only.
    static func pair(
        _ loop: SocketLoop, _ other: SocketLoop, window: Int = 256 << 10
    ) -> (CrossingLeg, CrossingLeg) {
        let (one, two) = (CrossingLeg(on: loop, window), CrossingLeg(on: other, window))
        one.far = FarEnd(leg: two)
        two.far = FarEnd(leg: one)
        return (one, two)
    }

    /// Two ends on one loop: what a stream of a session becomes that is to be accepted like a connection.
    ///
    /// - Parameters:
    ///   - peer: whose connection the second one is.
    ///   - isInAdvance: it may have been made before anybody needs it.
    package static func pair(
        _ loop: SocketLoop, from peer: SocketAddress?, isInAdvance: Bool = false
    ) -> (CrossingLeg, accepted: CrossingLeg) {
        let (end, accepted) = Self.pair(loop, loop)
        end.isInAdvance = isInAdvance
        accepted.source = peer
        return (end, accepted)
    }

    package override var peer: SocketAddress? { self.source }

    private init(on loop: SocketLoop, _ window: Int) {
        self.window = window
        super.init(on: loop, waits: true)
    }

    package override var isWritable: Bool { !self.isFull }
    package override var waitsForUse: Bool { self.isInAdvance }
    package override func comesIntoUse() { self.far?.tell { $0.leg.isInAdvance = false } }
    package override var waiting: Int { self.underWay }

    package override func write(_ bytes: ByteBuffer) {
        guard self.far != nil, !self.hasFinished else { return }
        self.pending.writeImmutableBuffer(bytes)
        self.underWay += bytes.readableBytes
        if self.underWay >= self.window { self.isFull = true }
    }

    package override func flush() {
        guard let far, self.pending.readableBytes > 0 else { return }
        let bytes = self.pending
        self.pending = ByteBuffer()
        far.tell { $0.leg.arrived(bytes) }
    }

    package override func finish() {
        guard !self.hasFinished else { return }
        self.flush()
        self.hasFinished = true
        self.far?.tell { $0.leg.farFinished() }
    }

    package override func end(_ fault: StreamFault?) {
        guard let far else { return }
        self.flush()
        self.far = nil
        far.tell { $0.leg.farEnded(fault) }
        self.ended(fault)
    }

    package override func consumed(_ count: Int) {
        self.taken += count
        guard !self.isTellingCredit, self.far != nil else { return }
        self.isTellingCredit = true
        self.loop.defer { self.tellCredit() }
    }

    private func tellCredit() {
        self.isTellingCredit = false
        let count = self.taken
        self.taken = 0
        self.far?.tell { $0.leg.credited(count) }
    }

    // MARK: What the far end tells

    private func arrived(_ bytes: ByteBuffer) {
        guard self.far != nil else { return }
        self.received(bytes)
        self.events?.receivedBurst(by: self)
    }

    private func credited(_ count: Int) {
        guard self.far != nil else { return }
        self.underWay -= count
        self.events?.sent(count, by: self)
        guard self.isFull, self.underWay <= self.window / 2 else { return }
        self.isFull = false
        self.events?.writabilityChanged(of: self)
    }

    private func farFinished() { if self.far != nil { self.finished() } }

    private func farEnded(_ fault: StreamFault?) {
        guard self.far != nil else { return }
        self.far = nil
        self.ended(fault)
    }
}
