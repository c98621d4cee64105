// SPDX-License-Identifier: Apache-2.0

package import NIOCore

/// One direction of a bad connection, without sockets: says of its bytes when they arrive, and where they end.
///
/// Faults have their places in the stream: the same seed has them at the same bytes, however the bytes are cut.
package struct ImpairedStream: Sendable {
    private enum Fault { case stall, reset, cut }

    package let impairment: StreamImpairment
    package private(set) var stalls: UInt64 = 0
    /// Nothing passes any more.
    package private(set) var isOver = false
    private var faults: LabRandom
    private var jitters: LabRandom
    private var bottleneck: Bottleneck?
    /// Bytes of the present block that have come.
    private var offset = 0
    /// What happens in the present block, before which of its bytes.
    private var fault: (what: Fault, offset: Int)?
    /// When the last byte arrives.
    private var last = NIODeadline.uptimeNanoseconds(0)

    /// - Parameter connection: its number.
    package init(_ impairment: StreamImpairment, seed: UInt64, connection: UInt64, direction: LabDirection) {
        self.impairment = impairment
        let stream = connection &* 4 &+ direction.rawValue &* 2
        self.faults = LabRandom(seed: seed, stream: stream)
        self.jitters = LabRandom(seed: seed, stream: stream &+ 1)
        self.bottleneck = impairment.rate.map { Bottleneck(rate: $0, queue: .max) }
        self.fault = self.draw()
    }

    private mutating func draw() -> (what: Fault, offset: Int)? {
        let (stall, reset, half) = (self.faults.next(), self.faults.next(), self.faults.next())
        let offset = Int(self.faults.next() % UInt64(StreamImpairment.block))
        if self.impairment.reset.happens(reset) { return (.reset, offset) }
        if self.impairment.half.happens(half) { return (.cut, offset) }
        return self.impairment.stall.happens(stall) ? (.stall, offset) : nil
    }

    /// - Returns: steps for all of the bytes, or for those before the end.
    package mutating func arrives(length: Int, now: NIODeadline) -> [StreamStep] {
        var (left, steps) = (length, [StreamStep]())
        let delay = self.impairment.delay.varied(by: self.impairment.jitter, self.jitters.next())
        while left > 0, !self.isOver {
            if let fault, fault.offset == self.offset {
                self.fault = nil
                if let step = self.happened(fault.what, now + delay) { steps.append(step) }
                continue
            }
            let end = self.fault?.offset ?? StreamImpairment.block
            let count = min(left, end - self.offset, self.piece)
            self.last = max(self.last, (self.bottleneck?.takes(count, at: now) ?? now) + delay)
            steps.append(.pass(count, at: self.last))
            left -= count
            self.advance(count)
        }
        return steps
    }

    /// What leaves at once: at a rate, not more than in some hundredths of a second.
    private var piece: Int { self.impairment.rate.map { max(512, $0 / 50) } ?? StreamImpairment.block }

    private mutating func happened(_ fault: Fault, _ time: NIODeadline) -> StreamStep? {
        self.last = max(self.last, time)
        switch fault {
        case .stall:
            self.stalls &+= 1
            self.last = self.last + self.impairment.stallTime
            return nil
        case .reset:
            self.isOver = true
            return .reset(at: self.last)
        case .cut:
            self.isOver = true
            return .cut(at: self.last)
        }
    }

    private mutating func advance(_ count: Int) {
        self.offset += count
        guard self.offset >= StreamImpairment.block else { return }
        self.offset = 0
        self.fault = self.draw()
    }

    /// When the sender's own end arrives.
    package mutating func ends(now: NIODeadline) -> NIODeadline {
        self.last = max(self.last, now + self.impairment.delay)
        return self.last
    }
}
