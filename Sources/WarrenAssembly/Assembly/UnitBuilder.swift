// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenConfiguration
import WarrenCore
import WarrenLoop
import WarrenRuntime

/// Puts the units of a configuration together, and keeps those that run already.
struct UnitBuilder {
    struct Built {
        var units: [UnitKey: LiveUnit] = [:]
        /// Those that are not running yet.
        var new: [Node.Unit] = []
        /// Inbounds that stay and whose streams go elsewhere from now on.
        var turns: [(StreamTarget, any WarrenRuntime.Outbound, UnitTag?)] = []
        /// Inbounds that stay, and what may be used there from now on.
        var allowances: [(Accounts, Accounts.Plan)] = []
        /// Parts, and those whose place they take.
        var followers: [(any NodeComponent, any NodeComponent)] = []
        /// Sessions of inbounds that go, and those that open their streams from then on.
        var heirs: [(InboundSessions, InboundSessions)] = []
    }

    private let assembly: Assembly
    private let ground: Ground
    private let old: [UnitKey: LiveUnit]
    private let dialer: Dialer

    init(_ assembly: Assembly, on ground: Ground, old: [UnitKey: LiveUnit]) {
        self.assembly = assembly
        self.ground = ground
        self.old = old
        let reporter = ground.reporter
        var dialer = Dialer(resolver: ground.resolver, policy: assembly.policies.common)
        dialer.onRefusal = { reporter.emit(.egressRefused($0, $1)) }
        dialer.onShortage = { reporter.emit(.outOfDescriptors(limit: DescriptorLimit.process.count)) }
        self.dialer = dialer
    }

    private var configuration: Configuration { self.assembly.configuration }
    private var egress: Configuration.Egress { self.configuration.egress.texts }

    /// Opens nothing: whoever only asks throws it away.
    func build() -> Built {
        var built = Built()
        self.direct(&built)
        // Those that others are reached through come first.
        let chains = self.assembly.chains
        for outbound in self.assembly.outbounds.sorted(by: {
            chains.depth(of: $0.entry.name) < chains.depth(of: $1.entry.name)
        }) {
            self.add(outbound, &built)
        }
        for relay in self.assembly.relays { self.add(relay, &built) }
        for inbound in self.assembly.inbounds { self.add(inbound, &built) }
        return built
    }

    /// The outbound that always exists, where none of the entries is it.
    private func direct(_ built: inout Built) {
        let key = UnitKey(.outbound, Entry.direct)
        guard !self.assembly.outbounds.contains(where: { $0.entry.name == Entry.direct }) else { return }
        let print = Fingerprint(type: Entry.direct, keys: "", handshake: 0, streams: 0)
        let known = self.old[key].flatMap { $0.print == print ? $0.tag : nil }
        let tag = known ?? UnitTag(role: key.role.rawValue, name: key.name)
        var unit = LiveUnit(tag: tag, print: print)
        unit.outbound = DirectOutbound(
            name: Entry.direct, dialer: self.dialer, policies: self.assembly.policies.users)
        built.units[key] = unit
        if known == nil { built.new.append(Node.Unit(tag)) }
    }

    private func outbound(_ name: String, _ built: Built) -> LiveUnit? { built.units[UnitKey(.outbound, name)] }

    private func around(_ tag: UnitTag, _ entry: Entry, _ built: Built) -> BuildContext {
        let hop = entry.through.flatMap { self.outbound($0.value, built)?.outbound }
        let direct = hop as? DirectOutbound
        let loops = self.ground.loops
        return BuildContext(
            unit: tag, dialer: direct?.dialer ?? self.dialer, loops: loops, reporter: self.ground.reporter,
            limits: self.configuration.limits, hooks: self.ground.hooks, through: direct == nil ? hop : nil,
            policies: self.assembly.policies.users, home: loops.next)
    }

    private func print(
        _ entry: Entry, _ built: Built, without keys: Set<String> = [], egress: Bool = false, shared: LiveUnit? = nil
    ) -> Fingerprint {
        var print = Fingerprint(entry, self.configuration.limits, without: keys)
        let hop = entry.through.flatMap { self.outbound($0.value, built) }
        print.under = [hop, shared].compactMap { $0.map { ObjectIdentifier($0.tag) } }
        if egress { print.egress = self.egress }
        return print
    }

    // MARK: Outbounds

    private func add(_ outbound: Assembly.Outbound, _ built: inout Built) {
        let key = UnitKey(outbound.entry)
        // A relay may send us on to anywhere, which egress judges.
        let print = self.print(outbound.entry, built, egress: outbound.entry.type == "jet")
        if let known = self.old[key], known.print == print {
            built.units[key] = known
            // It keeps nothing but how it dials, which egress judges.
            guard case .direct = outbound.draft else { return }
            let made = outbound.build(self.around(known.tag, outbound.entry, built))
            built.units[key]?.outbound = made
            return
        }
        let tag = UnitTag(role: key.role.rawValue, name: key.name)
        let around = self.around(tag, outbound.entry, built)
        var unit = LiveUnit(tag: tag, print: print)
        var plan = Node.Unit(tag)
        let made = outbound.build(around)
        unit.outbound = made
        if let part = made as? any NodeComponent { plan.parts.append(part) }
        outbound.listen(for: made, around, into: &plan, &unit.watched)
        outbound.carriers.watch(around, &unit.watched)
        unit.watched += outbound.watched.map { $0.reporting(to: around.reporter, about: around.name) }
        unit.admission = outbound.entry.admission
        unit.parts = plan.parts
        if let known = self.old[key], known.admission == unit.admission {
            built.followers += zip(unit.parts, known.parts).map { ($0, $1) }
        }
        built.units[key] = unit
        built.new.append(plan)
    }

