// SPDX-License-Identifier: Apache-2.0

import WarrenLoop

/// What serves a UDP port on one loop.
protocol UDPPort: AnyObject {
    func start()
    /// Takes nobody any more; those who were taken stay.
    ///
    /// - Parameter whenEmpty: called when there is none of them, possibly at once.
    func stop(whenEmpty: @escaping () -> Void)
    /// Takes others again. `whenEmpty` is not called any more.
    func resume()
    /// Another plan that fits is the listener's from now on.
    func exchanged()
    /// It can serve by this plan, too.
    func fits(_ plan: Listener.Plan) -> Bool
    /// Ends all that there is, at once, and leaves the socket to another one.
    func leave() -> DatagramSocket
    /// Closes the socket.
    func close()
}

/// A UDP port as one loop sees it, whose plan may come to have a key or lose it: then another one serves its socket. No
/// conversation outlives that, as it has no key, or one that is not wanted any more.
final class UDPDoor: OpenPort {
    private let plan: () -> Listener.Plan
    private let make: (DatagramSocket, Listener.Plan) -> any UDPPort
    private let drain: UDPDrain
    private var number = 0
    private var port: any UDPPort
    private var isStopped = false

    init(
        _ socket: DatagramSocket, drain: UDPDrain, plan: @escaping () -> Listener.Plan,
        make: @escaping (DatagramSocket, Listener.Plan) -> any UDPPort
    ) {
        self.drain = drain
        self.plan = plan
        self.make = make
        self.port = make(socket, plan())
        self.number = drain.join(self, on: socket.loop)
    }

    func start() { self.port.start() }

    func stop() {
        self.isStopped = true
        let (drain, number) = (self.drain, self.number)
        self.port.stop { drain.emptied(number) }
    }

    func exchanged() {
        let plan = self.plan()
        guard self.port.fits(plan) else {
            self.isStopped = false
            self.port = self.make(self.port.leave(), plan)
            return self.port.start()
        }
        if self.isStopped { self.port.resume() }
        self.isStopped = false
        self.port.exchanged()
    }

    func close() { self.port.close() }
}

@available(*, unavailable)
extension UDPDoor: Sendable {}
