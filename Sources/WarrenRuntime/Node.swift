// SPDX-License-Identifier: Apache-2.0

package import NIOCore
import NIOPosix
import ServiceLifecycle
import WarrenCore

/// Everything a configuration describes, running: listeners, outbounds and the loops under them.
package final class Node: Service {
    package struct Plan: Sendable {
        package var listeners: [Listener.Plan] = []
        package var parts: [any NodePart] = []
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
        /// How long running streams may go on after the first signal.
        package var drain = TimeAmount.seconds(10)
        package init() {}
    }

    private let plan: Plan
    private let loops: Loops
    private let reporter: Reporter
    private let onReady: @Sendable ([BoundListener]) -> Void

    /// - Parameter onReady: called once, when every listener is bound and every part has tried what it needs.
    package init(
        _ plan: Plan, loops: Loops, reporter: Reporter,
        onReady: @escaping @Sendable ([BoundListener]) -> Void
    ) {
        self.plan = plan
        self.loops = loops
        self.reporter = reporter
        self.onReady = onReady
    }

    /// Runs until graceful shutdown or cancellation.
    ///
    /// - Throws: ``StartFailure`` if a listener cannot be bound, or a part cannot be started; nothing is left
    ///   half-started then.
    package func run() async throws {
        let idle = self.plan.limits.idle
        for loop in self.loops.all { loop.execute { loop.readerPatience = idle > .zero ? idle : nil } }
        let listeners = try await self.bindAll()
        let sweep = self.startSweeping()
        let failure = await self.startParts()
        if let failure {
            await self.end(listeners, sweep, drains: false)
            throw failure
        }
        if !Task.isShuttingDownGracefully, !Task.isCancelled {
            for listener in listeners {
                let address = listener.bound.address
                self.reporter.listening(inbound: listener.plan.name, protocol: listener.plan.protocol, address: address)
            }
            self.onReady(listeners.map(\.bound))
            // Throws when the task is cancelled, which is the other way to be told to stop.
            try? await gracefulShutdown()
        }
        await self.end(listeners, sweep, drains: true)
    }

    private func end(_ listeners: [Listener], _ sweep: [RepeatedTask], drains: Bool) async {
        for task in sweep { task.cancel() }
        for listener in listeners { await listener.close() }
        for part in self.plan.parts { part.retire() }
        if drains { await self.drain() }
        for part in self.plan.parts { part.stop() }
        // A task on a loop does not fail.
        try? await self.loops.onEach { $0.evict() }.get()
    }

    /// Starts all parts at the same time, and waits until each has tried what it needs; not longer than until the node is
    /// told to stop, and not without end for one that is slow.
    private func startParts() async -> StartFailure? {
        guard let loop = self.loops.all.first, !self.plan.parts.isEmpty else { return nil }
        // Told to stop while it was binding: nothing is opened any more.
        guard !Task.isShuttingDownGracefully, !Task.isCancelled else { return nil }
        let done = loop.makePromise(of: Void.self)
        let started = self.plan.parts.map { part in
            part.start().flatMapErrorThrowing { error in throw StartFailure(part: part.name, error) }
        }
        // Completes with the first failure, or when all are through.
        EventLoopFuture.andAllSucceed(started, on: loop).cascade(to: done)
        let timeUp = loop.scheduleTask(in: self.plan.limits.start) { done.succeed() }
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

    private func bindAll() async throws -> [Listener] {
        let gate = Gate(limit: self.plan.limits.sessions, reporter: self.reporter)
        var bound: [Listener] = []
        for plan in self.plan.listeners {
            do {
                bound.append(try await Listener.bind(plan, on: self.loops, gate: gate))
            } catch {
                for listener in bound { await listener.close() }
                throw StartFailure(plan, error)
            }
        }
        return bound
    }

    private func startSweeping() -> [RepeatedTask] {
        let idle = self.plan.limits.idle
        guard idle > .zero else { return [] }
        let pause = TimeAmount.nanoseconds(min(max(idle.nanoseconds / 8, 100_000_000), 15_000_000_000))
        let loops = self.loops
        return loops.all.map { loop in
            loop.scheduleRepeatedTask(initialDelay: pause, delay: pause) { _ in
                loops.residents(on: loop).sweep(idleSince: .now() - idle)
            }
        }
    }

    /// Waits until every relay has ended by itself, or the time is up.
    private func drain() async {
        guard let loop = self.loops.all.first else { return }
        let empty = self.loops.all.map { loop in
            let promise = loop.makePromise(of: Void.self)
            loop.execute { self.loops.residents(on: loop).drain { promise.succeed() } }
            return promise.futureResult
        }
        let done = loop.makePromise(of: Void.self)
        EventLoopFuture.andAllComplete(empty, on: loop).cascade(to: done)
        let timeUp = loop.scheduleTask(in: self.plan.limits.drain) { done.succeed() }
        // The second signal cancels the task: no more waiting.
        await withTaskCancellationHandler {
            try? await done.futureResult.get()
        } onCancel: {
            done.succeed()
        }
        timeUp.cancel()
    }
}

/// What could not be started, in one sentence with a remedy.
package struct StartFailure: Error, CustomStringConvertible {
    package let description: String

    static let noDescriptors = StartFailure(
        description: "the system has no descriptors left; raise the limit of open files (ulimit -n)")

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
        let place = "\(plan.host ?? "*"):\(plan.port)"
        let remedy =
            switch (error as? IOError)?.errnoCode {
            case EADDRINUSE: "the port is in use; stop the other program or choose another port"
            case EACCES: "not permitted; ports below 1024 need root or CAP_NET_BIND_SERVICE"
            case EMFILE, ENFILE: "the system has no descriptors left; raise the limit of open files (ulimit -n)"
            case EADDRNOTAVAIL: "this machine has no such address; use one of its own, or leave the host out for all"
            default: "\(error)"
            }
        self.description = "\(plan.name): cannot listen on \(place): \(remedy)"
    }
}
