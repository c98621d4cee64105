// SPDX-License-Identifier: Apache-2.0

public import NIOCore

/// What an owner may ask.
extension KCP.Machine {
    /// Whether there is still room for data to wait; ``send(_:)`` takes it all the same.
    public var isWritable: Bool { self.failure == nil && self.queue.bytes < self.configuration.queued }

    /// Bytes that were given to ``send(_:)`` and have not left for the first time.
    public var unsent: Int { self.queue.bytes }

    /// Bytes that have left and are not acknowledged.
    public var inFlight: Int { self.window.bytes }

    /// Bytes that were given to ``send(_:)`` and that the peer has not acknowledged.
    public var backlog: Int { self.queue.bytes + self.window.bytes }

    /// Bytes from the beginning on that the peer has without a gap. Grows only.
    public var acknowledged: UInt64 { self.window.acknowledged }

    /// Whether the peer has all that was given to ``send(_:)``.
    public var isFinished: Bool { self.queue.isEmpty && self.window.count == 0 }

    /// Whether ``receive()`` has something.
    public var isReadable: Bool { self.received.isReadable }

    /// Bytes that have come in order and were not yet taken by ``receive()``.
    public var unread: Int { self.received.bytes }

    /// Segments that the peer has room for, and that we have room for.
    public var peerRoom: Int { max(Int(Int32(bitPattern: self.peer.edge &- self.window.next)), 0) }
    public var room: Int { self.received.room }

    /// Since when the peer's own count stands still though there is more that we sent. Nil if it has all.
    ///
    /// A peer that answers meanwhile (``KCP/Counters/datagramsIn`` grows) and never gets on does not know this
    /// conversation.
    public var stalledSince: NIODeadline? {
        self.window.count == 0 ? nil : Self.deadline(self.losses.advancedAt)
    }

    /// The smoothed round trip; nil before the first one.
    public var roundTrip: TimeAmount? { self.roundTripEstimate.smoothed.map { .nanoseconds($0) } }

    /// How long the first copy of a segment is waited for.
    public var timeout: TimeAmount { .nanoseconds(self.roundTripEstimate.timeout) }

    /// Bytes per second that the path is given; nil if nothing paces.
    public var pace: Double? { self.congestion.pace }

    /// When ``poll(now:)`` must be called though nothing has happened: exactly when there will be something to put out
    /// or to give up, in the past if there is already. Nil while nothing is under way or waits: an idle machine never
    /// ticks.
    public var deadline: NIODeadline? {
        guard self.failure == nil else { return nil }
        guard !self.mustAsk, !self.mustTell else { return Self.deadline(self.time) }
        var due = self.nextTimeout
        if let at = self.acknowledgements.due.map({ max($0, self.time) }) { due = min(due ?? at, at) }
        if let at = self.losses.skippedAt { due = min(due ?? at, at) }
        if let at = self.nextCopy { due = min(due ?? at, at) }
        if let at = self.peer.askAt { due = min(due ?? at, at) }
        if self.mayRepeat || self.maySendNew {
            let at = max(self.congestion.release ?? self.time, self.time)
            due = min(due ?? at, at)
        } else if self.isShut, self.peer.askAt == nil {
            due = self.time
        }
        return due.map(Self.deadline)
    }

    static func deadline(_ time: Int64) -> NIODeadline { .uptimeNanoseconds(UInt64(max(time, 0))) }

    /// There is something to say, and nobody whose answer would tell when it may be said.
    var isShut: Bool {
        self.window.isQuiet && !self.maySendNew && (!self.queue.isEmpty || self.window.count > 0)
    }
}
