// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenLoop
import WarrenTesting

@testable import WarrenRuntime

/// A bridge between any two legs that hear and say anything, in any order.
@Suite("Relays: any legs, any events") struct RelayModelTests {
    @Test func whatGoesInComesOut() {
        for run in 0..<ModelRuns.count {
            let model = RelayModel(seed: UInt64(run))
            model.run()
            #expect(model.complaints.isEmpty, "seed \(run): \(model.complaints)")
            if !model.complaints.isEmpty { return }
        }
    }
}

/// A leg as a bridge may find it: it ends at once or later, is full and has room again, and says bursts of pieces.
private final class ModelLeg: Leg {
    var events: (any LegEvents)?
    var isWritable: Bool {
        if self.held.readableBytes >= self.mark { self.wasFull = true }
        return !self.wasFull
    }
    var waiting: Int { self.held.readableBytes }
    /// Written and not yet taken by the far end.
    private(set) var held = ByteBuffer()
    private(set) var unflushed = 0
    /// Taken by the far end.
    private(set) var out = ByteBuffer()
    private(set) var isReading = true
    private(set) var hasBegun = false
    private(set) var beginnings = 0
    /// Asked to send no more.
    private(set) var finishes = 0
    private(set) var end: StreamFault??
    private(set) var isGone = false
    private(set) var complaints: [String] = []
    var hasSaidEnd = false
    private var wasFull = false
    private var early: ByteBuffer?
    private let mark: Int
    private let endsAtOnce: Bool

    init(mark: Int, endsAtOnce: Bool) {
        self.mark = mark
        self.endsAtOnce = endsAtOnce
    }

    func begin() {
        self.beginnings += 1
        self.hasBegun = true
        guard let early else { return }
        self.early = nil
        self.events?.received(early, by: self)
        self.events?.receivedBurst(by: self)
    }

    func unread(_ bytes: ByteBuffer) { self.early = bytes }

    func write(_ bytes: ByteBuffer) {
        if self.finishes > 0 || self.end != nil { self.complaints.append("a write behind the end") }
        self.held.writeImmutableBuffer(bytes)
        self.unflushed += bytes.readableBytes
    }

    func flush() { self.unflushed = 0 }

    func setReading(_ reading: Bool) { self.isReading = reading }

    func finish() {
        self.unflushed = 0
        self.finishes += 1
    }

    func end(_ fault: StreamFault?) {
        guard !self.isGone, self.end == nil || fault != nil else { return }
        self.end = .some(fault)
        if self.endsAtOnce { self.go(fault) }
    }

    /// The far end takes some of what waits.
    func take(_ count: Int) {
        guard let piece = self.held.readSlice(length: min(count, self.held.readableBytes)) else { return }
        self.out.writeImmutableBuffer(piece)
        if self.events?.needs.contains(.counts) == true { self.events?.sent(piece.readableBytes, by: self) }
        guard self.wasFull, self.held.readableBytes <= self.mark / 2 else { return }
        self.wasFull = false
        self.events?.writabilityChanged(of: self)
    }

    func go(_ fault: StreamFault?) {
        guard !self.isGone else { return }
        self.isGone = true
        if fault == nil { self.out.writeBuffer(&self.held) }
        self.events?.ended(self, fault)
    }
}

private final class RelayModel {
    private var random: SeededRandom
    private let loop = SocketLoop.manual()
    private var front: ModelLeg
    private let back: ModelLeg
    private var oldFront: ModelLeg?
    private var bridge: Bridge?
    private var reports: [BridgeReport] = []
    private(set) var complaints: [String] = []
    /// What each far end has said, and how much.
    private var said = (front: ByteBuffer(), back: ByteBuffer())
    private var wasBroken = false
    private var number: UInt8 = 0

    init(seed: UInt64) {
        var random = SeededRandom(seed)
        self.front = ModelLeg(mark: Int.random(in: 1...50, using: &random), endsAtOnce: Bool.random(using: &random))
        self.back = ModelLeg(mark: Int.random(in: 1...50, using: &random), endsAtOnce: Bool.random(using: &random))
        self.random = random
    }

    func run() {
        let bridge = Bridge(front: self.front, back: self.back, on: self.loop) { [unowned self] in
            self.reports.append($0)
        }
        self.bridge = bridge
        if self.chance(4) {
            let early = self.bytes(5)
            self.said.back.writeImmutableBuffer(early)
            self.back.unread(early)
        }
        bridge.begin()
        for _ in 0..<Int.random(in: 1...60, using: &self.random) where self.complaints.isEmpty {
            self.step(bridge)
            self.look()
        }
        self.finishAll(bridge)
        self.check()
    }

    private func chance(_ outOf: Int) -> Bool { Int.random(in: 0..<outOf, using: &self.random) == 0 }

    private func bytes(_ most: Int) -> ByteBuffer {
        let count = Int.random(in: 1...most, using: &self.random)
        return ByteBuffer(
            bytes: (0..<count).map { _ in
                self.number &+= 1
                return self.number
            }
        )
    }

