// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import WarrenCore
package import WarrenLoop

/// A stream of a session as a leg. Pressure, half-close and reset go to the session's machine, which knows what its
/// protocol can carry.
package final class StreamLeg: InnerLeg {
    private weak var session: (any SessionDriver)?
    private let id: StreamID
    private var isPaused = false
    /// Has been given bytes in the session's current turn.
    var isDirty = false
    /// Bytes handed to the session while it was paused: they count as sent when it goes on.
    private var parked = 0

    package init(_ id: StreamID, of session: any SessionDriver, on loop: SocketLoop) {
        self.id = id
        self.session = session
        super.init(on: loop)
    }

    package override var isWritable: Bool { !self.isPaused && (self.session?.hasRoom(on: self.id) ?? true) }

    package override var obstacle: String? {
        self.isWritable ? nil : self.session?.isCarrierFull == true ? "carrier" : "window"
    }

    package override func write(_ bytes: ByteBuffer) {
        let count = bytes.readableBytes
        self.session?.send(bytes, on: self.id)
        guard let events, events.needs.contains(.counts) else { return }
        if self.isWritable { events.sent(count, by: self) } else { self.parked += count }
    }

    package override func flush() { self.session?.wake() }

    package override func finish() { self.session?.finish(self.id) }

    package override func end(_ fault: StreamFault?) { self.session?.reset(self.id, fault) }

    /// The stream is over: its id may soon be another one's, which must not get what is counted for this one.
    func forget() { self.session = nil }

    package override func consumed(_ count: Int) { self.session?.consumed(count, on: self.id) }

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

/// What a stream's leg needs of its session, whatever machine that runs.
package protocol SessionDriver: AnyObject {
    func send(_ bytes: ByteBuffer, on stream: StreamID)
    func hasRoom(on stream: StreamID) -> Bool
    func finish(_ stream: StreamID)
    /// Ends the stream; its leg hears ``LegEvents/ended(_:_:)`` at once.
    func reset(_ stream: StreamID, _ fault: StreamFault?)
    func consumed(_ count: Int, on stream: StreamID)
    /// The connection under all streams takes nothing at the moment.
    var isCarrierFull: Bool { get }
    /// Lets the machine speak, once, when the current burst of events is over.
    func wake()
}

extension SessionDriver {
    package var isCarrierFull: Bool { false }
}
