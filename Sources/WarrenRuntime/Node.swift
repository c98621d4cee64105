// SPDX-License-Identifier: Apache-2.0

package import NIOCore
import NIOPosix
import ServiceLifecycle
import Synchronization
import WarrenCore
import WarrenLoop

/// Everything a configuration describes, running: listeners, outbounds and the loops under them.
package final class Node: Service {
    /// One inbound, outbound or relay.
    package struct Unit: Sendable {
        package let tag: UnitTag
        package var listeners: [Listener.Plan] = []
        package var parts: [any NodeComponent] = []
        package init(_ tag: UnitTag) { self.tag = tag }
    }

    package struct Plan: Sendable {
        package var units: [Unit] = []
        package var limits = Limits()
        package init() {}
    }

    package struct Limits: Sendable {
        /// Streams on which nothing moves for so long are ended; zero never ends one.
        package var idle = TimeAmount.hours(1)
        /// Accepted connections over all listeners.
        package var sessions = 10_000
        /// How long parts may take for their first try before the node is ready without them; they go on trying.
        package var start = TimeAmount.seconds(15)
        /// How long running streams may go on after the first signal, and those of a unit after it has gone.
        package var drain = TimeAmount.seconds(10)
        package init() {}
    }

    /// A unit that runs.
    private struct Running {
        let tag: UnitTag
        var listeners: [Listener]
        let parts: [any NodeComponent]
    }

    private struct State {
        var limits: Limits
        var units: [Running] = []
        /// Parts of units that are on their way out.
        var leaving: [any NodeComponent] = []
        /// Closed ports on which conversations of such units go on.
        var draining: [Listener] = []
        /// Nothing is exchanged any more.
        var isEnding = false
    }

    private let first: Plan
    private let loops: Loops
    private let gate: ConnectionLimiter
    private let reporter: Reporter
    private let state: Mutex<State>
    private let onReady: @Sendable ([BoundListener]) -> Void

    /// - Parameter onReady: called once, when every listener is bound and every part has tried what it needs.
    package init(
        _ plan: Plan, loops: Loops, reporter: Reporter,
        onReady: @escaping @Sendable ([BoundListener]) -> Void
    ) {
        self.first = plan
        self.loops = loops
        self.gate = ConnectionLimiter(limit: plan.limits.sessions, reporter: reporter)
        self.reporter = reporter
        self.state = Mutex(State(limits: plan.limits))
        self.onReady = onReady
    }

    private var limits: Limits { self.state.withLock { $0.limits } }

    /// Runs until graceful shutdown or cancellation.
    ///
    /// - Throws: ``StartFailure`` if a listener cannot be bound, or a part cannot be started; nothing is left
    ///   half-started then.
    package func run() async throws {
        self.setReaderTimeout()
        let units = try await self.bindAll()
        self.state.withLock { $0.units = units }
        let sweep = self.startSweeping()
        if let failure = await self.start(units.flatMap(\.parts)) {
            await self.end(sweep, drains: false)
            throw failure
        }
        if !Task.isShuttingDownGracefully, !Task.isCancelled {
            let listeners = units.flatMap(\.listeners)
            for listener in listeners { self.tellListening(listener) }
            self.onReady(listeners.map(\.bound))
            // Throws when the task is cancelled, which is the other way to be told to stop.
            try? await gracefulShutdown()
        }
        await self.end(sweep, drains: true)
    }

    private func tellListening(_ listener: Listener) {
        let plan = listener.plan
        self.reporter.emit(.listening(inbound: plan.name, protocol: plan.protocol, address: listener.bound.address))
    }

    private func setReaderTimeout() {
        let idle = self.limits.idle
        for loop in self.loops.all { loop.execute { loop.readerTimeout = idle > .zero ? idle : nil } }
    }

    private func end(_ sweep: [RepeatedTask], drains: Bool) async {
        for task in sweep { task.cancel() }
        let (units, leaving) = self.state.withLock { state in
            state.isEnding = true
            return (state.units, state.leaving)
        }
        for listener in units.flatMap(\.listeners) { await listener.close() }
        let parts = units.flatMap(\.parts)
        for part in parts { part.retire() }
        if drains { await self.drain() }
        for part in parts + leaving { part.stop() }
        // A task on a loop does not fail.
        try? await self.loops.onEach { $0.evict() }.get()
    }

    /// Starts all parts at the same time, and waits until each has tried what it needs; not longer than until the node is
    /// told to stop, and not without end for one that is slow.
    private func start(_ parts: [any NodeComponent]) async -> StartFailure? {
        guard let loop = self.loops.all.first, !parts.isEmpty else { return nil }
        // Told to stop while it was binding: nothing is opened any more.
        guard !Task.isShuttingDownGracefully, !Task.isCancelled else { return nil }
        let done = loop.makePromise(of: Void.self)
        let started = parts.map { part in
            part.prepare(self.gate)
            return part.start().flatMapErrorThrowing { error in throw StartFailure(part: part.name, error) }
        }
        // Completes with the first failure, or when all are through.
        EventLoopFuture.andAllSucceed(started, on: loop).cascade(to: done)
        let timeUp = loop.scheduleTask(in: self.limits.start) { done.succeed() }
        defer { timeUp.cancel() }
        return await withTaskCancellationOrGracefulShutdownHandler {
            do {
                try await done.futureResult.get()
                return nil
            } catch {
                return error as? StartFailure ?? StartFailure(part: "start", error)
            }
        } onCancelOrGracefulShutdown: {
            done.succeed()
        }
    }

    private func bindAll() async throws -> [Running] {
        var running: [Running] = []
        do {
            for unit in self.first.units {
                running.append(Running(tag: unit.tag, listeners: [], parts: unit.parts))
                for plan in unit.listeners {
                    running[running.count - 1].listeners.append(try await self.bind(plan))
                }
            }
        } catch {
            for listener in running.flatMap(\.listeners) { await listener.close() }
            throw error
        }
        return running
    }

    private func bind(_ plan: Listener.Plan) async throws -> Listener {
        do { return try await Listener.bind(plan, on: self.loops, gate: self.gate) } catch {
            throw StartFailure(plan, error)
        }
    }

    private func startSweeping() -> [RepeatedTask] {
        let loops = self.loops
        let pause = Self.pause(self.limits.idle)
        return loops.all.map { loop in
            loop.scheduleRepeatedTask(initialDelay: pause, delay: pause) { _ in
                let idle = self.limits.idle
                if idle > .zero { loops.registry(on: loop).sweep(idleSince: .now() - idle) }
            }
        }
    }

    private static func pause(_ idle: TimeAmount) -> TimeAmount {
        guard idle > .zero else { return .seconds(15) }
        return TimeAmount.nanoseconds(min(max(idle.nanoseconds / 8, 100_000_000), 15_000_000_000))
    }

    /// Waits until every relay has ended by itself, or the time is up.
    private func drain() async {
        guard let loop = self.loops.all.first else { return }
        let empty = self.loops.all.map { loop in
            let promise = loop.makePromise(of: Void.self)
            loop.execute { self.loops.registry(on: loop).drain { promise.succeed() } }
            return promise.futureResult
        }
        let done = loop.makePromise(of: Void.self)
        EventLoopFuture.andAllComplete(empty, on: loop).cascade(to: done)
        let timeUp = loop.scheduleTask(in: self.limits.drain) { done.succeed() }
        // The second signal cancels the task: no more waiting.
        await withTaskCancellationHandler {
            try? await done.futureResult.get()
        } onCancel: {
            done.succeed()
        }
        timeUp.cancel()
    }
}

