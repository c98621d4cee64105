// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore
import WarrenKCP
import WarrenLoop

/// A UDP port as one loop sees it: each peer that begins a conversation there becomes a leg.
final class KCPPort: UDPPort {
    /// Peers of one loop; each costs its own memory only while its conversation lasts.
    private static let mostPeers = 1 << 16
    /// Those of them that may have come with a forged address.
    private static let mostUnproven = 1024

    private let loop: SocketLoop
    private let plan: () -> Listener.Plan
    private let limiter: ConnectionLimiter
    private let share = WindowShare()
    private let socket: DatagramSocket
    private var listener: DatagramListener?
    /// In the order in which they came; those who have proven themselves, or are gone, leave it when they come to its front.
    private var unproven: CircularBuffer<KCPLeg> = []

    init(
        _ socket: DatagramSocket, on loop: SocketLoop, limiter: ConnectionLimiter, plan: @escaping () -> Listener.Plan
    ) {
        self.loop = loop
        self.plan = plan
        self.limiter = limiter
        self.socket = socket
    }

    func start() {
        self.listener = DatagramListener(self.socket, mostPeers: Self.mostPeers) { [weak self] in self?.arrived($0) }
    }

    func stop(whenEmpty: @escaping () -> Void) {
        guard let listener else { return whenEmpty() }
        listener.stop(whenEmpty: whenEmpty)
        self.unproven = []
    }

    func resume() { self.listener?.resume { [weak self] in self?.arrived($0) } }

    /// The plan is asked for whenever somebody comes.
    func exchanged() {}

    func close() { self.socket.close() }

    func fits(_ plan: Listener.Plan) -> Bool { plan.key == nil }

    func leave() -> DatagramSocket {
        let watchers = self.listener?.watchers ?? []
        self.listener?.leave()
        for case let leg as KCPLeg in watchers { leg.close(.aborted) }
        self.unproven = []
        return self.socket
    }

    private func arrived(_ datagram: Datagram) -> (any DatagramPeerWatcher)? {
        let plan = self.plan()
        guard let configuration = plan.kcp else { return nil }
        switch KCP.FirstWord(datagram.bytes, conversation: configuration.conversation) {
        case .beginning:
            self.makeRoom()
            let peer = datagram.path.peer.unmapped
            let leg = self.limiter.admit(from: peer, to: plan, on: self.loop) { onClose in
                KCPLeg(configuration, with: peer, on: self.loop, sharing: self.share, onClose: onClose)
            }
            if let leg { self.unproven.append(leg) }
            return leg
        case .middle(let answer):
            self.socket.send(answer, to: datagram.path)
            return nil
        case .other:
            return nil
        }
    }

    /// Whoever forges addresses drives out others who have not proven themselves, and nobody else.
    private func makeRoom() {
        while let first = self.unproven.first, first.isProven || first.isGone { _ = self.unproven.popFirst() }
        guard self.unproven.count >= Self.mostUnproven, let oldest = self.unproven.popFirst() else { return }
        oldest.close(.limit)
    }
}

@available(*, unavailable)
extension KCPPort: Sendable {}

extension DatagramOptions {
    static var kcp: DatagramOptions {
        var options = DatagramOptions()
        // No peer says how long its datagrams may be, and KCP cannot cut a segment again.
        options.mayFragment = true
        return options
    }
}
