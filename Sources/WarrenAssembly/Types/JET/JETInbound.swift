// SPDX-License-Identifier: Apache-2.0

import WarrenConfiguration
import WarrenCore
import WarrenJET
import WarrenRuntime

extension InboundType {
    /// Accepts at a relay: whoever names the association there becomes a stream.
    static let jet = InboundType("jet", authority: "relay", path: "target", exposure: jetExposure) { entry, limits in
        let section = entry.section
        if section.contains("listen"), !section.contains("relay") {
            section.report(
                "an inbound of type jet dials a relay and listens nowhere", at: "listen",
                hint: "write relay: host:port, or put the entry under relays: to be the relay")
            section.readRest()
            return nil
        }
        let carriers = section.carriersToDial("relay", defaultPort: JET.defaultPort)
        let target = section.optional("target", .target)
        let id = section.association(for: carriers, isAccepter: true)
        let goesOn = section.value("repeat", .bool, default: false)
        let file = section.optional("announce", .path).map { AnnounceFile(path: $0) }
        guard !carriers.isEmpty, let id else { return nil }
        let needsTarget = !section.contains("target")
        return .part(
            DialledInboundDraft(carriers: carriers, isTrusted: true, needsTarget: needsTarget) { around, sessions in
                let isTargetOnce = sessions.target.outbound is StdioOutbound
                let ways = carriers.map { carrier in
                    let path = id.webSocketPath(.accept, over: carrier)
                    let dialer = carrier.dialer(around, webSocket: path, ping: id.ping)
                    return SessionCarrier(dialer) { leg, owner, loop in
                        var client = id.client(for: carrier, limits)
                        client.isTargetOnce = isTargetOnce
                        around.loops.context(on: loop).start(JET.AcceptMachine(client), on: leg, owner: owner)
                    }
                }
                var plan = DialledInbound.Plan(
                    carriers: ways, target: target.map { .tcp($0.host, port: $0.port) },
                    succession: goesOn ? .always(most: limits.streamsPerSession) : .never
                )
                let (name, reporter) = (around.name, around.reporter)
                let writer = file.map { file in
                    AnnounceWriter(
                        file, warn: { reporter.emit(.warn("\(name): \($0)")) },
                        note: { reporter.emit(.note("\(name): \($0)")) })
                }
                plan.onGrant = { grant in
                    if let relay = carriers.first { writer?.announce(grant, fallback: relay.target) }
                    around.hooks.onGrant(grant)
                }
                // Standard output says itself when it has had everything, which is later.
                if !goesOn, !isTargetOnce { plan.onDone = { around.hooks.onDone(nil) } }
                if !goesOn { plan.onRefused = around.hooks.onRefused }
                let loop = sessions.home ?? around.through?.home ?? around.loops.next()
                return DialledInbound(plan, sessions: sessions, on: loop, reporter: around.reporter)
            }
        )
    }
}
