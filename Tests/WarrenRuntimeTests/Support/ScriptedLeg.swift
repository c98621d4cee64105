// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

@testable import WarrenRuntime

/// A leg without a socket: writes down what it is told, and tells what the test makes it tell.
final class ScriptedLeg: Leg {
    enum Call: Hashable {
        case begin
        case unread(String)
        case write(String)
        case flush
        case reading(Bool)
        case finish
        case end(StreamFault?)
        case acknowledge
    }

    var events: (any LegEvents)?
    var isWritable = true
    /// Answers ``end(_:)`` at once, as a socket does when nothing is queued.
    var endsAtOnce = true
    var peer: SocketAddress?
    private(set) var isReading = true
    private(set) var calls: [Call] = []
    private var early: ByteBuffer?

    init(peer: SocketAddress? = nil) { self.peer = peer }

    func begin() {
        self.calls.append(.begin)
        guard let early else { return }
        self.early = nil
        self.events?.received(early, by: self)
        self.events?.receivedBurst(by: self)
    }
    func unread(_ bytes: ByteBuffer) {
        self.early = bytes
        self.calls.append(.unread(String(buffer: bytes)))
    }
    func write(_ bytes: ByteBuffer) { self.calls.append(.write(String(buffer: bytes))) }
    func flush() { self.calls.append(.flush) }
    func setReading(_ reading: Bool) {
        self.isReading = reading
        self.calls.append(.reading(reading))
    }
    func acknowledge() { self.calls.append(.acknowledge) }
    func finish() { self.calls.append(.finish) }
    func end(_ fault: StreamFault?) {
        self.calls.append(.end(fault))
        if self.endsAtOnce { self.events?.ended(self, fault) }
    }

    /// The calls since the last time.
    func take() -> [Call] {
        defer { self.calls = [] }
        return self.calls
    }

    func receive(_ text: String) {
        self.events?.received(ByteBuffer(string: text), by: self)
        self.events?.receivedBurst(by: self)
    }

    func receiveEnd() { self.events?.finished(by: self) }

    func isGone(_ fault: StreamFault?) { self.events?.ended(self, fault) }

    func becomesWritable(_ writable: Bool) {
        self.isWritable = writable
        self.events?.writabilityChanged(of: self)
    }
}

/// What a leg said, for tests of a leg alone.
final class LegProbe: LegEvents {
    private(set) var bytes = ByteBuffer()
    private(set) var hasFinished = false
    private(set) var ends: [StreamFault?] = []
    private(set) var sent = 0
    let needs: LegNeeds
    /// Every piece as it came: whatever storage it has is kept alive.
    private(set) var pieces: [ByteBuffer] = []
    let ended: EventLoopPromise<StreamFault?>
    let finished: EventLoopPromise<Void>
    /// Called after each burst; the partner's pressure, if there is any.
    var onBurst: () -> Void = {}
    var onWritability: (any Leg) -> Void = { _ in }

    init(_ loop: any EventLoop, needs: LegNeeds = []) {
        self.needs = needs
        self.ended = loop.makePromise()
        self.finished = loop.makePromise()
    }

    func received(_ bytes: ByteBuffer, by leg: any Leg) {
        self.bytes.writeImmutableBuffer(bytes)
        self.pieces.append(bytes)
    }
    func receivedBurst(by leg: any Leg) { self.onBurst() }
    func finished(by leg: any Leg) {
        self.hasFinished = true
        self.finished.succeed()
    }
    func sent(_ count: Int, by leg: any Leg) { self.sent += count }
    func writabilityChanged(of leg: any Leg) { self.onWritability(leg) }
    func ended(_ leg: any Leg, _ fault: StreamFault?) {
        self.ends.append(fault)
        self.finished.succeed()
        self.ended.succeed(fault)
    }
}
