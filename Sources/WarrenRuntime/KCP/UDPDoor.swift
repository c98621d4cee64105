// SPDX-License-Identifier: Apache-2.0

import WarrenLoop

/// What serves a UDP port on one loop.
protocol UDPPort: OpenPort {
    /// It can serve by this plan, too.
    func fits(_ plan: Listener.Plan) -> Bool
    /// Ends all that there is, at once, and leaves the socket to another one.
    func leave() -> DatagramSocket
}

/// A UDP port as one loop sees it, whose plan may come to have a key or lose it: then another one serves its socket. No
/// conversation outlives that, as it has no key, or one that is not wanted any more.
final class UDPDoor: OpenPort {
    private let plan: () -> Listener.Plan
    private let make: (DatagramSocket, Listener.Plan) -> any UDPPort
    private var port: any UDPPort
    private var isStopped = false

    init(
        _ socket: DatagramSocket, plan: @escaping () -> Listener.Plan,
        make: @escaping (DatagramSocket, Listener.Plan) -> any UDPPort
    ) {
        self.plan = plan
        self.make = make
        self.port = make(socket, plan())
    }

    func start() { self.port.start() }

    func stop() {
        self.isStopped = true
        self.port.stop()
    }

    func exchanged() {
        let plan = self.plan()
        guard !self.isStopped, !self.port.fits(plan) else { return self.port.exchanged() }
        self.port = self.make(self.port.leave(), plan)
        self.port.start()
    }
}

@available(*, unavailable)
extension UDPDoor: Sendable {}
