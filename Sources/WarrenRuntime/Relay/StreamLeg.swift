// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import WarrenCore

/// A stream of a session as a leg. Pressure, half-close and reset go to the session's machine, which knows what its
/// protocol can carry.
package final class StreamLeg: Leg {
    /// What came while nobody read.
    private struct Held {
        var bytes = ByteBuffer()
        var hasFinished = false
        var hasEnded = false
    }

    package var events: (any LegEvents)? {
        didSet { self.pauses = self.events?.needs.contains(.pauses) ?? false }
    }
    private weak var session: (any SessionDriver)?
    private let id: StreamID
    private let loop: SocketLoop
    private var pauses = false
    private var isReading = true
    private var held: Held?
    private var isPaused = false
    /// Has been given bytes in the session's current turn.
    var isDirty = false
    /// Put back by somebody who read too far.
    private var early: ByteBuffer?
    /// Bytes handed to the session while it was paused: they count as sent when it goes on.
    private var parked = 0

    package init(_ id: StreamID, of session: any SessionDriver, on loop: SocketLoop) {
        self.id = id
        self.session = session
        self.loop = loop
    }

    package var isWritable: Bool { !self.isPaused && (self.session?.hasRoom(on: self.id) ?? true) }

    package func begin() {
        if let early {
            self.early = nil
            self.events?.received(early, by: self)
            self.events?.receivedBurst(by: self)
        }
        self.release()
    }

    package func unread(_ bytes: ByteBuffer) { if bytes.readableBytes > 0 { self.early = bytes } }

    package func write(_ bytes: ByteBuffer) {
        let count = bytes.readableBytes
        self.session?.send(bytes, on: self.id)
        guard let events, events.needs.contains(.counts) else { return }
        if self.isWritable { events.sent(count, by: self) } else { self.parked += count }
    }

    package func flush() { self.session?.wake() }

    /// The machine is told by ``consumed(_:)`` how much its reader takes, so what is held here stays within what the peer
    /// may send.
    package func setReading(_ reading: Bool) {
        self.isReading = reading
        if reading, self.held != nil { self.loop.defer { self.release() } }
    }

    package func finish() { self.session?.finish(self.id) }

    package func end(_ fault: StreamFault?) { self.session?.reset(self.id, fault) }

    /// The stream is over: its id may soon be another one's, which must not get what is counted for this one.
    func forget() { self.session = nil }

    package func consumed(_ count: Int) { self.session?.consumed(count, on: self.id) }

    /// The session's queue for this stream is full.
    package func pause() {
        self.isPaused = true
        self.events?.writabilityChanged(of: self)
    }

    /// The session's queue has room again; said even where the pause was not, because ``isWritable`` told of it before.
    package func resume() {
        self.isPaused = false
        if self.parked > 0 {
            let count = self.parked
            self.parked = 0
            self.events?.sent(count, by: self)
        }
        self.events?.writabilityChanged(of: self)
    }
}

@available(*, unavailable)
extension StreamLeg: Sendable {}

// MARK: - What the session tells

extension StreamLeg {
    private var isHeld: Bool { self.held != nil || self.early != nil || self.pauses && !self.isReading }

    func received(_ bytes: ByteBuffer) {
        guard self.isHeld else { return self.events?.received(bytes, by: self) ?? () }
        self.held = self.held ?? Held()
        self.held?.bytes.writeImmutableBuffer(bytes)
    }

    func finished() {
        guard self.isHeld else { return self.events?.finished(by: self) ?? () }
        self.held = self.held ?? Held()
        self.held?.hasFinished = true
    }

    /// An orderly end stays behind what is held; a fault does not wait for its reader.
    func ended(_ fault: StreamFault?) {
        guard fault == nil, self.isHeld else {
            self.held = nil
            return self.events?.ended(self, fault) ?? ()
        }
        self.held = self.held ?? Held()
        self.held?.hasEnded = true
    }

    private func release() {
        guard self.isReading || !self.pauses, let held else { return }
        self.held = nil
        if held.bytes.readableBytes > 0 {
            self.events?.received(held.bytes, by: self)
            self.events?.receivedBurst(by: self)
        }
        guard held.hasFinished || held.hasEnded else { return }
        if held.hasFinished { self.finished() }
        if held.hasEnded { self.ended(nil) }
    }
}

/// What a stream's leg needs of its session, whatever machine that runs.
package protocol SessionDriver: AnyObject {
    func send(_ bytes: ByteBuffer, on stream: StreamID)
    func hasRoom(on stream: StreamID) -> Bool
    func finish(_ stream: StreamID)
    /// Ends the stream; its leg hears ``LegEvents/ended(_:_:)`` at once.
    func reset(_ stream: StreamID, _ fault: StreamFault?)
    func consumed(_ count: Int, on stream: StreamID)
    /// Lets the machine speak, once, when the current burst of events is over.
    func wake()
}
