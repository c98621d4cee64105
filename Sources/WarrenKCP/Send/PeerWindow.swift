// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Up to where the peer has room, and the questions about it. Times are nanoseconds.
///
/// The edge `una + wnd` of an honest peer never moves back, so that datagrams that overtook each other do no harm. A
/// peer that makes its window smaller is believed once it has got on.
struct PeerWindow {
    private(set) var edge: UInt32
    private var awaited: UInt32
    private let firstWait: Int64
    private let longestWait: Int64
    private var wait: Int64
    /// When the peer is asked; nil while it has room.
    private(set) var askAt: Int64?

    init(first: UInt32, _ configuration: KCP.Configuration) {
        self.awaited = first
        self.edge = first &+ UInt32(clamping: min(max(configuration.firstPeerWindow, 1), 65535))
        self.firstWait = max(configuration.firstProbe.nanoseconds, 1_000_000)
        self.longestWait = max(configuration.longestProbe.nanoseconds, self.firstWait)
        self.wait = self.firstWait
    }

    mutating func told(_ window: UInt16, awaited: UInt32) {
        let edge = awaited &+ UInt32(window)
        if self.awaited.precedes(awaited) {
            self.awaited = awaited
            self.edge = edge
        } else if self.edge.precedes(edge) {
            self.edge = edge
        }
    }

    /// Whether the peer is to be asked now.
    ///
    /// - Parameter isShut: there is something to send or to be passed on, and nothing under way whose answer would
    ///   tell.
    mutating func asks(isShut: Bool, now: Int64) -> Bool {
        guard isShut else {
            self.askAt = nil
            self.wait = self.firstWait
            return false
        }
        guard let askAt = self.askAt else {
            self.askAt = now + self.wait
            return false
        }
        guard askAt <= now else { return false }
        self.wait = min(self.wait + self.wait / 2, self.longestWait)
        self.askAt = now + self.wait
        return true
    }
}
