// SPDX-License-Identifier: Apache-2.0

import CWarrenSystem
import NIOCore
import Synchronization
import WarrenCore

/// Counts accepted connections over all listeners and turns away those past the limit, or past what the system has
/// descriptors for: in the words of their protocol where that is cheap, by a reset where it is not.
package final class ConnectionLimiter: Sendable {
    /// Connections that are being told no at the same time.
    static let mostRefused = 256

    private let admitted = Atomic<Int>(0)
    private let refused = Atomic<Int>(0)
    private let most: Atomic<Int>
    private let descriptors: DescriptorLimit
    private let reporter: Reporter

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
            self.reporter.outOfDescriptors(limit: self.descriptors.count)
            return self.refuse(descriptor, room, from: peer, plan, on: loop)
        }
        guard self.admitted.add(1, ordering: .relaxed).newValue <= self.limit else {
            self.leave()
            self.reporter.turnedAway(inbound: plan.name, peer: peer.socketAddress, limit: self.limit)
            return self.refuse(descriptor, room, from: peer, plan, on: loop)
        }
        self.take(descriptor, from: peer, plan, plan.install, on: loop) { self.leave() }
    }

    /// The system had no descriptor for a connection that waits.
    func starve() {
        self.descriptors.reread()
        self.reporter.outOfDescriptors(limit: self.descriptors.count)
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
        do {
            guard let tls = plan.tls else { return try install(leg, loop) }
            try self.secure(leg, tls, plan, install, on: loop)
        } catch {
            leg.discard()
        }
    }

    private func leave() { self.admitted.subtract(1, ordering: .relaxed) }

    private func secure(
        _ leg: SocketLeg, _ tls: TLSServer, _ plan: Listener.Plan, _ install: @escaping Listener.Install,
        on loop: SocketLoop
    ) throws {
        let peer = leg.peer
        let channel = LegChannel(leg, on: loop)
        let gate = TLSHandshakeHandler(timeout: plan.handshake) { channel in
            try install(try ChannelLeg.last(of: channel), loop)
        } onFailure: { [reporter] reason in
            // Checks of health and scans end like that all the time.
            let isCutOff = reason == TLSProblem.cutOff.description
            reporter.stranger(inbound: plan.name, peer: peer, saying: reason, isWorthALook: !isCutOff)
        }
        try channel.start(tls.makeHandlers() + [gate])
    }
}
