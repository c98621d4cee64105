// SPDX-License-Identifier: Apache-2.0

import Foundation
import WarrenCore
import WarrenJET
import WarrenRuntime

extension OutboundType {
    /// Connects at a relay to the one who waits there under an association.
    static let jet = OutboundType(
        "jet", authority: "relay", path: "association", exposure: jetExposure, knowsTarget: true
    ) { entry, _ in
        let section = entry.section
        let carriers = section.carriersToDial("relay", defaultPort: JET.defaultPort)
        let file = section.optional("associationFile", .path).map { AnnounceFile(path: $0) }
        let id = section.association(for: carriers, isAccepter: false, isElsewhere: file != nil)
        guard !carriers.isEmpty, let id else { return nil }
        return .made(
            MadeDraft(carriers: carriers) { around in
                CarrierOutbound(name: around.name, reporter: around.reporter) { () throws(StreamFault) in
                    try JETRoute(id, carriers, file, around).route()
                }
            }
        )
    }
}

/// How the next stream reaches the one who waits.
private struct JETRoute {
    let id: AssociationKeys
    let carriers: [CarrierDraft]
    let around: Surroundings
    /// An association that a file names is good for one stream.
    let ticket: String?

    /// - Throws: `unreachable` if the file with the association is not there or holds none.
    init(
        _ id: AssociationKeys, _ carriers: [CarrierDraft], _ file: AnnounceFile?, _ around: Surroundings
    ) throws(StreamFault) {
        self.around = around
        guard let file else {
            self.id = id
            self.carriers = carriers
            self.ticket = nil
            return
        }
        guard let announced = file.read() else {
            around.reporter.note("\(around.name): there is no association in \(file.path)")
            throw .unreachable
        }
        self.id = id.naming(announced.association)
        self.ticket = announced.association.uuidString
        // The one that was announced as its holder may have a name that means nothing here, so it is asked last.
        let holder = announced.instance.map { carriers[0].moved(to: $0) }
        self.carriers =
            carriers
            + [holder].compactMap { $0 }.filter { holder in
                !carriers.contains { $0.target == holder.target }
            }
    }

    func route() -> CarrierOutbound.Route {
        let carriers = self.carriers.map { self.carrier($0, isTrusted: true) }
        return CarrierOutbound.Route(carriers: carriers, ticket: self.ticket) { host in
            let port = self.carriers[0].target.port
            guard let target = try? Target(parsing: host, defaultPort: port) else { return nil }
            return self.carrier(self.carriers[0].moved(to: target), isTrusted: false)
        }
    }

    private func carrier(_ draft: CarrierDraft, isTrusted: Bool) -> SessionCarrier {
        let (id, around) = (self.id, self.around)
        let dialer = draft.dialer(
            around.dialer, webSocket: id.webSocketPath(.connect, over: draft), isTrusted: isTrusted
        )
        return SessionCarrier(dialer) { leg, owner, loop in
            let machine = JET.ConnectMachine(id.client(for: draft, around.limits))
            around.loops.site(on: loop).start(machine, on: leg, owner: owner)
        }
    }
}
