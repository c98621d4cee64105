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
    case shared(Located<String>, SharedArrival)
}

/// What tells the far ends from others on a shared port.
struct SharedArrival: Sendable {
    /// Makes what tells one connection.
    let detector: @Sendable () -> (ByteBufferView) -> Detection
    /// Around their connections alone.
    var tls: TLSMaterial?
}

extension Section {
    /// The port under `listen`, with the `tls:` block beside it, or the inbound under `sharedWith`.
    ///
    /// - Parameters:
    ///   - ownsTLS: a `tls:` block goes with `sharedWith`, as the far ends are told from others by what is around theirs.
    ///   - detector: told whether there is one, and asked for each connection.
    /// - Returns: nil after a report.
    func arrival(
        ownsTLS: Bool = false, detector: @escaping @Sendable (_ hasTLS: Bool) -> (ByteBufferView) -> Detection
    ) -> Arrival? {
        let inbound = self.optional("sharedWith", .located(.name))
        let isShared = self.contains("sharedWith")
        for key in ownsTLS ? ["listen"] : ["listen", "tls"] where isShared && self.node(key) != nil {
            self.report("the port is that of another inbound", at: key, hint: "remove it, or sharedWith")
            return nil
        }
        let listen = isShared ? nil : self.required("listen", .listenAddress)
        let settings = self.tls(for: .server)
        let tls = settings.flatMap { TLSMaterial($0, self.findings) }
        guard (settings == nil) == (tls == nil) else { return nil }
        if isShared {
            let hasTLS = tls != nil
            return inbound.map { .shared($0, SharedArrival(detector: { detector(hasTLS) }, tls: tls)) }
        }
        guard let listen else { return nil }
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
    let outbound: any ArrivingOutbound
    let detector: @Sendable () -> (ByteBufferView) -> Detection
    /// Around what the far ends say.
    let layers: [any AcceptLayer]
    let timeout: TimeAmount

    /// Lets the far ends through to the outbound, and everybody else to the inbound.
    var layer: any AcceptLayer {
        let outbound = self.outbound
        let ends = PeekLayer.Branch(layers: self.layers, detector: self.detector) { leg, loop in
            try outbound.arrive(leg, on: loop)
        }
        return PeekLayer([ends], passesOthers: true, timeout: self.timeout, stranger: "neither of two protocols")
    }
}
