// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenConfiguration
import WarrenCore
import WarrenLoop
import WarrenRuntime

extension Assembly.Outbound {
    /// What it dials.
    var carriers: [CarrierDraft] {
        switch self.draft {
        case .direct: []
        case .session(let draft): [draft.carrier]
        case .made(let draft): draft.carriers
        }
    }
}

extension Assembly.Outbound {
    /// Files besides those of its carriers that are read again when they change.
    var watched: [FileWatcher.Watched] {
        guard case .made(let draft) = self.draft else { return [] }
        return draft.watched
    }
}

extension Assembly.Inbound {
    /// What it dials.
    var carriers: [CarrierDraft] {
        switch self.draft {
        case .listening: []
        case .part(let draft): draft.carriers
        }
    }
}

extension Assembly.Inbound {
    /// The TLS that it ends behind no port of its own.
    var served: [ServedTLS] {
        guard case .part(let draft) = self.draft else { return [] }
        return draft.served
    }
}

extension [CarrierDraft] {
    /// Has the files of what is dialled read again when they change.
    func watch(_ around: BuildContext, _ watched: inout [FileWatcher.Watched]) {
        // The carriers of one entry share their block.
        self.lazy.compactMap(\.tls).first?.watchClient(around, &watched)
    }
}

extension Assembly.Outbound {
    func build(_ around: BuildContext) -> any WarrenRuntime.Outbound {
        switch self.draft {
        case .direct(let draft):
            var dialer = around.dialer
            dialer.bind = draft.bind
            if draft.prefersIPv4 { dialer.prefer = .v4 }
            return DirectOutbound(name: around.name, dialer: dialer, policies: around.policies)
        case .session(let draft):
            let loops = around.loops
            let install = draft.install
            let carrier = SessionCarrier(draft.carrier.dialer(around)) { leg, owner, loop in
                try install(leg, owner, loops.context(on: loop))
            }
            let first = loops.next()
            let others = loops.all.filter { $0 !== first }.prefix((draft.lanes ?? loops.all.count) - 1)
            return SessionOutbound(
                name: around.name, on: first, Array(others), carrier: carrier,
                leadsToOnePlace: draft.leadsToOnePlace, unit: around.unit, reporter: around.reporter
            )
        case .made(let draft):
            return draft.build(around)
        }
    }
}

extension Assembly.Inbound {
    /// - Returns: what its streams are opened by.
    func build(
        _ around: BuildContext, to target: StreamTarget, _ last: any WarrenRuntime.Outbound, _ accounts: Accounts,
        sharing port: SharedPort?,
        into unit: inout Node.Unit, _ watched: inout [FileWatcher.Watched]
    ) -> InboundSessions {
        switch self.draft {
        case .listening(let draft):
            let sessions = InboundSessions(
                around.unit, protocol: self.entry.type, to: target, judge: draft.judge, isTrusted: draft.isTrusted,
                isTunnel: draft.isTunnel, fixed: draft.target.map { .tcp($0.host, port: $0.port) }, accounts: accounts,
                reporter: around.reporter
            )
            unit.listeners.append(self.listener(draft, around, sessions, sharing: port, &watched))
            if let pac = draft.pac { unit.listeners.append(pac.listener(around, of: target)) }
            unit.parts += draft.parts(around, sessions, last)
            return sessions
        case .part(let draft):
            let sessions = InboundSessions(
                around.unit, protocol: self.entry.type, to: target, isTrusted: draft.isTrusted, isTunnel: true,
                accounts: accounts, reporter: around.reporter
            )
            unit.parts.append(draft.build(around, sessions))
            return sessions
        }
    }

    private func listener(
        _ draft: ListeningDraft, _ around: BuildContext, _ sessions: InboundSessions,
        sharing port: SharedPort?, _ watched: inout [FileWatcher.Watched]
    ) -> Listener.Plan {
        watched += draft.watched.map { $0.reporting(to: around.reporter, about: around.name) }
        let loops = around.loops
        let install = draft.install
        let tunnel = draft.tunnel.map {
            TunnelAcceptLayer(unit: around.unit, configuration: $0, loops: loops, reporter: around.reporter)
        }
        let inner = draft.tls.layers(around, &watched) + (port.map { [$0.layer] } ?? [])
        var plan = Listener.Plan(
            name: around.name, protocol: self.entry.type, host: draft.listen.host?.description,
            port: draft.listen.port, layers: (tunnel.map { [$0] } ?? []) + inner,
            // An exit must arrive where its outbound lives.
            sockets: draft.sockets, home: port?.outbound.home ?? sessions.home
        ) { leg, loop in
            try install(leg, sessions, loops.context(on: loop))
        }
        plan.kcp = draft.kcp
        plan.key = draft.key
        // Not for tunnels: a session that is up and refuses everything would look as if it were of use.
        if !draft.isTunnel, draft.tunnel == nil, port == nil {
            let refusing = sessions.refusing()
            plan.refuse = { leg, loop in try install(leg, refusing, loops.context(on: loop)) }
        }
        return plan
    }
}

extension Assembly.Relay {
    func build(_ around: BuildContext, into unit: inout Node.Unit, _ watched: inout [FileWatcher.Watched]) {
        let built = self.draft.build(around)
        unit.parts.append(built.part)
        for (port, calls) in zip(self.draft.ports, built.ports) {
            var listener = Listener.Plan(
                name: around.name + port.suffix, protocol: self.entry.type, host: port.listen.host?.description,
                port: port.listen.port, layers: port.tls.layers(around, &watched),
                sockets: .carrier, home: built.home, install: calls.install
            )
            listener.onBound = calls.onBound
            unit.listeners.append(listener)
        }
    }
}
