// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Synchronization
import WarrenCore

/// Counts accepted connections over all listeners and turns away those past the limit.
package final class Gate: Sendable {
    private let admitted = Atomic<Int>(0)
    private let lastNews = Atomic<UInt64>(0)
    private let limit: Int
    private let reporter: Reporter

    package init(limit: Int, reporter: Reporter) {
        self.limit = limit
        self.reporter = reporter
    }

    /// Connections that are open now.
    package var count: Int { self.admitted.load(ordering: .relaxed) }

    /// True at most once a minute, so that a flood does not become one of the log too.
    private func isNews() -> Bool {
        let now = NIODeadline.now().uptimeNanoseconds
        let last = self.lastNews.load(ordering: .relaxed)
        guard last == 0 || now > last + 60_000_000_000 else { return false }
        return self.lastNews.compareExchange(expected: last, desired: now, ordering: .relaxed).exchanged
    }

    /// Takes over an accepted descriptor.
    func admit(_ descriptor: CInt, from peer: PeerAddress, to plan: Listener.Plan, on loop: SocketLoop) {
        guard self.admitted.add(1, ordering: .relaxed).newValue <= self.limit else {
            self.leave()
            _ = systemClose(descriptor)
            let isNews = self.isNews()
            return self.reporter.turnedAway(
                inbound: plan.name, peer: peer.socketAddress, limit: self.limit, isNews: isNews)
        }
        guard let socket = Socket(descriptor, on: loop) else { return self.leave() }
        plan.sockets.applyToAccepted(socket)
        let leg = SocketLeg(socket, peer: peer, options: plan.sockets) { self.leave() }
        do {
            guard let tls = plan.tls else { return try plan.install(leg, loop) }
            try self.secure(leg, tls, plan, on: loop)
        } catch {
            leg.discard()
        }
    }

    private func leave() { self.admitted.subtract(1, ordering: .relaxed) }

    private func secure(_ leg: SocketLeg, _ tls: TLSServer, _ plan: Listener.Plan, on loop: SocketLoop) throws {
        let peer = leg.peer
        let channel = LegChannel(leg, on: loop)
        let gate = TLSGate(patience: plan.handshake) { channel in
            try plan.install(try ChannelLeg.last(of: channel), loop)
        } onFailure: { [reporter] reason in
            reporter.stranger(inbound: plan.name, peer: peer, saying: reason)
        }
        try channel.start([tls.makeHandler(), gate])
    }
}
