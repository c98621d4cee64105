// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenTesting

/// One way between two ends, or what several ways have in common: it delays, drops, doubles, spoils and overtakes by a
/// seed. Times are nanoseconds.
final class Link {
    var delay: Int64
    var jitter: Int64 = 0
    /// Parts of one.
    var loss = 0.0
    var duplication = 0.0
    var corruption = 0.0
    /// Bytes per second, and bytes that may wait for it; with 28 more for each datagram, as on the wire.
    var rate: Double?
    var queue = 0
    private(set) var passed = 0
    private(set) var dropped = 0
    private var busyUntil: Int64 = 0
    private var random: SeededRandom

    init(delay: Int64, seed: UInt64) {
        self.delay = delay
        self.random = SeededRandom(seed)
    }

    /// - Parameter arrive: is told of each copy and when it arrives.
    func pass(_ datagram: ByteBuffer, now: Int64, arrive: (ByteBuffer, Int64) -> Void) {
        var leaves = now
        if let rate = self.rate {
            let waiting = Double(max(self.busyUntil - now, 0)) * rate / 1e9
            guard waiting <= Double(self.queue) else {
                self.dropped += 1
                return
            }
            leaves = max(self.busyUntil, now) + Int64(Double(datagram.readableBytes + 28) * 1e9 / rate)
            self.busyUntil = leaves
        }
        if self.happens(self.loss) {
            self.dropped += 1
            return
        }
        self.passed += 1
        var datagram = datagram
        if self.happens(self.corruption) { datagram = self.spoil(datagram) }
        arrive(datagram, self.arrival(leaves))
        if self.happens(self.duplication) { arrive(datagram, self.arrival(leaves)) }
    }

    private func arrival(_ leaves: Int64) -> Int64 {
        leaves + self.delay + (self.jitter > 0 ? Int64.random(in: 0...self.jitter, using: &self.random) : 0)
    }

    private func happens(_ part: Double) -> Bool {
        part > 0 && Double.random(in: 0..<1, using: &self.random) < part
    }

    /// Breaks the first header where that can be seen, or cuts the datagram: KCP has no checksum for anything else.
    private func spoil(_ datagram: ByteBuffer) -> ByteBuffer {
        var spoiled = datagram
        switch Int.random(in: 0..<4, using: &self.random) {
        case 0: spoiled.setInteger(UInt32.random(in: 1...9, using: &self.random), at: spoiled.readerIndex)
        case 1: spoiled.setInteger(UInt8.random(in: 0...80, using: &self.random), at: spoiled.readerIndex + 4)
        case 2: spoiled.setInteger(UInt8(0x7F), at: spoiled.readerIndex + 23)
        default:
            let left = Int.random(in: 0..<max(spoiled.readableBytes, 1), using: &self.random)
            spoiled = spoiled.getSlice(at: spoiled.readerIndex, length: left) ?? ByteBuffer()
        }
        return spoiled
    }
}