// MARK: - The exchange of units

extension Node {
    /// Takes units out and puts others in: all, or nothing if a new port cannot be had.
    ///
    /// A port that an old unit and a new one have in common stays open and changes hands, and so does one on which streams of a
    /// unit that left earlier go on. What leaves drains alone: its streams may go on for the time of the drain, and new ones of its
    /// sessions are its successor's matter. One at a time.
    ///
    /// - Parameters:
    ///   - commit: done between the two, when nothing can fail any more.
    /// - Throws: ``StartFailure``; nothing has changed then.
    package func exchange(
        _ old: [UnitTag], for new: [Unit], limits: Limits, commit: () -> Void
    ) async throws {
        let retiring = Set(old.map { ObjectIdentifier($0) })
        let (running, draining) = self.state.withLock { ($0.units, $0.draining) }
        let left = running.filter { retiring.contains(ObjectIdentifier($0.tag)) }
        var ports = PortExchange(of: left.flatMap(\.listeners), draining: draining)
        var units: [Running] = []
        do {
            for unit in new {
                var listeners: [Listener] = []
                for plan in unit.listeners { listeners.append(try await ports.take(plan, self.bind)) }
                units.append(Running(tag: unit.tag, listeners: listeners, parts: unit.parts))
            }
        } catch {
            await ports.undo()
            throw error
        }
        let isEnding = self.state.withLock { state in
            guard !state.isEnding else { return true }
            state.limits = limits
            state.units = state.units.filter { !retiring.contains(ObjectIdentifier($0.tag)) } + units
            return false
        }
        guard !isEnding else {
            await ports.undo()
            throw StartFailure.ending
        }
        self.gate.allow(limits.sessions)
        self.setReaderTimeout()
        commit()
        ports.handOver()
        for listener in units.flatMap(\.listeners) { self.tellListening(listener) }
        let (leaving, coming) = (left.flatMap(\.parts), units.flatMap(\.parts))
        for part in coming { for other in leaving { part.takeOver(from: other) } }
        for part in coming { self.startLate(part) }
        let rest = await ports.closeRest()
        self.letDrain(rest)
        self.leave(old, leaving, limits.drain)
    }

    /// Keeps closed ports on which conversations go on, until those have ended.
    private func letDrain(_ listeners: [Listener]) {
        self.state.withLock { $0.draining = listeners }
        for listener in listeners {
            listener.whenDrained { [weak self, weak listener] in
                self?.state.withLock { $0.draining.removeAll { $0 === listener } }
            }
        }
    }

