// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenConfiguration
import WarrenCore
import WarrenLoop
import WarrenRuntime

/// How the far ends of an outbound that waits for them come in.
enum Arrival: Sendable {
    /// On a port of their own.
    case port(PortDraft)
    /// On the port of the inbound with this name, told apart by their first bytes.
    case shared(Located<String>, detect: @Sendable (ByteBufferView) -> Detection)
}

extension Section {
    /// The port under `listen`, with the `tls:` block beside it, or the inbound under `sharedWith`.
    ///
    /// - Returns: nil after a report.
    func arrival(detect: @escaping @Sendable (ByteBufferView) -> Detection) -> Arrival? {
        let inbound = self.optional("sharedWith", .located(.name))
        if self.contains("sharedWith") {
            for key in ["listen", "tls"] where self.node(key) != nil {
                self.report("the port is that of another inbound", at: key, hint: "remove it, or sharedWith")
                return nil
            }
            return inbound.map { .shared($0, detect: detect) }
        }
        let listen = self.required("listen", .listenAddress)
        let settings = self.tls(for: .server)
        let tls = settings.flatMap { TLSMaterial($0, self.findings) }
        guard let listen, (settings == nil) == (tls == nil) else { return nil }
        return .port(
            PortDraft(key: "listen", suffix: "", scheme: tls == nil ? .tcp : .tls, listen: listen, tls: tls)
        )
    }
}

extension Assembly.Outbound {
    var arrival: Arrival? {
        guard case .made(let draft) = self.draft else { return nil }
        return draft.arrival
    }

    /// Lets what was built take what comes to its port.
    func listen(
        for built: any WarrenRuntime.Outbound, _ around: BuildContext, into unit: inout Node.Unit,
        _ watched: inout [FileWatcher.Watched]
    ) {
        guard case .port(let port) = self.arrival, let arriving = built as? any ArrivingOutbound else { return }
        unit.listeners.append(
            Listener.Plan(
                name: around.name, protocol: self.entry.type, host: port.listen.host?.description,
                port: port.listen.port, layers: port.tls.layers(around, &watched),
                sockets: .carrier, home: arriving.home
            ) { leg, loop in
                try arriving.arrive(leg, on: loop)
            }
        )
    }
}

/// A port that an inbound shares with the far ends of its outbound.
struct SharedPort: Sendable {
    let outbound: ReverseOutbound
    let detect: @Sendable (ByteBufferView) -> Detection
    let timeout: TimeAmount

    /// Lets the far ends through to the outbound, and everybody else to the inbound.
    var layer: any AcceptLayer {
        let (outbound, detect) = (self.outbound, self.detect)
        return PeekLayer(
            [
                PeekLayer.Branch(detect: detect) { leg, loop in outbound.arrive(leg, on: loop) },
                PeekLayer.Branch(detect: { detect($0) == .no ? .yes : .no }),
            ], timeout: self.timeout, stranger: "neither of two protocols")
    }
}
