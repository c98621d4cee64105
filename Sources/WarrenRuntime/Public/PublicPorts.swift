// SPDX-License-Identifier: Apache-2.0

package import NIOCore
import Synchronization
import WarrenCore
import WarrenLoop

/// The raw ports of devices: a listener for each that is served, as long as it is.
package final class PublicPorts: NodeComponent, Sendable {
    package let name: String
    /// Between two tries to open a port.
    private static let pause = TimeAmount.seconds(1)
    private let outbound: PublicNamesOutbound
    private let allowed: [ClosedRange<UInt16>]
    private let makePlan: @Sendable (UInt16) -> Listener.Plan
    private let loops: Loops
    private let reporter: Reporter
    private let state = Mutex(State())

    /// What a port is, if it is not shut. What is asked for meanwhile has its turn when it is open, or shut.
    private enum Door {
        case opening
        case open(Listener)
        case closing
    }

    private struct State {
        var limiter: ConnectionLimiter?
        var isOver = false
        /// Whose open ports are taken over.
        weak var former: PublicPorts?
        /// Another one looks after the ports; those that it does not take over stay as they are until the end.
        var isFollowed = false
        /// Ports that are served now.
        var wanted: Set<UInt16> = []
        var doors: [UInt16: Door] = [:]
        /// Ports that could not be opened, of which a line was written.
        var failing: Set<UInt16> = []
    }

    /// - Parameters:
    ///   - allowed: ports that devices may have here.
    ///   - makePlan: how a port is opened.
    package init(
        of outbound: PublicNamesOutbound, allowed: [ClosedRange<UInt16>], name: String, loops: Loops,
        reporter: Reporter, makePlan: @escaping @Sendable (UInt16) -> Listener.Plan
    ) {
        self.outbound = outbound
        self.allowed = allowed
        self.name = name
        self.loops = loops
        self.reporter = reporter
        self.makePlan = makePlan
    }

    package func prepare(_ limiter: ConnectionLimiter) { self.state.withLock { $0.limiter = limiter } }

    package func follow(_ former: any NodeComponent) {
        guard let former = former as? PublicPorts else { return }
        former.state.withLock { $0.isFollowed = true }
        self.state.withLock { $0.former = former }
    }

    package func start() -> EventLoopFuture<Void> {
        self.outbound.watchPorts(self) { [weak self] in self?.changed($0) }
        return self.loops.next().makeSucceededVoidFuture()
    }

    package func retire() { self.stop() }

    package func stop() {
        self.outbound.unwatchPorts(self)
        let ports = self.state.withLock { state in
            state.isOver = true
            state.wanted = []
            return Array(state.doors.keys)
        }
        for port in ports { self.settle(port) }
    }

    private func changed(_ port: UInt16) {
        guard self.allowed.contains(where: { $0.contains(port) }) else {
            guard self.outbound.servesPort(port) else { return }
            let sentence = "\(self.name): a device may have port \(port), which ports: does not name; it is not opened"
            return self.reporter.emit(.warn(sentence))
        }
        let isOurs = self.state.withLock { state in
            guard !state.isFollowed else { return false }
            if !state.isOver, self.outbound.servesPort(port) {
                state.wanted.insert(port)
            } else {
                state.wanted.remove(port)
                state.failing.remove(port)
            }
            return true
        }
        if isOurs { self.settle(port) }
    }

    /// Takes a port from the one that was here before a reload, with whoever is about to come in.
    private func takeOver(_ port: UInt16, by plan: Listener.Plan) -> Listener? {
        guard let former = self.state.withLock({ $0.former }) else { return nil }
        let listener = former.state.withLock { state -> Listener? in
            guard case .open(let listener)? = state.doors[port], listener.fits(plan) else { return nil }
            state.doors[port] = nil
            state.wanted.remove(port)
            return listener
        }
        listener?.exchange(plan)
        return listener
    }

    private enum Step {
        case open(ConnectionLimiter)
        case close(Listener)
    }

    /// Opens a port that is wanted, closes one that is not; one at a time, as nobody can bind what is not closed yet.
    private func settle(_ port: UInt16) {
        let step = self.state.withLock { state -> Step? in
            switch (state.doors[port], state.wanted.contains(port)) {
            case (nil, true):
                guard let limiter = state.limiter else { return nil }
                state.doors[port] = .opening
                return .open(limiter)
            case (.open(let listener)?, false):
                state.doors[port] = .closing
                return .close(listener)
            case (nil, false), (.opening?, _), (.open?, true), (.closing?, _): return nil
            }
        }
        switch step {
        case nil: break
        case .open(let limiter)?:
            let plan = self.makePlan(port)
            if let listener = self.takeOver(port, by: plan) { return self.opened(port, listener) }
            Task { await self.open(port, plan, limiter) }
        case .close(let listener)?:
            Task {
                await listener.close()
                self.state.withLock { $0.doors[port] = nil }
                self.settle(port)
            }
        }
    }

    private func open(_ port: UInt16, _ plan: Listener.Plan, _ limiter: ConnectionLimiter) async {
        do {
            self.opened(port, try await Listener.bind(plan, on: self.loops, gate: limiter))
        } catch {
            self.failed(port, error)
        }
    }

    private func opened(_ port: UInt16, _ listener: Listener) {
        self.state.withLock { state in
            state.doors[port] = .open(listener)
            state.failing.remove(port)
        }
        self.settle(port)
    }

    /// Tried again as long as a device has it: a unit that leaves may be about to close the port.
    private func failed(_ port: UInt16, _ error: any Error) {
        let isNews = self.state.withLock { state in
            state.doors[port] = nil
            return state.wanted.contains(port) && state.failing.insert(port).inserted
        }
        if isNews { self.reporter.emit(.warn("\(self.name): port \(port) of a device cannot be opened yet: \(error)")) }
        _ = self.loops.next().scheduleTask(in: Self.pause) { self.settle(port) }
    }
}
