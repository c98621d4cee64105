// SPDX-License-Identifier: Apache-2.0

import Foundation
import WarrenConfiguration
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
            CustomOutboundDraft(carriers: carriers) { around in
                guard let reader = file.map({ AnnounceReader($0) }) else { return id.outbound(carriers, around) }
                return PerStreamOutbound(
                    name: around.name, home: around.through?.home, reporter: around.reporter,
                    finding: { loop, answer in
                        reader.read(on: loop) { found in
                            switch found {
                            case .success(let announced):
                                answer(.success(JETRoute(id, carriers, announced, around).route()))
                            case .failure(let refusal):
                                around.reporter.emit(.note("\(around.name): \(reader.file.sentence(refusal))"))
                                answer(.failure(.unreachable))
                            }
                        }
                    })
            }
        )
    }
}

extension AssociationKeys {
    /// To the one who waits under the association that was given.
    fileprivate func outbound(_ carriers: [CarrierDraft], _ around: BuildContext) -> any WarrenRuntime.Outbound {
        let route = JETRoute(self, carriers, nil, around).route()
        let outbound = PerStreamOutbound(
            name: around.name, home: around.through?.home, reporter: around.reporter
        ) { route }
        // In version 2 somebody else may wait under the same name later.
        guard self.version == JET.Version.one, let association else { return outbound }
        let name = association.uuidString.lowercased()
        let sentence = "the association \(name) is good for one stream, which it has had; ask for another one"
        return SingleUseOutbound(outbound, reporter: around.reporter, whenUsed: sentence)
    }
}

/// How the next stream reaches the one who waits.
private struct JETRoute {
    let id: AssociationKeys
    let carriers: [CarrierDraft]
    let around: BuildContext
    /// An association that a file names is good for one stream.
    let ticket: String?

    init(
        _ id: AssociationKeys, _ carriers: [CarrierDraft], _ announced: AnnounceFile.Announcement?,
        _ around: BuildContext
    ) {
        self.around = around
        guard let announced else {
            self.id = id
            self.carriers = carriers
            self.ticket = nil
            return
        }
        self.id = id.naming(announced.association)
        self.ticket = announced.association.uuidString
        // The one that was announced as its holder may have a name that means nothing here, so it is asked last.
        let holder = announced.instance.flatMap { instance in carriers.first?.moved(to: instance) }
        self.carriers =
            carriers
            + [holder].compactMap { $0 }.filter { holder in
                !carriers.contains { $0.target == holder.target }
            }
    }

    func route() -> PerStreamOutbound.Route {
        let carriers = self.carriers.map { self.carrier($0, isTrusted: true) }
        var route = PerStreamOutbound.Route(carriers: carriers, ticket: self.ticket) { host in
            guard let first = self.carriers.first,
                let target = try? Target(parsing: host, defaultPort: first.target.port)
            else { return nil }
            return self.carrier(first.moved(to: target), isTrusted: false)
        }
        // That it is the relay that is not there: nobody has been asked who could refuse.
        route.whenUnreachable = .noServer
        return route
    }

    private func carrier(_ draft: CarrierDraft, isTrusted: Bool) -> SessionCarrier {
        let (id, around) = (self.id, self.around)
        let dialer = draft.dialer(
            around, webSocket: id.webSocketPath(.connect, over: draft), ping: id.ping, isTrusted: isTrusted
        )
        return SessionCarrier(dialer) { leg, owner, loop in
            let machine = JET.ConnectMachine(id.client(for: draft, around.limits))
            around.loops.context(on: loop).start(machine, on: leg, owner: owner)
        }
    }
}