    private func step(_ bridge: Bridge) {
        let leg = Bool.random(using: &self.random) ? self.front : self.back
        switch Int.random(in: 0..<24, using: &self.random) {
        case 0..<10: self.speak(leg)
        case 10..<17: leg.take(Int.random(in: 1...40, using: &self.random))
        case 17, 18:
            guard !leg.isGone, leg.hasBegun, !leg.hasSaidEnd, leg.end == nil else { return }
            leg.hasSaidEnd = true
            leg.events?.finished(by: leg)
            // Some legs say it more than once.
            if self.chance(2) { leg.events?.finished(by: leg) }
        case 19:
            guard self.chance(3) else { return }
            self.wasBroken = self.wasBroken || !leg.isGone
            leg.go(.aborted)
        case 20:
            guard self.chance(4) else { return }
            self.wasBroken = self.wasBroken || self.reports.isEmpty
            bridge.cancel(.idle)
        case 21: self.replaceFront(bridge)
        case 22: _ = bridge.isIdle(since: self.loop.now)
        default: self.endWhatMayEnd(leg)
        }
    }

    private func speak(_ leg: ModelLeg) {
        guard !leg.isGone, leg.hasBegun, leg.isReading, !leg.hasSaidEnd, leg.end == nil else { return }
        for _ in 0..<Int.random(in: 1...3, using: &self.random) {
            let piece = self.bytes(30)
            if leg === self.front {
                self.said.front.writeImmutableBuffer(piece)
            } else {
                self.said.back.writeImmutableBuffer(piece)
            }
            leg.events?.received(piece, by: leg)
        }
        leg.events?.receivedBurst(by: leg)
    }

    /// The machine on the front leaves its carrier.
    private func replaceFront(_ bridge: Bridge) {
        guard self.oldFront == nil, !self.front.isGone, !self.front.hasSaidEnd, !self.back.isGone,
            self.front.end == nil,
            self.front.held.readableBytes == 0, self.front.out.readableBytes == 0, self.front.finishes == 0
        else { return }
        let new = ModelLeg(
            mark: Int.random(in: 1...50, using: &self.random), endsAtOnce: Bool.random(using: &self.random))
        self.oldFront = self.front
        self.front = new
        let early = self.chance(2) ? self.bytes(20) : ByteBuffer()
        self.said.front.writeImmutableBuffer(early)
        bridge.replaceFront(by: new, early: early)
    }

    /// A leg that was asked to end, or whose both directions are over, does so when its queue has left.
    private func endWhatMayEnd(_ leg: ModelLeg) {
        if case .some(let fault) = leg.end {
            leg.go(fault)
        } else if leg.hasSaidEnd, leg.finishes > 0, leg.held.readableBytes == 0 {
            leg.go(nil)
        }
    }

    // MARK: What must hold

    private func look() {
        self.complaints += self.front.complaints + self.back.complaints
        if self.front.unflushed + self.back.unflushed > 0 { self.complaints.append("a burst that was not flushed") }
        for (leg, other) in [(self.front, self.back), (self.back, self.front)] where !leg.isGone && !other.isGone {
            if !leg.isReading, other.isWritable, leg.hasBegun {
                self.complaints.append("stopped though the other has room")
            }
            if leg.hasSaidEnd && other.finishes != 1 {
                self.complaints.append("an end passed on \(other.finishes) times")
            }
            if !leg.hasSaidEnd && other.finishes > 0 { self.complaints.append("an end that nobody said") }
        }
        if !self.back.out.readableBytesView.elementsEqual(
            self.said.front.readableBytesView.prefix(self.back.out.readableBytes))
        {
            self.complaints.append("other bytes")
        }
        if !self.front.out.readableBytesView.elementsEqual(
            self.said.back.readableBytesView.prefix(self.front.out.readableBytes))
        {
            self.complaints.append("other bytes back")
        }
    }

    private func finishAll(_ bridge: Bridge) {
        for _ in 0..<200 where self.complaints.isEmpty && self.reports.isEmpty {
            for leg in [self.front, self.back] {
                leg.take(40)
                if !leg.isGone, !leg.hasSaidEnd, leg.end == nil {
                    leg.hasSaidEnd = true
                    leg.events?.finished(by: leg)
                }
                self.endWhatMayEnd(leg)
            }
            self.look()
        }
    }

    private func check() {
        guard self.complaints.isEmpty else { return }
        guard self.reports.count == 1, let report = self.reports.first else {
            return self.complaints.append("\(self.reports.count) reports")
        }
        if !self.front.isGone || !self.back.isGone { self.complaints.append("a leg is left") }
        if self.front.events != nil || self.back.events != nil {
            self.complaints.append("a leg still has somebody to tell")
        }
        if (report.fault != nil) != self.wasBroken {
            self.complaints.append("fault \(String(describing: report.fault))")
        }
        if report.bytesIn != self.said.front.readableBytes || report.bytesOut != self.said.back.readableBytes {
            self.complaints.append("counted \(report.bytesIn), \(report.bytesOut)")
        }
        guard !self.wasBroken else { return }
        if self.back.out != self.said.front || self.front.out != self.said.back {
            self.complaints.append("bytes were lost")
        }
    }
}
