// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore
import WarrenLoop

@testable import WarrenRuntime

/// One of two legs that are joined in memory: what one is given the other one receives, a turn of their loop later.
final class MemoryLeg: Leg {
    var events: (any LegEvents)?
    var peer: SocketAddress?
    var isWritable: Bool { true }
    private let loop: SocketLoop
    private weak var other: MemoryLeg?
    private var written = ByteBuffer()
    private var arrived = ByteBuffer()
    private var isReading = true
    private var hasBegun = false
    private var outputEnded = false
    private var inputEnds = false
    private var inputEnded = false
    private var isGone = false
    /// Its end has been asked for: what still comes is dropped, until the other end has ended too.
    private var isLingering = false
    /// Bytes that one event carries.
    private let step: Int
    /// Called before each event that may be due, so that a test can do something right then.
    var onDelivery: () -> Void = {}

    private init(_ loop: SocketLoop, step: Int) {
        self.loop = loop
        self.step = step
    }

    static func pair(on loop: SocketLoop, step: Int = .max) -> (MemoryLeg, MemoryLeg) {
        let (one, two) = (MemoryLeg(loop, step: step), MemoryLeg(loop, step: step))
        (one.other, two.other) = (two, one)
        return (one, two)
    }

    func unread(_ bytes: ByteBuffer) {
        var bytes = bytes
        bytes.writeImmutableBuffer(self.arrived)
        self.arrived = bytes
    }

    func begin() {
        self.hasBegun = true
        self.pump()
    }

    func write(_ bytes: ByteBuffer) { self.written.writeImmutableBuffer(bytes) }

    func flush() {
        let count = self.written.readableBytes
        guard count > 0 else { return }
        self.other?.arrived.writeBuffer(&self.written)
        self.other?.pump()
        self.events?.sent(count, by: self)
    }

    func setReading(_ reading: Bool) {
        self.isReading = reading
        if reading { self.pump() }
    }

    func finish() {
        self.flush()
        self.outputEnded = true
        self.other?.inputEnds = true
        self.other?.pump()
        self.endIfBoth()
    }

    func end(_ fault: StreamFault?) {
        guard let fault else {
            self.isLingering = true
            (self.hasBegun, self.isReading) = (true, true)
            self.pump()
            return self.finish()
        }
        self.other?.isOver(fault)
        self.isOver(fault)
    }

    private func pump() { self.loop.defer { self.deliver() } }

    private func deliver() {
        self.onDelivery()
        guard self.isReading, self.hasBegun, !self.isGone else { return }
        let count = min(self.step, self.arrived.readableBytes)
        if count > 0, let bytes = self.arrived.readSlice(length: count) {
            if !self.isLingering {
                self.events?.received(bytes, by: self)
                self.events?.receivedBurst(by: self)
            }
            self.pump()
        } else if self.inputEnds, !self.inputEnded {
            self.inputEnded = true
            self.events?.finished(by: self)
            self.endIfBoth()
        }
    }

    private func endIfBoth() {
        if self.outputEnded && self.inputEnded { self.isOver(nil) }
    }

    private func isOver(_ fault: StreamFault?) {
        guard !self.isGone else { return }
        self.isGone = true
        self.events?.ended(self, fault)
    }
}

@available(*, unavailable)
extension MemoryLeg: Sendable {}
