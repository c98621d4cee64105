// SPDX-License-Identifier: Apache-2.0

package import NIOCore

/// One direction of a bad link, without sockets: says of each datagram whether and when it arrives.
///
/// ```
/// arrives ─ too long? ─ dark? ─ lost? ─ queue full? ─> sent at the rate ─> damaged? twice? early? ─ delay ± jitter ─> leaves
/// ```
///
/// Every datagram draws the same number of words, whatever becomes of it: the fate of the nth one depends on the seed, the
/// direction and n, and on times and lengths only where rate, blackout and MTU are asked for.
package struct ImpairedLink: Sendable {
    package let impairment: Impairment
    /// The first datagram of either direction; schedules begin there.
    package var start: NIODeadline?
    package var counters = LinkCounters()
    private var random: LabRandom
    private var bottleneck: Bottleneck?
    private var isInBurst = false
    private let entersBurst: Chance
    private let leavesBurst: Chance

    private struct Draw {
        let loss, duplicate, corrupt, bit, reorder, jitter, jitterOfCopy: UInt64

        init(_ random: inout LabRandom) {
            self.loss = random.next()
            self.duplicate = random.next()
            self.corrupt = random.next()
            self.bit = random.next()
            self.reorder = random.next()
            self.jitter = random.next()
            self.jitterOfCopy = random.next()
        }
    }

    package init(_ impairment: Impairment, seed: UInt64, direction: LabDirection) {
        self.impairment = impairment
        self.random = LabRandom(seed: seed, stream: direction.rawValue)
        self.bottleneck = impairment.bottleneck
        // Gilbert's model: good and bad times, and in bad ones all is lost.
        let leaving = 1 / Double(max(1, impairment.lossBurst ?? 1))
        let loss = impairment.loss.fraction
        self.leavesBurst = Chance(loss < 1 ? leaving : 0)
        self.entersBurst = Chance(loss < 1 ? leaving * loss / (1 - loss) : 1)
    }

    package mutating func arrives(length: Int, now: NIODeadline) -> Fate {
        let fate = self.decide(length, now, Draw(&self.random))
        self.counters.seen &+= 1
        switch fate {
        case .lost(let loss): self.counters.count(loss)
        case .leaves(let departure, let copy):
            self.counters.passed &+= 1
            if copy != nil { self.counters.duplicated &+= 1 }
            if departure.damagedBit != nil { self.counters.corrupted &+= 1 }
        }
        return fate
    }

    private mutating func decide(_ length: Int, _ now: NIODeadline, _ draw: Draw) -> Fate {
        let isLost = self.loses(draw.loss)
        if let mtu = self.impairment.mtu, length > mtu { return .lost(.tooLong) }
        let start = self.start ?? now
        self.start = start
        if self.impairment.blackout?.isDark(at: now - start) == true { return .lost(.blackout) }
        if isLost { return .lost(.chance) }
        guard let sent = self.bottleneck == nil ? now : self.bottleneck?.takes(length, at: now) else {
            return .lost(.queueFull)
        }
        let isEarly = self.impairment.reorder.happens(draw.reorder)
        if isEarly { self.counters.reordered &+= 1 }
        var departure = Departure(time: isEarly ? sent : self.time(sent, draw.jitter))
        if length > 0, self.impairment.corrupt.happens(draw.corrupt) {
            departure.damagedBit = Int(draw.bit % UInt64(8 * length))
        }
        let isDouble = self.impairment.duplicate.happens(draw.duplicate)
        return .leaves(departure, copy: isDouble ? Departure(time: self.time(sent, draw.jitterOfCopy)) : nil)
    }

    private mutating func loses(_ word: UInt64) -> Bool {
        guard self.impairment.lossBurst != nil else { return self.impairment.loss.happens(word) }
        if (self.isInBurst ? self.leavesBurst : self.entersBurst).happens(word) { self.isInBurst.toggle() }
        return self.isInBurst
    }

    private func time(_ sent: NIODeadline, _ word: UInt64) -> NIODeadline {
        sent + self.impairment.delay.varied(by: self.impairment.jitter, word)
    }
}

extension TimeAmount {
    /// As much more or less as a random word says; between nothing and ``Impairment/longestDelay``.
    func varied(by jitter: TimeAmount, _ word: UInt64) -> TimeAmount {
        let most = Impairment.longestDelay
        let width = UInt64(clamping: min(jitter, most).nanoseconds)
        let more = Int64(word % (2 * width + 1)) - Int64(width)
        return min(max(.zero, min(self, most) + .nanoseconds(more)), most)
    }
}