    // MARK: Relays

    private func add(_ relay: Assembly.Relay, _ built: inout Built) {
        let key = UnitKey(relay.entry)
        let print = self.print(relay.entry, built)
        if let known = self.old[key], known.print == print {
            built.units[key] = known
            return
        }
        let tag = UnitTag(role: key.role.rawValue, name: key.name)
        var unit = LiveUnit(tag: tag, print: print)
        var plan = Node.Unit(tag)
        relay.build(self.around(tag, relay.entry, built), into: &plan, &unit.watched)
        built.units[key] = unit
        built.new.append(plan)
    }

    // MARK: Inbounds

    private func add(_ inbound: Assembly.Inbound, _ built: inout Built) {
        let key = UnitKey(inbound.entry)
        let sharer = self.sharer(of: inbound.entry.name)
        let last = self.outbound(inbound.entry.to?.value ?? Entry.direct, built)
        let shared = inbound.needsNames ? last : sharer.flatMap { self.outbound($0.outbound.entry.name, built) }
        let print = self.print(inbound.entry, built, without: ["to"], shared: shared)
        guard let way = self.way(inbound.entry, built), let lastOutbound = last?.outbound else { return }
        if var known = self.old[key], known.print == print, let target = known.target {
            if known.way != way.print { built.turns.append((target, way.outbound, way.tag)) }
            known.way = way.print
            known.destination = inbound.entry.to?.value
            known.allowance = inbound.accounts
            if let accounts = known.accounts { built.allowances.append((accounts, inbound.accounts)) }
            built.units[key] = known
            return
        }
        let tag = UnitTag(role: key.role.rawValue, name: key.name)
        let around = self.around(tag, inbound.entry, built)
        let target = StreamTarget(way.outbound, way.tag)
        var unit = LiveUnit(tag: tag, print: print)
        unit.target = target
        unit.way = way.print
        let accounts = Accounts(inbound.accounts)
        unit.accounts = accounts
        unit.allowance = inbound.accounts
        unit.destination = inbound.entry.to?.value
        var plan = Node.Unit(tag)
        var port: SharedPort?
        if let arrival = sharer?.arrival, let outbound = shared?.outbound as? any ArrivingOutbound {
            port = SharedPort(
                outbound: outbound, detector: arrival.detector, layers: arrival.tls.layers(around, &unit.watched),
                timeout: around.limits.handshake)
        }
        unit.sessions = inbound.build(
            around, to: target, lastOutbound, accounts, sharing: port, into: &plan, &unit.watched)
        unit.parts = plan.parts
        unit.admission = inbound.entry.admission
        if let known = self.old[key] { self.succeed(known, unit, &built) }
        inbound.carriers.watch(around, &unit.watched)
        for tls in inbound.served { tls.watch(around, &unit.watched) }
        built.units[key] = unit
        built.new.append(plan)
    }

    /// What drains of an inbound is served by the one that has its name.
    private func succeed(_ old: LiveUnit, _ new: LiveUnit, _ built: inout Built) {
        built.followers += zip(new.parts, old.parts).map { ($0, $1) }
        guard old.admission == new.admission, let former = old.sessions, let heir = new.sessions else { return }
        built.heirs.append((former, heir))
    }

    /// The outbound whose far ends arrive on the port of an inbound.
    private func sharer(
        of inbound: String
    ) -> (outbound: Assembly.Outbound, arrival: SharedArrival)? {
        for outbound in self.assembly.outbounds {
            if case .shared(let name, let arrival) = outbound.arrival, name.value == inbound {
                return (outbound, arrival)
            }
        }
        return nil
    }

    private func way(
        _ inbound: Entry, _ built: Built
    ) -> (outbound: any WarrenRuntime.Outbound, tag: UnitTag?, print: WayPrint)? {
        let name = inbound.to?.value ?? Entry.direct
        guard let last = self.outbound(name, built), let lastOutbound = last.outbound else { return nil }
        let rules = Assembly.rules(for: inbound.name, self.assembly.routes)
        let names = [name] + rules.flatMap(\.target.names)
        let units = names.compactMap { self.outbound($0, built) }
        let print = WayPrint(
            rules: rules, outbounds: units.map { ObjectIdentifier($0.tag) }, egress: self.egress)
        guard !rules.isEmpty else { return (lastOutbound, last.tag, print) }
        var outbounds: [String: any WarrenRuntime.Outbound] = [:]
        var tags: [String: UnitTag] = [:]
        for (key, unit) in built.units where key.role == .outbound {
            outbounds[key.name] = unit.outbound
            tags[key.name] = unit.tag
        }
        let router = Router(rules, outbounds, last: lastOutbound, units: tags, resolver: self.ground.resolver)
        return (router, nil, print)
    }
}

extension Configuration.Egress {
    /// Without places, so that equal rules are equal wherever they stand.
    var texts: Configuration.Egress {
        let nowhere = Place(argument: "", position: 0)
        func bare(_ rules: [Located<String>]?) -> [Located<String>]? { rules?.map { Located($0.value, at: nowhere) } }
        return Configuration.Egress(
            allow: bare(self.allow), deny: bare(self.deny), users: self.users.mapValues(\.texts))
    }
}
