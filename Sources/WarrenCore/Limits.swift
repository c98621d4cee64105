// SPDX-License-Identifier: Apache-2.0

public import NIOCore

/// What one session may cost before and after its login.
public struct SessionLimits: Hashable, Sendable {
    /// From the first byte of the carrier to the end of the login.
    public var handshake: TimeAmount
    /// Live streams, opened by either side.
    public var streams: Int
    /// Bytes of one stream that its reader has not taken, before the session waits for it.
    public var unreadPerStream: Int
    /// The same over all streams of a session; past it a stream may only hold ``unreadWhenCrowded``.
    public var unreadPerSession: Int
    public var unreadWhenCrowded: Int
    /// Bytes of one stream queued toward the peer before its source is paused.
    public var queuedPerStream: Int

    public init(handshake: TimeAmount = .seconds(10), streams: Int = 1024) {
        self.handshake = handshake
        self.streams = streams
        self.unreadPerStream = 256 << 10
        self.unreadPerSession = 32 << 20
        self.unreadWhenCrowded = 64 << 10
        self.queuedPerStream = 128 << 10
    }
}
