// SPDX-License-Identifier: Apache-2.0

package import Logging
package import ServiceLifecycle
import WarrenConfiguration
import WarrenCore
package import WarrenRuntime

/// A configuration that runs, and is exchanged for another one unit by unit.
package actor LiveConfiguration {
    /// What an exchange does with the units.
    package struct Change: Hashable, Sendable {
        package var kept: [UnitKey] = []
        package var added: [UnitKey] = []
        package var changed: [UnitKey] = []
        package var removed: [UnitKey] = []
        /// Those of the kept ones whose streams go elsewhere from now on, or may use more or less.
        package var adjusted: [UnitKey] = []
        /// Settings that are not a unit's and have changed.
        package var settings: [String] = []

        package var isEmpty: Bool {
            self.adjusted.isEmpty && self.added.isEmpty && self.changed.isEmpty && self.removed.isEmpty
                && self.settings.isEmpty
        }
    }

    package nonisolated let node: Node
    package nonisolated let watcher: FileWatcher
    private let ground: Ground
    private var assembly: Assembly
    private var units: [UnitKey: LiveUnit]
    private var isExchanging = false

    /// Puts everything together. Opens nothing: ``services`` do.
    ///
    /// - Parameter onReady: called once, with the name and address of every listener.
    package init(
        _ assembly: Assembly, logger: Logger, streams: (any StreamLog)? = nil, loops: Loops,
        resolver: any AddressResolver = SystemResolver(), hooks: Hooks = Hooks(),
        onReady: @escaping @Sendable ([BoundListener]) -> Void
    ) {
        let reporter = Reporter(logger: logger, streams: streams)
        let ground = Ground(reporter: reporter, loops: loops, resolver: resolver, hooks: hooks)
        let built = UnitBuilder(assembly, on: ground, old: [:]).build()
        var plan = Node.Plan()
        plan.limits = assembly.nodeLimits
        plan.units = built.new
        self.ground = ground
        self.assembly = assembly
        self.units = built.units
        self.watcher = FileWatcher(on: loops.all.first ?? loops.next())
        for unit in built.units.values { self.watcher.watch(unit.watched, for: unit.tag) }
        self.node = Node(plan, loops: loops, reporter: reporter, onReady: onReady)
    }

    /// What runs as services of one group.
    package nonisolated var services: [any Service] { [self.watcher, self.node] }

    /// Exchanges what runs: all of it, or nothing.
    ///
    /// - Throws: ``StartFailure``; nothing has changed then.
    @discardableResult
    package func apply(_ new: Assembly) async throws -> Change {
        guard !self.isExchanging else { throw StartFailure.exchanging }
        self.isExchanging = true
        defer { self.isExchanging = false }
        let built = UnitBuilder(new, on: self.ground, old: self.units).build()
        let old = self.units.filter { built.units[$0.key]?.tag !== $0.value.tag }
        let change = self.change(to: new, built)
        try await self.node.exchange(old.values.map(\.tag), for: built.new, limits: new.nodeLimits) {
            for (target, outbound, tag) in built.turns { target.exchange(outbound, tag) }
            for (accounts, plan) in built.allowances { accounts.exchange(plan) }
            for (part, former) in built.followers { part.follow(former) }
            for (sessions, heir) in built.heirs { sessions.leave(to: heir) }
        }
        for unit in old.values { self.watcher.forget(unit.tag) }
        let running = Set(self.units.values.map { ObjectIdentifier($0.tag) })
        for unit in built.units.values where !running.contains(ObjectIdentifier(unit.tag)) {
            self.watcher.watch(unit.watched, for: unit.tag)
        }
        self.units = built.units
        self.assembly = new
        return change
    }

    /// What an exchange would do.
    package func change(to new: Assembly) -> Change {
        self.change(to: new, UnitBuilder(new, on: self.ground, old: self.units).build())
    }

    private func change(to new: Assembly, _ built: UnitBuilder.Built) -> Change {
        var change = Change()
        for (key, unit) in built.units {
            guard let old = self.units[key] else {
                change.added.append(key)
                continue
            }
            guard old.tag === unit.tag else {
                change.changed.append(key)
                continue
            }
            change.kept.append(key)
            if old.destination != unit.destination || old.allowance != unit.allowance { change.adjusted.append(key) }
        }
        change.removed = self.units.keys.filter { built.units[$0] == nil }
        change.settings = self.assembly.settings(differingFrom: new)
        for path in [\Change.kept, \.added, \.changed, \.removed, \.adjusted] as [WritableKeyPath] {
            change[keyPath: path].sort()
        }
        return change
    }

    /// The units, and how many streams each has.
    package func unitStreams() async -> [(key: UnitKey, type: String, streams: Int)] {
        let counts = await self.node.streamsOfUnits()
        return self.units.sorted { $0.key < $1.key }.map { key, unit in
            (key, unit.print.type, counts[ObjectIdentifier(unit.tag)] ?? 0)
        }
    }
}

/// What everything is built on.
struct Ground: Sendable {
    let reporter: Reporter
    let loops: Loops
    let resolver: any AddressResolver
    let hooks: Hooks
}

extension Assembly {
    var nodeLimits: Node.Limits {
        var limits = Node.Limits()
        limits.idle = self.configuration.limits.idle
        limits.sessions = self.configuration.limits.sessions
        limits.drain = self.configuration.drain
        return limits
    }

    /// The names of settings that are no unit's and differ.
    func settings(differingFrom other: Assembly) -> [String] {
        let (old, new) = (self.configuration, other.configuration)
        var names: [String] = []
        if old.log.level != new.log.level { names.append("log") }
        if old.log.format != new.log.format { names.append("log format (at the next start)") }
        if old.admin?.value != new.admin?.value { names.append("admin (at the next start)") }
        if old.routes.map(\.rule) != new.routes.map(\.rule)
            || old.routes.map(\.inboundNames) != new.routes.map(\.inboundNames)
        {
            names.append("routes")
        }
        if old.egress.texts != new.egress.texts { names.append("egress") }
        if old.limits != new.limits { names.append("limits") }
        if old.drain != new.drain { names.append("drain") }
        return names
    }
}

extension Route {
    fileprivate var inboundNames: [String]? { self.inbounds?.map(\.value) }
}
