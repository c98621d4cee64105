// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOHTTP1
import WarrenCore
import WarrenJET
import WarrenRuntime

/// A JET relay that runs: its meeting place, and for each port what takes over the connections.
final class JETService: @unchecked Sendable {
    // Sendable: the constants are, and `bound` is touched on the meeting place's loop only.
    private let place: MeetingPlace<JET.RelayMachine>
    private let schemes: [CarrierScheme]
    private let hasCallPort: Bool
    private let instance: String
    private let patience: TimeAmount
    /// Where the ports listen, as far as that is known.
    private var bound: [Int: UInt16] = [:]

    /// - Parameters:
    ///   - ports: those where peers meet, in order.
    ///   - hasCallPort: one more port follows, and it alone takes calls.
    init(_ relay: JET.RelayConfiguration, ports: [CarrierScheme], hasCallPort: Bool, _ around: Surroundings) {
        self.place = MeetingPlace(
            JET.RelayMachine(relay), name: around.name, protocol: JET.name, loops: around.loops,
            reporter: around.reporter
        )
        self.schemes = ports
        self.hasCallPort = hasCallPort
        self.instance = relay.instance
        self.patience = relay.handshake
    }

    var built: BuiltRelay {
        let calls = self.hasCallPort ? [BuiltRelay.Port(install: self.serveCalls)] : []
        return BuiltRelay(
            part: self.place, home: self.place.loop,
            ports: self.schemes.indices.map { index in
                BuiltRelay.Port(onBound: { self.isBound(index, at: $0) }, install: self.meet)
            } + calls
        )
    }

    /// Each port is a candidate of the associations that are called for.
    private func isBound(_ index: Int, at address: SocketAddress) {
        let port = UInt16(address.port ?? 0)
        self.place.loop.execute {
            self.bound[index] = port
            let endpoints = self.schemes.indices.compactMap { self.endpoint($0) }
            self.place.tell { machine, _ in machine.listens(at: endpoints) }
        }
    }

    private func endpoint(_ index: Int) -> JET.Endpoint? {
        let scheme = JET.Endpoint.Scheme(rawValue: self.schemes[index].rawValue)
        guard let port = self.bound[index], let scheme else { return nil }
        return JET.Endpoint(scheme: scheme, host: self.instance, port: port)
    }

    /// A connection that opens with a packet is a carrier, one that speaks HTTP asks for a WebSocket or calls.
    private func meet(_ leg: any Leg, on loop: SocketLoop) {
        let peer = leg.peer
        let candidates = [
            Detector.Candidate(detect: JET.detect) { self.place.arrive($0) },
            Detector.Candidate(detect: HTTPFront.detect) { leg in
                try self.serve(leg, on: loop, takesCalls: !self.hasCallPort)
            },
        ]
        let detector = Detector(leg, candidates) { [place] head in
            place.stranger(peer, saying: head.readableBytes == 0 ? "nothing" : "neither JET nor HTTP")
        }
        detector.start(patience: self.patience, on: loop)
    }

    private func serveCalls(_ leg: any Leg, on loop: SocketLoop) throws {
        try self.serve(leg, on: loop, takesCalls: true)
    }

    private func serve(_ leg: any Leg, on loop: SocketLoop, takesCalls: Bool) throws {
        var limits = HTTPServiceLimits()
        limits.patience = self.patience
        try JETCalls(self.place, takesCalls: takesCalls).install(on: leg, loop: loop, limits: limits)
    }
}
