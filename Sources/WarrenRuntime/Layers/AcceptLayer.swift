// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import WarrenCore
package import WarrenLoop

/// One thing between an accepted connection and who takes it: TLS, a look at its first bytes. A listener has any number of
/// them, in any order.
package protocol AcceptLayer: Sendable {
    /// Takes over a leg that has not begun, and hands on what is inside it, which has not begun either.
    ///
    /// - Throws: where the leg is gone already; whoever called discards it.
    func accept(_ leg: any Leg, at port: AcceptPort, then next: @escaping Listener.Install) throws
}

/// Where a connection was accepted.
package struct AcceptPort: Sendable {
    package let loop: SocketLoop
    /// Told of a connection that a layer closes: who it was, why, and whether that is worth a look.
    package let onStranger: @Sendable (SocketAddress?, String, _ isWorthALook: Bool) -> Void

    package init(
        loop: SocketLoop, onStranger: @escaping @Sendable (SocketAddress?, String, _ isWorthALook: Bool) -> Void
    ) {
        self.loop = loop
        self.onStranger = onStranger
    }
}

extension [any AcceptLayer] {
    /// Sends a connection through the layers, the first of them outermost, to who takes it.
    package func accept(_ leg: any Leg, at port: AcceptPort, then install: @escaping Listener.Install) throws {
        guard let first = self.first else { return try install(leg, port.loop) }
        let others = Array(self.dropFirst())
        try first.accept(leg, at: port) { leg, _ in try others.accept(leg, at: port, then: install) }
    }
}

/// Ends TLS.
package struct TLSAcceptLayer: AcceptLayer {
    private let server: TLSServer
    private let timeout: TimeAmount

    /// - Parameter timeout: how long the handshake may take.
    package init(_ server: TLSServer, timeout: TimeAmount) {
        self.server = server
        self.timeout = timeout
    }

    package func accept(_ leg: any Leg, at port: AcceptPort, then next: @escaping Listener.Install) throws {
        let peer = leg.peer
        let channel = LegChannel(leg, on: port.loop)
        let handshake = TLSHandshakeHandler(timeout: self.timeout) { channel in
            try next(try ChannelLeg.last(of: channel), port.loop)
        } onFailure: { reason in
            // Checks of health and scans end like that all the time.
            port.onStranger(peer, reason, reason != TLSProblem.cutOff.description)
        }
        try channel.start(self.server.makeHandlers() + [handshake])
    }
}

/// Looks at the first bytes, at most ``WarrenCore/Detection/mostBytes`` of them, and sends the connection, untouched, to
/// the branch that knows them.
package struct PeekLayer: AcceptLayer {
    package struct Branch: Sendable {
        /// Makes what tells one connection by its first bytes, which grow from call to call.
        package var detector: @Sendable () -> (ByteBufferView) -> Detection
        package var layers: [any AcceptLayer]
        /// Nil for what follows this layer.
        package var install: Listener.Install?

        /// - Parameter layers: what stands between this layer and who takes the branch.
        package init(
            layers: [any AcceptLayer] = [], detect: @escaping @Sendable (ByteBufferView) -> Detection,
            install: Listener.Install? = nil
        ) {
            self.init(layers: layers, detector: { detect }, install: install)
        }

        package init(
            layers: [any AcceptLayer] = [], detector: @escaping @Sendable () -> (ByteBufferView) -> Detection,
            install: Listener.Install? = nil
        ) {
            self.detector = detector
            self.layers = layers
            self.install = install
        }
    }

    private let branches: [Branch]
    private let timeout: TimeAmount
    private let stranger: String
    private let passesOthers: Bool

    /// - Parameters:
    ///   - passesOthers: what no branch knows goes to what follows this layer.
    ///   - timeout: how long the first bytes may take.
    ///   - stranger: what a connection said that no branch knows, for the log: `neither of two protocols`.
    package init(_ branches: [Branch], passesOthers: Bool = false, timeout: TimeAmount, stranger: String) {
        self.branches = branches
        self.passesOthers = passesOthers
        self.timeout = timeout
        self.stranger = stranger
    }

    package func accept(_ leg: any Leg, at port: AcceptPort, then next: @escaping Listener.Install) throws {
        let peer = leg.peer
        let candidates = self.branches.map { branch in
            Detector.Candidate(detect: branch.detector()) { leg in
                try branch.layers.accept(leg, at: port, then: branch.install ?? next)
            }
        }
        let others: Detector.Install? = self.passesOthers ? { leg in try next(leg, port.loop) } : nil
        let detector = Detector(leg, candidates, others: others) { head in
            port.onStranger(peer, head.readableBytes == 0 ? "nothing" : self.stranger, true)
        }
        detector.start(timeout: self.timeout, on: port.loop)
    }
}
