// SPDX-License-Identifier: Apache-2.0

import WarrenCore
import WarrenLoop

/// A connection between two loops: off the one, not yet on the other.
struct DetachedConnection: Sendable {
    fileprivate let descriptor: CInt
    fileprivate let peer: PeerAddress
    fileprivate let options: SocketOptions
    fileprivate let onClose: (@Sendable () -> Void)?

    /// Makes it a leg of `loop`, on that loop.
    ///
    /// - Returns: nil if the loop cannot watch it; the connection is closed then.
    func attach(to loop: SocketLoop) -> SocketLeg? {
        guard let socket = Socket(self.descriptor, on: loop) else {
            self.onClose?()
            return nil
        }
        return SocketLeg(socket, peer: self.peer, options: self.options, onClose: self.onClose)
    }
}

extension SocketLeg {
    /// True if nothing of the connection is in the process: no unsent bytes, no end that was seen.
    var canMove: Bool { self.ending == .open && !self.hasUnsent && !self.inputEnded && !self.socket.hasFailed }

    /// Takes the connection off its loop. Nobody hears of this leg any more.
    func detach() -> DetachedConnection {
        let onClose = self.onClose
        self.onClose = nil
        self.events = nil
        self.ending = .gone
        self.timer?.cancel()
        self.lossWatch?.stop()
        self.lossWatch = nil
        return DetachedConnection(
            descriptor: self.socket.release(), peer: self.peerAddress, options: self.options, onClose: onClose
        )
    }
}
