// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

@testable import WarrenRuntime

/// Sends back what it gets, no faster than it is taken.
final class Echo: LegEvents {
    var needs: LegNeeds { [] }
    func received(_ bytes: ByteBuffer, by leg: any Leg) { leg.write(bytes) }
    func receivedBurst(by leg: any Leg) {
        leg.flush()
        if !leg.isWritable { leg.setReading(false) }
    }
    func finished(by leg: any Leg) { leg.finish() }
    func sent(_ count: Int, by leg: any Leg) {}
    func writabilityChanged(of leg: any Leg) { leg.setReading(leg.isWritable) }
    func ended(_ leg: any Leg, _ fault: StreamFault?) { leg.events = nil }
}

/// Sends its pieces as far as there is room, finishes, and keeps what comes back.
final class Talker: LegEvents {
    let done: EventLoopPromise<(ByteBuffer, StreamFault?)>
    private var pieces: [ByteBuffer]
    private var got = ByteBuffer()

    private let finishes: Bool

    /// - Parameter finishes: whether it ends its direction behind its last piece, or when the other one ends.
    init(_ pieces: [ByteBuffer], _ done: EventLoopPromise<(ByteBuffer, StreamFault?)>, finishes: Bool = true) {
        self.pieces = pieces.reversed()
        self.finishes = finishes
        self.done = done
    }

    var needs: LegNeeds { .counts }
    func talk(_ leg: any Leg) {
        while leg.isWritable, let piece = self.pieces.popLast() {
            leg.write(piece)
            leg.flush()
        }
        if self.pieces.isEmpty && self.finishes { leg.finish() }
    }
    func received(_ bytes: ByteBuffer, by leg: any Leg) { self.got.writeImmutableBuffer(bytes) }
    func receivedBurst(by leg: any Leg) {}
    func finished(by leg: any Leg) { if !self.finishes { leg.end(nil) } }
    func sent(_ count: Int, by leg: any Leg) {}
    func writabilityChanged(of leg: any Leg) { self.talk(leg) }
    func ended(_ leg: any Leg, _ fault: StreamFault?) {
        leg.events = nil
        self.done.succeed((self.got, fault))
    }
}
