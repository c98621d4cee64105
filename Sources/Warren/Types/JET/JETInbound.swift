// SPDX-License-Identifier: Apache-2.0

import WarrenCore
import WarrenJET
import WarrenRuntime

extension InboundType {
    /// Accepts at a relay: whoever names the association there becomes a stream.
    static let jet = InboundType("jet", authority: "relay", path: "target", exposure: jetExposure) { entry, limits in
        let section = entry.section
        let carriers = section.carriersToDial("relay", defaultPort: JET.defaultPort)
        let target = section.optional("target", .target)
        let id = section.association(for: carriers, isAccepter: true)
        let goesOn = section.value("repeat", .bool, default: false)
        let file = section.optional("announce", .path).map { AnnounceFile(path: $0) }
        guard !carriers.isEmpty, let id else { return nil }
        let needsTarget = !section.contains("target")
        return .part(
            PartDraft(carriers: carriers, isTrusted: true, needsTarget: needsTarget) { around, sessions in
                let ways = carriers.map { carrier in
                    let dialer = carrier.dialer(around.dialer, webSocket: id.webSocketPath(.accept, over: carrier))
                    return SessionCarrier(dialer) { leg, owner, loop in
                        let machine = JET.AcceptMachine(id.client(for: carrier, limits))
                        around.loops.site(on: loop).start(machine, on: leg, owner: owner)
                    }
                }
                var plan = DialledInbound.Plan(
                    carriers: ways, target: target.map { .tcp($0.host, port: $0.port) },
                    succession: goesOn ? .always(most: limits.streamsPerSession) : .never
                )
                plan.onGrant = { grant in
                    if let problem = file?.write(grant, fallback: carriers[0].target) {
                        around.reporter.warn("\(around.name): \(problem)")
                    }
                    around.hooks.onGrant(grant)
                }
                // Standard output says itself when it has had everything, which is later.
                if !goesOn, !(sessions.outbound is StdioOutbound) { plan.onDone = { around.hooks.onDone(nil) } }
                let loop = sessions.outbound.home ?? around.loops.next()
                return DialledInbound(plan, sessions: sessions, on: loop, reporter: around.reporter)
            }
        )
    }
}
