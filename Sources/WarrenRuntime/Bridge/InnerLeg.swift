// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import WarrenCore
import WarrenLoop

/// A leg under which there is no connection: what comes is told by somebody in the process, and held while its reader has
/// not begun, or has stopped and needs that (``LegNeeds/pauses``).
package class InnerLeg: Leg {
    private struct Held {
        var bytes = ByteBuffer()
        var hasFinished = false
        var hasEnded = false
        var fault: StreamFault?
    }

    package final var events: (any LegEvents)? {
        didSet { self.pauses = self.events?.needs.contains(.pauses) ?? false }
    }
    final let loop: SocketLoop
    private final var pauses = false
    private final var isReading = true
    private final var held: Held?
    /// Put back by somebody who read too far.
    private final var early: ByteBuffer?
    /// Has been told: whoever takes the leg over is told again.
    private final var inputEnded = false
    /// What comes before its reader has begun is held.
    private final var waits: Bool

    init(on loop: SocketLoop, waits: Bool = false) {
        self.loop = loop
        self.waits = waits
    }

    package var peer: SocketAddress? { nil }
    package final var isOneOfMany: Bool { true }
    package var isWritable: Bool { true }
    package var obstacle: String? { self.isWritable ? nil : "window" }
    package func write(_ bytes: ByteBuffer) {}
    package func flush() {}
    package func consumed(_ count: Int) {}
    package var waitsForUse: Bool { false }
    package func comesIntoUse() {}
    package func finish() {}
    package func end(_ fault: StreamFault?) {}
    package var waiting: Int { 0 }

    package final func begin() {
        self.waits = false
        if let early {
            self.early = nil
            self.events?.received(early, by: self)
            self.events?.receivedBurst(by: self)
        }
        let inputEnded = self.inputEnded
        self.release()
        if inputEnded { self.events?.finished(by: self) }
    }

    package final func unread(_ bytes: ByteBuffer) { if bytes.readableBytes > 0 { self.early = bytes } }

    /// Whoever tells us is told by ``consumed(_:)`` how much our reader takes, so what is held stays within bounds.
    package final func setReading(_ reading: Bool) {
        self.isReading = reading
        if reading, self.held != nil { self.loop.defer { self.release() } }
    }
}

@available(*, unavailable)
extension InnerLeg: Sendable {}

// MARK: - What comes

extension InnerLeg {
    private var isHeld: Bool {
        self.waits || self.held != nil || self.early != nil || self.pauses && !self.isReading
    }

    final func received(_ bytes: ByteBuffer) {
        guard self.isHeld else { return self.events?.received(bytes, by: self) ?? () }
        self.held = self.held ?? Held()
        self.held?.bytes.writeImmutableBuffer(bytes)
    }

    final func finished() {
        guard !self.isHeld else {
            self.held = self.held ?? Held()
            self.held?.hasFinished = true
            return
        }
        self.inputEnded = true
        self.events?.finished(by: self)
    }

    /// An orderly end stays behind what is held; a fault does not wait for a reader that has begun.
    final func ended(_ fault: StreamFault?) {
        guard self.isHeld, fault == nil || self.waits else {
            self.held = nil
            return self.events?.ended(self, fault) ?? ()
        }
        self.held = self.held ?? Held()
        self.held?.hasEnded = true
        self.held?.fault = fault
    }

    private func release() {
        guard !self.waits, self.isReading || !self.pauses, let held else { return }
        self.held = nil
        if held.bytes.readableBytes > 0 {
            self.events?.received(held.bytes, by: self)
            self.events?.receivedBurst(by: self)
        }
        guard held.hasFinished || held.hasEnded else { return }
        if held.hasFinished { self.finished() }
        if held.hasEnded { self.ended(held.fault) }
    }
}
