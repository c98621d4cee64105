// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenLoop

/// One peer of the lab, with a port of its own toward the target: what a NAT keeps for it.
final class DatagramFlow {
    /// Whom nothing is heard of for so long is forgotten.
    private static let patience = TimeAmount.minutes(2)

    private weak var lab: DatagramLab?
    private let loop: SocketLoop
    private weak var peer: DatagramPeer?
    private var socket: DatagramSocket?
    /// The port before the last rebinding: open, so that the target is not told of its end, and deaf.
    private var former: DatagramSocket?
    private var lastHeard: NIODeadline
    /// The peer has sent something since the last rebinding: a port that nobody has seen needs no other.
    private var isSeen = false
    private var rebinding: LoopTimer?
    private var forgetting: LoopTimer?

    init(_ lab: DatagramLab, on loop: SocketLoop) throws {
        self.lab = lab
        self.loop = loop
        self.lastHeard = loop.now
        self.socket = try lab.dial()
        self.socket?.watcher = self
        self.planRebinding()
        self.planForgetting()
    }

    /// - Returns: false if it is dropped for want of room.
    func put(_ bytes: ByteBuffer, _ direction: LabDirection) -> Bool {
        switch direction {
        case .up: self.socket?.send(bytes) ?? false
        case .down: self.peer?.send(bytes) ?? false
        }
    }

    private func planRebinding() {
        guard let pause = self.lab?.plan.rebind else { return }
        self.rebinding = self.loop.timer(in: pause) { [weak self] in self?.rebind() }
    }

    private func rebind() {
        guard let lab, self.socket != nil else { return }
        if self.isSeen, let fresh = try? lab.dial() {
            self.former?.close()
            self.former = self.socket
            self.socket = fresh
            fresh.watcher = self
            self.isSeen = false
            lab.hasRebound(self.peer?.path.peer)
        }
        self.planRebinding()
    }

    private func planForgetting() {
        self.forgetting = self.loop.timer(at: self.lastHeard + Self.patience) { [weak self] in
            guard let self else { return }
            if self.loop.now - self.lastHeard < Self.patience { return self.planForgetting() }
            self.close()
        }
    }

    func close() {
        self.rebinding?.cancel()
        self.forgetting?.cancel()
        self.socket?.close()
        self.socket = nil
        self.former?.close()
        self.former = nil
        self.peer?.close()
        self.lab?.forget(self)
    }
}

extension DatagramFlow: DatagramPeerWatcher {
    func datagramPeer(_ peer: DatagramPeer, received datagram: Datagram) {
        self.peer = peer
        self.isSeen = true
        self.lastHeard = self.loop.now
        self.lab?.pass(datagram.bytes, .up, of: self)
    }

    func datagramPeerHasReceived(_ peer: DatagramPeer) {}
    func datagramPeerIsWritable(_ peer: DatagramPeer) {}
    func datagramPeer(_ peer: DatagramPeer, met fault: DatagramFault) {}
}

extension DatagramFlow: DatagramWatcher {
    func datagramSocket(_ socket: DatagramSocket, received datagram: Datagram) {
        guard socket === self.socket else {
            self.lab?.late &+= 1
            return
        }
        self.lastHeard = self.loop.now
        self.lab?.pass(datagram.bytes, .down, of: self)
    }

    func datagramSocketHasReceived(_ socket: DatagramSocket) {}
    func datagramSocketIsWritable(_ socket: DatagramSocket) {}
    func datagramSocket(_ socket: DatagramSocket, met fault: DatagramFault, with path: DatagramPath?) {
        if fault == .refused { self.lab?.refused &+= 1 }
    }
}

@available(*, unavailable)
extension DatagramFlow: Sendable {}
