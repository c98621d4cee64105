// SPDX-License-Identifier: Apache-2.0

public import NIOCore
import WarrenCore

extension KCP.Machine {
    /// Takes a datagram from the peer.
    ///
    /// Several segments may be in it; fewer than 24 bytes at its end have no meaning. From the first segment on that
    /// makes no sense it is dropped.
    public mutating func input(_ datagram: ByteBuffer, now: NIODeadline) {
        guard self.failure == nil, datagram.readableBytes > 0 else { return }
        self.turn(now)
        self.counters.datagramsIn += 1
        var rest = datagram
        var intake = Intake(awaited: self.window.oldest)
        do throws(WireError) {
            while true {
                if rest.skipForeignRecord() {
                    intake.segments += 1
                    continue
                }
                guard let segment = try rest.readKCPSegment(conversation: self.configuration.conversation) else {
                    break
                }
                try self.take(segment, &intake)
            }
        } catch {
            intake.isBad = true
        }
        if intake.isBad || intake.segments == 0 { self.counters.badDatagrams += 1 }
        if intake.segments > 0 { self.conclude(intake) }
    }

    /// What has been read of one datagram.
    private struct Intake {
        var segments = 0
        var isBad = false
        /// The largest number that the peer awaits.
        var awaited: UInt32
        var report = AckReport()

        init(awaited: UInt32) { self.awaited = awaited }
    }

    private mutating func take(_ segment: KCP.Segment, _ intake: inout Intake) throws(WireError) {
        let header = segment.header
        guard !self.window.next.precedes(header.awaited) else {
            throw WireError(.badValue, in: "segment.una", found: "\(header.awaited)")
        }
        intake.segments += 1
        self.peer.told(header.window, awaited: header.awaited)
        if intake.awaited.precedes(header.awaited) { intake.awaited = header.awaited }
        switch header.command {
        case .push: self.push(segment)
        case .ack: self.acknowledge(header, &intake.report)
        case .ask: self.mustTell = true
        case .tell: break
        }
    }

    private mutating func push(_ segment: KCP.Segment) {
        let header = segment.header
        let arrival = self.received.insert(segment.data, number: header.number, fragment: header.fragment)
        switch arrival {
        case .inOrder, .outOfOrder: break
        case .duplicate: self.counters.duplicates += 1
        case .beyond:
            self.counters.beyondWindow += 1
            return
        }
        self.acknowledgements.append(
            header.number, stamp: header.stamp, isInOrder: arrival == .inOrder, bytes: segment.data.readableBytes,
            now: self.time)
        if self.received.isStuck { self.fail(.messageTooLong) }
    }

    /// One segment has arrived, says the peer. Its stamp tells which copy of it.
    private mutating func acknowledge(_ header: KCP.Header, _ report: inout AckReport) {
        let number = header.number
        guard self.window.holds(number) else { return }
        let (first, last) = (self.window[number].firstStamp, self.window[number].stamp)
        if header.stamp == last {
            report.roundTrip = self.time - self.window[number].sentAt
            self.losses.newest = max(self.losses.newest, self.window[number].order)
            if header.awaited.precedes(self.window[number].awaited) { self.peerHasForgotten = true }
        } else if self.window[number].copies > 0, last.precedes(header.stamp), !self.stamp.precedes(header.stamp) {
            self.losses.newest = max(self.losses.newest, self.window[number].order)
            report.copies += 1
        } else if !header.stamp.precedes(first), !self.stamp.precedes(header.stamp) {
            report.roundTrip = Int64(self.stamp &- header.stamp) * 1_000_000
            self.counters.needlessRepeats += 1
            report.spared += self.window[number].size
            self.wasNeedless()
        }
        if self.window[number].line == FlightLines.lost {
            report.spared += self.window[number].size
            self.wasNeedless()
        }
        self.settle(number, &report)
    }

    private mutating func settle(_ number: UInt32, _ report: inout AckReport) {
        report.acknowledged += self.window[number].size
        report.segments += 1
        self.congestion.acknowledged(self.window[number], now: self.time)
        self.window.acknowledge(number)
    }

    private mutating func wasNeedless() {
        self.losses.patience.wasNeedless(roundTrip: self.roundTripEstimate.smoothed ?? 0, now: self.time)
    }

    /// Moves on to what the peer awaits, and looks for what it should have by now.
    private mutating func conclude(_ intake: Intake) {
        var report = intake.report
        while self.window.oldest != intake.awaited, self.window.count > 0 {
            let number = self.window.oldest
            if self.window.holds(number) {
                if self.window[number].sends == 1 {
                    self.losses.newest = max(self.losses.newest, self.window[number].order)
                }
                self.settle(number, &report)
            }
            self.window.advance()
            report.hasAdvanced = true
        }
        if report.hasAdvanced { self.losses.advancedAt = self.time }
        guard report.acknowledged > 0 else { return }
        self.losses.progressAt = self.time
        self.losses.silence.broken()
        if let sample = report.roundTrip {
            self.roundTripEstimate.measured(sample)
            self.losses.patience.relax(roundTrip: sample, now: self.time)
        }
        self.pathLoss.saw(lost: report.copies, arrived: report.segments - report.copies, now: self.time)
        let inFlight = self.window.count
        report.lost = self.giveUpSkipped()
        self.congestion.concluded(report, inFlight: inFlight, underWay: self.window.underWay, now: self.time)
        self.forgetCopies()
    }
}