    private func startLate(_ part: any NodeComponent) {
        part.prepare(self.gate)
        part.start().whenFailure { [reporter] error in
            reporter.emit(.warn("\(StartFailure(part: part.name, error))"))
        }
    }

    private func leave(_ tags: [UnitTag], _ parts: [any NodeComponent], _ drain: TimeAmount) {
        guard let loop = self.loops.all.first, !tags.isEmpty else { return }
        for tag in tags { tag.retire() }
        for part in parts { part.retire() }
        self.state.withLock { $0.leaving += parts }
        self.settle(Set(tags.map { ObjectIdentifier($0) }), tags, parts, until: .now() + drain, on: loop)
    }

    /// Gives up what has left when its last stream has ended, or its time is up.
    private func settle(
        _ ids: Set<ObjectIdentifier>, _ tags: [UnitTag], _ parts: [any NodeComponent], until end: NIODeadline,
        on loop: SocketLoop
    ) {
        _ = loop.scheduleTask(in: min(Self.drainStep, max(.zero, end - .now()))) {
            let isLate = end <= .now()
            let counts = EventLoopFuture.whenAllSucceed(
                self.loops.all.map { loop in
                    loop.submit { self.loops.registry(on: loop).settle(ids, evicts: isLate) }
                }, on: loop)
            counts.whenComplete { result in
                let left = (try? result.get())?.reduce(0, +) ?? 0  // a task on a loop does not fail
                guard left == 0 || isLate else { return self.settle(ids, tags, parts, until: end, on: loop) }
                for tag in tags { tag.end() }
                for part in parts { part.stop() }
                _ = self.loops.onEach { _ = $0.settle(ids, evicts: true) }
                self.state.withLock { state in
                    state.leaving.removeAll { one in parts.contains { $0 === one } }
                }
            }
        }
    }

    private static var drainStep: TimeAmount { .milliseconds(250) }
}

// MARK: - For people

extension Node {
    /// Every tunnel that is kept up or waited for.
    package func tunnels() async -> [TunnelStatus] {
        let parts = self.state.withLock { $0.units.flatMap(\.parts) }
        var all: [TunnelStatus] = []
        // A task on a loop does not fail.
        for future in parts.compactMap({ $0.tunnels() }) { all += (try? await future.get()) ?? [] }
        return all
    }

    /// Where everything listens.
    package var listening: [(tag: UnitTag, listeners: [BoundListener])] {
        self.state.withLock { $0.units.map { ($0.tag, $0.listeners.map(\.bound)) } }
    }

    package func streams() async -> [StreamStatus] { await self.loops.gather { $0.streams() }.flatMap { $0 } }

    package func sessions() async -> [SessionStatus] { await self.loops.gather { $0.tunnels() }.flatMap { $0 } }

    package func streamsOfUnits() async -> [ObjectIdentifier: Int] {
        await self.loops.gather { $0.streamsOfUnits() }.reduce(into: [:]) { all, some in
            all.merge(some, uniquingKeysWith: +)
        }
    }

    package func kill(_ id: LivingID) async -> Bool { await self.loops.gather { $0.kill(id) }.contains(true) }
}

/// What could not be started, in one sentence with a remedy.
package struct StartFailure: Error, CustomStringConvertible {
    package let description: String

    static let noDescriptors = StartFailure(
        description: "the system has no descriptors left; raise the limit of open files (ulimit -n)")

    package static let exchanging = StartFailure(description: "another configuration is being applied; try again")
    static let ending = StartFailure(description: "the process is on its way out")

    private init(description: String) { self.description = description }

    init(part name: String, _ error: any Error) {
        let reason =
            switch (error as? IOError)?.errnoCode {
            case EMFILE?, ENFILE?: "the system has no descriptors left; raise the limit of open files (ulimit -n)"
            default: "\(error)"
            }
        self.description = "\(name): cannot start: \(reason)"
    }

    init(_ plan: Listener.Plan, _ error: any Error) {
        self.init(listening: plan.name, host: plan.host, port: plan.port, error)
    }

    /// - Parameter host: nil for all interfaces.
    package init(listening name: String, host: String?, port: UInt16, _ error: any Error) {
        let place = "\(host ?? "*"):\(port)"
        self.description = "\(name): cannot listen on \(place): \(Self.reason(notListening: error))"
    }

    /// Why there is no listener, with what helps.
    static func reason(notListening error: any Error) -> String {
        switch (error as? IOError)?.errnoCode {
        case EADDRINUSE: "the port is in use; stop the other program or choose another port"
        case EACCES: "not permitted; ports below 1024 need root or CAP_NET_BIND_SERVICE"
        case EMFILE, ENFILE: "the system has no descriptors left; raise the limit of open files (ulimit -n)"
        case EADDRNOTAVAIL: "this machine has no such address; use one of its own, or leave the host out for all"
        default:
            error is SocketAddressError.UnknownHost
                ? "unknown host; write an address of this machine, or leave the host out for all" : "\(error)"
        }
    }
}
