// SPDX-License-Identifier: Apache-2.0

import CWarrenSystem
import NIOCore
import Synchronization
import WarrenCore
package import WarrenLoop

/// Counts accepted connections over all listeners and turns away those past the limit, or past what the system has
/// descriptors for: in the words of their protocol where that is cheap, by a reset where it is not.
package final class ConnectionLimiter: Sendable {
    /// Connections that are being told no at the same time.
    static let mostRefused = 256

    private let admitted = Atomic<Int>(0)
    private let refused = Atomic<Int>(0)
    private let most: Atomic<Int>
    private let descriptors: DescriptorLimit
    let reporter: Reporter

    package init(limit: Int, descriptors: DescriptorLimit = .process, reporter: Reporter) {
        self.most = Atomic(limit)
        self.descriptors = descriptors
        self.reporter = reporter
    }

    /// How many there may be.
    package var limit: Int { self.most.load(ordering: .relaxed) }

    package func allow(_ limit: Int) { self.most.store(limit, ordering: .relaxed) }

    /// Connections that are open now, without those that are being told no.
    package var count: Int { self.admitted.load(ordering: .relaxed) }

    /// Takes over an accepted descriptor.
    func admit(_ descriptor: CInt, from peer: PeerAddress, to plan: Listener.Plan, on loop: SocketLoop) {
        let room = self.descriptors.room(for: descriptor)
        guard room == .plenty else {
            self.reporter.emit(.outOfDescriptors(limit: self.descriptors.count))
            return self.refuse(descriptor, room, from: peer, plan, on: loop)
        }
        guard self.admitted.add(1, ordering: .relaxed).newValue <= self.limit else {
            self.leave()
            self.reporter.emit(.turnedAway(inbound: plan.name, peer: peer.socketAddress, limit: self.limit))
            return self.refuse(descriptor, room, from: peer, plan, on: loop)
        }
        self.take(descriptor, from: peer, plan, plan.install, on: loop) { self.leave() }
    }

    /// Takes a peer in that came without a connection, whose leg needs no descriptor of its own.
    ///
    /// - Parameter make: told what to do when the leg is over.
    /// - Returns: nil where there are too many; such a peer hears nothing.
    func admit<Made: Leg>(
        from peer: PeerAddress, to plan: Listener.Plan, on loop: SocketLoop, _ make: (@escaping () -> Void) -> Made
    ) -> Made? {
        guard self.admitted.add(1, ordering: .relaxed).newValue <= self.limit else {
            self.leave()
            self.reporter.emit(.turnedAway(inbound: plan.name, peer: peer.socketAddress, limit: self.limit))
            return nil
        }
        let leg = make { self.leave() }
        self.hand(leg, to: plan, plan.install, on: loop)
        return leg
    }

    /// The system had no descriptor for a connection that waits.
    func starve() {
        self.descriptors.reread()
        self.reporter.emit(.outOfDescriptors(limit: self.descriptors.count))
    }

    private func refuse(
        _ descriptor: CInt, _ room: DescriptorLimit.Room, from peer: PeerAddress, _ plan: Listener.Plan,
        on loop: SocketLoop
    ) {
        if let refuse = plan.refuse, room != .none {
            if self.refused.add(1, ordering: .relaxed).newValue <= Self.mostRefused {
                return self.take(descriptor, from: peer, plan, refuse, on: loop) {
                    self.refused.subtract(1, ordering: .relaxed)
                }
            }
            self.refused.subtract(1, ordering: .relaxed)
        }
        _ = cws_set_reset_on_close(descriptor)
        _ = systemClose(descriptor)
    }

    private func take(
        _ descriptor: CInt, from peer: PeerAddress, _ plan: Listener.Plan, _ install: @escaping Listener.Install,
        on loop: SocketLoop, whenClosed: @escaping @Sendable () -> Void
    ) {
        guard let socket = Socket(descriptor, on: loop) else { return whenClosed() }
        plan.sockets.applyToAccepted(socket)
        let leg = SocketLeg(socket, peer: peer, options: plan.sockets, onClose: whenClosed)
        self.hand(leg, to: plan, install, on: loop)
    }

    private func hand(
        _ leg: any Leg, to plan: Listener.Plan, _ install: @escaping Listener.Install, on loop: SocketLoop
    ) {
        do {
            guard !plan.layers.isEmpty else { return try install(leg, loop) }
            let (name, reporter) = (plan.name, self.reporter)
            let port = AcceptPort(loop: loop) { peer, reason, isWorthALook in
                reporter.emit(.stranger(inbound: name, peer: peer, saying: reason, isWorthALook: isWorthALook))
            }
            try plan.layers.accept(leg, at: port, then: install)
        } catch {
            leg.discard()
        }
    }

    private func leave() { self.admitted.subtract(1, ordering: .relaxed) }
}
