// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// What is known of the order in which segments left and arrived. Times are nanoseconds.
struct Losses {
    /// Of all sends that are known to have arrived the newest one.
    var newest: UInt64 = 0
    /// When anything was last acknowledged, and when without a gap.
    var progressAt: Int64
    var advancedAt: Int64
    /// When a segment that was overtaken will have been waited for long enough.
    var skippedAt: Int64?
    var patience = ReorderPatience()
    var silence = Silence()

    init(now: Int64) {
        self.progressAt = now
        self.advancedAt = now
    }
}

/// Which segments are to be repeated.
///
/// A segment is given up once enough that left *after its last copy* have arrived: one that was repeated needs new
/// proof, so it is repeated at most once in a round trip. Time-outs are for silence: each acknowledgement starts them
/// anew.
extension KCP.Machine {
    /// Gives up what was overtaken.
    ///
    /// - Returns: bytes of it.
    mutating func giveUpSkipped() -> Int {
        self.losses.skippedAt = nil
        guard self.configuration.skipsUntilResend > 0 else { return 0 }
        // With nothing to follow there will be no further proof: one is enough.
        let skips = self.queue.isEmpty ? 1 : UInt64(self.configuration.skipsUntilResend)
        let roundTrip = self.roundTripEstimate.smoothed ?? 0
        let wait = self.losses.patience.wait(roundTrip: roundTrip)
        var bytes = 0
        var count = 0
        for line in self.window.linesFromLast {
            while let number = self.window.front(of: line), self.isSkipped(number, skips) {
                let due = self.window[number].sentAt + roundTrip + wait
                if wait > 0, due > self.time {
                    self.losses.skippedAt = min(self.losses.skippedAt ?? due, due)
                    break
                }
                bytes += self.window[number].size
                count += 1
                self.counters.fastRepeats += 1
                // Its peer is heard: there is nothing to wait longer for.
                if self.configuration.congestion != .paced { self.window[number].waits += 1 }
                self.window.lose(number)
            }
        }
        self.pathLoss.saw(lost: count, arrived: 0, now: self.time)
        return bytes
    }

    /// Whether so many that left later have arrived, or all if they are fewer.
    private func isSkipped(_ number: UInt32, _ skips: UInt64) -> Bool {
        let order = self.window[number].lastOrder
        return order < self.losses.newest && min(order + skips, self.window.order) <= self.losses.newest
    }

    /// Gives up what was waited for too long.
    mutating func giveUpSilent() {
        var count = 0
        for line in self.window.linesFromLast {
            while let number = self.window.front(of: line), self.timeout(of: number) <= self.time {
                if self.isDead(number) { return self.fail(.deadLink) }
                self.counters.timeouts += 1
                self.window[number].waits += 1
                self.window.lose(number)
                self.losses.silence.repeats(timeout: self.roundTripEstimate.timeout, now: self.time)
                count += 1
            }
        }
        guard count > 0 else { return }
        self.pathLoss.saw(lost: count, arrived: 0, now: self.time)
        self.congestion.timedOut()
    }

    /// The time-out that comes next.
    var nextTimeout: Int64? {
        var next: Int64?
        for line in self.window.linesFromLast {
            guard let number = self.window.front(of: line) else { continue }
            let due = self.timeout(of: number)
            next = min(next ?? due, due)
        }
        return next
    }

    private func timeout(of number: UInt32) -> Int64 {
        let wait = self.roundTripEstimate.patience(
            sends: self.window[number].waits, isQuick: self.configuration.isQuick)
        let since =
            self.configuration.skipsUntilResend > 0
            ? max(self.window[number].sentAt, self.losses.progressAt) : self.window[number].sentAt
        return max(since + wait, self.losses.silence.until)
    }

    private func isDead(_ number: UInt32) -> Bool {
        self.window[number].sends >= max(self.configuration.deadSends, 1)
            && self.time - self.losses.progressAt >= self.configuration.deadTime.nanoseconds
    }
}

extension SendWindow {
    /// The lines with somebody in them, those waited for most often first; without the lost.
    var linesFromLast: LineBits { LineBits(bits: self.occupied) }
}

/// The places of the bits that are set, from the highest one down.
struct LineBits: Sequence, IteratorProtocol {
    var bits: UInt32

    mutating func next() -> Int? {
        guard self.bits != 0 else { return nil }
        let line = 31 - self.bits.leadingZeroBitCount
        self.bits &= ~(1 << UInt32(line))
        return line
    }
}
