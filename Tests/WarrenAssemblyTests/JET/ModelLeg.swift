// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore
import WarrenLoop
import WarrenTesting

@testable import WarrenRuntime

/// A connection whose far end is a model test: it knows what it has sent, and keeps what it was given.
final class ModelLeg: Leg {
    var events: (any LegEvents)?
    let peer: SocketAddress?
    var isWritable: Bool { true }
    let number: Int
    private let loop: SocketLoop
    private var early = ByteBuffer()
    private var pending = ByteBuffer()
    private var hasBegun = false
    private var isReading = true
    private var inputEnds = false
    private var inputEnded = false
    private var outputEnded = false
    private var isLingering = false
    private var content: SeededRandom

    /// The far end's view.
    private(set) var given = ByteBuffer()
    private(set) var sent = ByteBuffer()
    private(set) var ends: [StreamFault?] = []
    private(set) var sawEnd = false
    /// Nothing more is said by the far end.
    var isSilent: Bool { self.inputEnds || !self.ends.isEmpty }
    var isOver: Bool { !self.ends.isEmpty }

    init(_ number: Int, on loop: SocketLoop, peer: SocketAddress?) {
        self.number = number
        self.loop = loop
        self.peer = peer
        self.content = SeededRandom(UInt64(number) &* 7919 &+ 17)
    }

    // MARK: The far end

    /// Sends what belongs to the exchange before the content.
    func send(_ bytes: ByteBuffer) {
        guard !self.isSilent else { return }
        self.pending.writeImmutableBuffer(bytes)
        self.pump()
    }

    func sendContent(_ count: Int) {
        guard !self.isSilent else { return }
        let bytes = self.content.bytes(count)
        self.sent.writeImmutableBuffer(bytes)
        self.send(bytes)
    }

    func sendEnd() {
        self.inputEnds = true
        self.pump()
    }

    func reset() { self.isGone(.aborted) }

    private func pump() { self.loop.defer { self.deliver() } }

    private func deliver() {
        guard self.hasBegun, !self.isOver else { return }
        if self.isReading || self.isLingering, self.pending.readableBytes > 0 {
            let bytes = self.pending
            self.pending = ByteBuffer()
            self.received(bytes)
        }
        guard self.inputEnds, !self.inputEnded, self.pending.readableBytes == 0, !self.isOver else { return }
        self.inputEnded = true
        if !self.isLingering { self.events?.finished(by: self) }
        if self.outputEnded { self.isGone(nil) }
    }

    private func received(_ bytes: ByteBuffer) {
        guard !self.isLingering else { return }
        self.events?.received(bytes, by: self)
        self.events?.receivedBurst(by: self)
    }

    private func isGone(_ fault: StreamFault?) {
        guard !self.isOver else { return }
        self.ends.append(fault)
        self.events?.ended(self, fault)
    }

    // MARK: The near end

    func begin() {
        self.hasBegun = true
        if self.early.readableBytes > 0 {
            let bytes = self.early
            self.early = ByteBuffer()
            self.received(bytes)
        }
        if self.isOver { self.events?.ended(self, self.ends[0]) } else { self.pump() }
    }

    func unread(_ bytes: ByteBuffer) { self.early = bytes }
    func write(_ bytes: ByteBuffer) { if !self.isOver && !self.outputEnded { self.given.writeImmutableBuffer(bytes) } }
    func flush() {}

    func setReading(_ reading: Bool) {
        self.isReading = reading
        if reading { self.pump() }
    }

    func finish() {
        self.outputEnded = true
        self.sawEnd = true
        if self.inputEnded { self.isGone(nil) }
    }

    func end(_ fault: StreamFault?) {
        guard !self.isOver else { return }
        if let fault { return self.isGone(fault) }
        self.finish()
        guard !self.isOver else { return }
        self.isLingering = true
        self.pump()
        _ = self.loop.timer(in: .seconds(2)) { self.isGone(nil) }
    }
}

@available(*, unavailable)
extension ModelLeg: Sendable {}
