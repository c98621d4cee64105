// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Copies that leave unasked; see ``Copies``. A peer cannot tell them from repeats.
extension KCP.Machine {
    var copyIsDue: Bool { self.nextCopy.map { $0 <= self.time } ?? false }

    /// When a datagram with copies is due, if anything still wants one.
    var nextCopy: Int64? {
        self.copies.first.map { $0.leftAt + Copies.wait(roundTrip: self.roundTripEstimate.smoothed) }
    }

    /// A segment has just left.
    mutating func planCopies(of number: UInt32) {
        let sends = self.window[number].sends
        let limits = self.copyLimits
        let isSmall = self.window[number].size <= limits.small && self.window.underWay <= Copies.sparse
        let isRest = sends > 1 && self.queue.isEmpty && self.window.underWay <= limits.rest
        guard isSmall || isRest || sends >= Copies.stubborn, sends <= limits.silent || self.isHeard else { return }
        let left =
            isSmall
            ? self.pathLoss.copies(roundTrip: self.roundTripEstimate.smoothed, now: self.time)
            : sends >= Copies.stubborn ? self.pathLoss.copiesOfRepeats : 1
        guard left > 0 else { return }
        self.copies.append(Copies.Entry(number: number, sends: sends, left: left, leftAt: self.time))
    }

    /// Acknowledgements come: what was lost was not lost with everything else, and copies of it are no further burden on a
    /// path that carries nothing.
    private var isHeard: Bool { self.time - self.losses.progressAt < self.roundTripEstimate.smoothed ?? 0 }

    /// Fills what is left of a datagram.
    mutating func writeCopies(_ out: inout ByteBuffer, end: Int) {
        self.forgetCopies()
        while let entry = self.copies.first, entry.leftAt <= self.time - Copies.apart {
            guard self.window[entry.number].size <= end - out.writerIndex else { return }
            self.copies.drop()
            self.writeCopy(of: entry.number, &out)
            if entry.left > 1 {
                self.copies.append(
                    Copies.Entry(number: entry.number, sends: entry.sends, left: entry.left - 1, leftAt: self.time))
            }
            self.forgetCopies()
        }
    }

    /// Those at the front that have arrived, or are to be repeated, want none.
    mutating func forgetCopies() {
        while let entry = self.copies.first, !self.wantsCopy(entry) { self.copies.drop() }
    }

    private func wantsCopy(_ entry: Copies.Entry) -> Bool {
        self.window.holds(entry.number) && self.window[entry.number].sends == entry.sends
            && self.window[entry.number].line != FlightLines.lost
    }

    private mutating func writeCopy(of number: UInt32, _ out: inout ByteBuffer) {
        guard let data = self.window[number].data else { return }
        let size = self.window[number].size
        self.window.copied(number)
        self.congestion.copied(size, now: self.time)
        self.counters.pushes += 1
        self.counters.repeatedBytes += UInt64(size)
        let fragment = self.window[number].fragment
        out.writeKCPHeader(
            self.header(.push, stamp: self.stamp, number: number, fragment: fragment), count: data.readableBytes)
        out.writeImmutableBuffer(data)
    }
}
