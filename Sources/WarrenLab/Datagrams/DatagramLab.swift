// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import WarrenLoop
import WarrenRuntime

/// A bad network between those who come to a UDP port and a target. On its loop only.
package final class DatagramLab {
    /// What is to be put between both.
    package struct Plan: Sendable {
        package var target: PeerAddress
        package var up = Impairment()
        package var down = Impairment()
        /// How often each peer's port toward the target changes; nil for never.
        package var rebind: TimeAmount?
        package var seed: UInt64

        package init(target: PeerAddress, seed: UInt64) {
            self.target = target
            self.seed = seed
        }
    }

    private static let mostPeers = 1024

    let plan: Plan
    private let loop: SocketLoop
    private let say: (String) -> Void
    private var listener: DatagramListener?
    private let up: DatagramLane
    private let down: DatagramLane
    private var flows: [ObjectIdentifier: DatagramFlow] = [:]
    private var start: NIODeadline?
    private var change: LoopTimer?
    private var peers: UInt64 = 0
    private var rebinds: UInt64 = 0
    /// Came to a port from before a rebinding.
    var late: UInt64 = 0
    /// Told by the target's system that nobody listens.
    var refused: UInt64 = 0

    /// - Parameter say: is told of blackouts and rebindings.
    /// - Throws: `IOError`.
    package init(_ plan: Plan, listen: PeerAddress, on loop: SocketLoop, say: @escaping (String) -> Void) throws {
        self.plan = plan
        self.loop = loop
        self.say = say
        self.up = DatagramLane(ImpairedLink(plan.up, seed: plan.seed, direction: .up), .up, on: loop)
        self.down = DatagramLane(ImpairedLink(plan.down, seed: plan.seed, direction: .down), .down, on: loop)
        let descriptors = try DatagramSocket.bind(to: listen, times: 1, options: Self.options)
        guard let descriptor = descriptors.first,
            let socket = DatagramSocket(descriptor, on: loop, options: Self.options)
        else { throw ChannelError.unknownLocalAddress }
        self.listener = DatagramListener(socket, mostPeers: Self.mostPeers) { [weak self] _ in self?.admit() }
    }

    private static var options: DatagramOptions {
        var options = DatagramOptions()
        // What is too long for the path is the plan's business.
        options.mayFragment = true
        options.mostQueued = 8 << 20
        return options
    }

    package var address: PeerAddress? { self.listener?.socket.localAddress }

    private func admit() -> DatagramFlow? {
        guard let flow = try? DatagramFlow(self, on: self.loop) else { return nil }
        self.peers &+= 1
        self.flows[ObjectIdentifier(flow)] = flow
        return flow
    }

    func forget(_ flow: DatagramFlow) { self.flows[ObjectIdentifier(flow)] = nil }

    func hasRebound(_ peer: PeerAddress?) {
        self.rebinds &+= 1
        if let peer { self.say("rebinding peer=\(peer.unmapped.socketAddress.text)") }
    }

    /// A port of its own toward the target.
    func dial() throws -> DatagramSocket {
        try DatagramSocket.dial(to: self.plan.target, on: self.loop, options: Self.options)
    }

    func pass(_ bytes: ByteBuffer, _ direction: LabDirection, of flow: DatagramFlow) {
        if self.start == nil { self.begin() }
        switch direction {
        case .up: self.up.pass(bytes, of: flow)
        case .down: self.down.pass(bytes, of: flow)
        }
    }

    private func begin() {
        let now = self.loop.now
        self.start = now
        self.up.start(at: now)
        self.down.start(at: now)
        self.planChange(after: .nanoseconds(-1), from: now)
    }

    private func planChange(after time: TimeAmount, from start: NIODeadline) {
        guard let blackout = self.plan.up.blackout ?? self.plan.down.blackout,
            let next = blackout.change(after: time)
        else { return }
        self.change = self.loop.timer(at: start + next) { [weak self] in
            self?.say("blackout \(blackout.isDark(at: next) ? "begins" : "ends")")
            self?.planChange(after: next, from: start)
        }
    }

    /// Closes everything; what is on its way is dropped.
    ///
    /// - Returns: the counters, a line for each direction and one for the peers.
    package func stop() -> [String] {
        self.change?.cancel()
        self.up.stop()
        self.down.stop()
        for flow in self.flows.values { flow.close() }
        self.listener?.close()
        self.listener = nil
        return [
            "up: \(self.up.link.counters)", "down: \(self.down.link.counters)",
            "peers=\(self.peers) rebinds=\(self.rebinds) late=\(self.late) refused=\(self.refused)",
        ]
    }
}

@available(*, unavailable)
extension DatagramLab: Sendable {}
