// SPDX-License-Identifier: Apache-2.0

public import NIOCore

/// What one session may cost before and after its login.
public struct SessionLimits: Hashable, Sendable {
    /// How long a session without windows waits for its readers, as a rule, before one of them pays.
    public static let stall = TimeAmount.seconds(3)

    /// From the first byte of the carrier to the end of the login.
    public var handshake: TimeAmount
    /// Live streams, opened by either side.
    public var streams: Int
    /// Without windows: bytes of all streams that their readers have not taken, before the session waits for them.
    public var budget: Int
    /// Bytes of one stream that its reader has not taken: what its window begins with is four times as much. Without
    /// windows, before a session waits for its only stream.
    public var unreadPerStream: Int
    /// With windows: what those of a session may grow by in all; they begin with twice as much. Past that a stream may only
    /// hold ``unreadWhenCrowded``.
    public var unreadPerSession: Int
    public var unreadWhenCrowded: Int
    /// Bytes of one stream queued toward the peer before its source is paused.
    public var queuedPerStream: Int

    public init(handshake: TimeAmount = .seconds(10), streams: Int = 1024) {
        self.handshake = handshake
        self.streams = streams
        self.budget = 64 << 20
        self.unreadPerStream = 256 << 10
        self.unreadPerSession = 32 << 20
        self.unreadWhenCrowded = 64 << 10
        self.queuedPerStream = 128 << 10
    }
}
