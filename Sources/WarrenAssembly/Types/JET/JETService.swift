// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOHTTP1
import WarrenConfiguration
import WarrenCore
import WarrenJET
import WarrenLoop
import WarrenRuntime

/// A JET relay that runs: its meeting place, and for each port what takes over the connections.
final class JETService: @unchecked Sendable {
    // Sendable: the constants are, and `bound` is touched on the meeting place's loop only.
    private let place: RendezvousService<JET.RelayMachine>
    private let ports: [PortDraft]
    private let callPort: PortDraft?
    private let instance: String
    private let limits: HTTPServiceLimits
    /// Where the ports listen, as far as that is known.
    private var bound: [Int: UInt16] = [:]

    /// - Parameters:
    ///   - ports: those where peers meet, in order.
    ///   - callPort: one more, and it alone takes calls.
    ///   - ping: how often WebSockets are kept alive.
    init(
        _ relay: JET.RelayConfiguration, ports: [PortDraft], callPort: PortDraft?, ping: TimeAmount,
        _ around: BuildContext
    ) {
        self.place = RendezvousService(
            JET.RelayMachine(relay), name: around.name, protocol: JET.name, loops: around.loops, unit: around.unit,
            reporter: around.reporter
        )
        self.ports = ports
        self.callPort = callPort
        self.instance = relay.instance
        var limits = HTTPServiceLimits()
        limits.timeout = relay.handshake
        limits.keepAlive = ping
        self.limits = limits
    }

    var built: BuiltRelay {
        let calls = self.callPort.map { port in
            BuiltRelay.Port { leg, loop in try self.serve(leg, on: loop, below: port.prefix, takesCalls: true) }
        }
        return BuiltRelay(
            part: self.place, home: self.place.loop,
            ports: self.ports.enumerated().map { index, port in
                BuiltRelay.Port(onBound: { self.isBound(index, at: $0) }) { leg, loop in
                    self.meet(leg, on: loop, below: port.prefix)
                }
            } + [calls].compactMap { $0 }
        )
    }

    /// Each port is a candidate of the associations that are called for.
    private func isBound(_ index: Int, at address: SocketAddress) {
        let port = UInt16(address.port ?? 0)
        self.place.loop.execute {
            self.bound[index] = port
            let endpoints = self.ports.indices.compactMap { self.endpoint($0) }
            self.place.tell { machine, _ in machine.listens(at: endpoints) }
        }
    }

    private func endpoint(_ index: Int) -> JET.Endpoint? {
        let draft = self.ports[index]
        let scheme = JET.Endpoint.Scheme(rawValue: draft.scheme.rawValue)
        guard let port = self.bound[index], let scheme else { return nil }
        return JET.Endpoint(scheme: scheme, host: self.instance, port: port, prefix: draft.prefix)
    }

    /// A connection that opens with a packet is a carrier, one that speaks HTTP asks for a WebSocket or calls.
    private func meet(_ leg: any Leg, on loop: SocketLoop, below prefix: String) {
        let peer = leg.peer
        let takesCalls = self.callPort == nil
        let candidates = [
            Detector.Candidate(detect: JET.detect) { self.place.arrive($0) },
            Detector.Candidate(detect: HTTPServiceRequestLine.detect) { leg in
                try self.serve(leg, on: loop, below: prefix, takesCalls: takesCalls)
            },
        ]
        let detector = Detector(leg, candidates) { [place] head in
            place.stranger(peer, saying: head.readableBytes == 0 ? "nothing" : "neither JET nor HTTP")
        }
        detector.start(timeout: self.limits.timeout, on: loop)
    }

    private func serve(_ leg: any Leg, on loop: SocketLoop, below prefix: String, takesCalls: Bool) throws {
        let calls = JETCalls(self.place, below: prefix, takesCalls: takesCalls)
        try calls.install(on: leg, loop: loop, limits: self.limits)
    }
}
