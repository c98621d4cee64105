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
        /// By this, or by one that leaves and will pass it on.
        case opening
        case open(Listener)
        case closing
    }

    private struct State {
        var limiter: ConnectionLimiter?
        var hasStarted = false
        var isOver = false
        /// Ports that are served now.
        var wanted: Set<UInt16> = []
        var doors: [UInt16: Door] = [:]
        /// Ports that could not be opened, of which a line was written.
        var failing: Set<UInt16> = []
        /// When this leaves: who gets a port, when it is open or shut.
        var heirs: [UInt16: PublicPorts] = [:]
        /// Ports that are another's matter, from when it was to have them.
        var left: Set<UInt16> = []

        /// Who gets the port, which is not one of this any more.
        mutating func takeHeir(of port: UInt16) -> PublicPorts? {
            guard let heir = self.heirs.removeValue(forKey: port) else { return nil }
            self.doors[port] = nil
            return heir
        }
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
        outbound.offerPorts(allowed, by: self) { [weak self] in self?.obstacle(to: $0) }
    }

    deinit { self.outbound.endOffer(by: self) }

    package func prepare(_ limiter: ConnectionLimiter) { self.state.withLock { $0.limiter = limiter } }

    package func start() -> EventLoopFuture<Void> {
        self.outbound.watchPorts(self) { [weak self] in self?.changed($0) }
        // What was taken over and nobody has any more is closed.
        let ports = self.state.withLock { state in
            state.hasStarted = true
            return Array(state.doors.keys)
        }
        for port in ports { self.settle(port) }
        return self.loops.next().makeSucceededVoidFuture()
    }

    package func retire() { self.stop() }

    package func stop() {
        self.outbound.unwatchPorts(self)
        self.outbound.endOffer(by: self)
        let ports = self.state.withLock { state in
            state.isOver = true
            state.wanted = []
            return Array(state.doors.keys)
        }
        for port in ports { self.settle(port) }
    }

    /// A port that both may have stays open: connections that come are taken by this one from now on. The others stay as they
    /// are until the end of the one that leaves, so that each of several may take its share.
    package func takeOver(from other: any NodeComponent) { (other as? PublicPorts)?.leave(to: self) }

    private func leave(to heir: PublicPorts) {
        self.outbound.endOffer(by: self)
        let ports = self.state.withLock { state in
            let ports = state.doors.keys.filter { !state.left.contains($0) && heir.fits(self, $0) }
            for port in ports { state.heirs[port] = heir }
            state.left.formUnion(ports)
            state.wanted.subtract(ports)
            heir.expect(ports)
            return ports
        }
        for port in ports { self.settle(port) }
    }

    /// What is about to open, or to close, at one that leaves is not tried here before that is done.
    private func expect(_ ports: [UInt16]) {
        self.state.withLock { state in for port in ports { state.doors[port] = .opening } }
    }

    /// Why a port cannot be opened now; nil where it can, and where it is open or on its way to be, or to be shut.
    private func obstacle(to port: UInt16) -> (any Error)? {
        guard self.state.withLock({ $0.doors[port] == nil }) else { return nil }
        return Listener.obstacle(to: self.makePlan(port))
    }

    private func isAllowed(_ port: UInt16) -> Bool { self.allowed.contains { $0.contains(port) } }

    /// Whether another would open the port as this one does.
    private func fits(_ other: PublicPorts, _ port: UInt16) -> Bool {
        self.isAllowed(port) && self.makePlan(port).host == other.makePlan(port).host
    }

    /// - Parameter listener: nil for a port that is shut.
    private func inherit(_ port: UInt16, _ listener: Listener?) {
        listener?.exchange(self.makePlan(port))
        self.state.withLock { $0.doors[port] = listener.map { .open($0) } }
        self.settle(port)
    }

    private func changed(_ port: UInt16) {
        guard self.isAllowed(port) else {
            // Of one that came before a reload.
            guard self.outbound.servesPort(port), !self.outbound.offersPort(port) else { return }
            let sentence = "\(self.name): a device may have port \(port), which ports: does not name; it is not opened"
            return self.reporter.emit(.warn(sentence))
        }
        self.state.withLock { state in
            if !state.isOver, !state.left.contains(port), self.outbound.servesPort(port) {
                state.wanted.insert(port)
            } else {
                state.wanted.remove(port)
                state.failing.remove(port)
            }
        }
        self.settle(port)
    }

    private enum Step {
        case open(ConnectionLimiter)
        case close(Listener)
        case pass(Listener?, to: PublicPorts)
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
                if let heir = state.takeHeir(of: port) { return .pass(listener, to: heir) }
                guard state.hasStarted || state.isOver else { return nil }
                state.doors[port] = .closing
                return .close(listener)
            case (nil, false): return state.takeHeir(of: port).map { .pass(nil, to: $0) }
            case (.opening?, _), (.open?, true), (.closing?, _): return nil
            }
        }
        switch step {
        case nil: break
        case .pass(let listener, let heir)?: heir.inherit(port, listener)
        case .open(let limiter)?: Task { await self.open(port, limiter) }
        case .close(let listener)?:
            Task {
                await listener.close()
                self.state.withLock { $0.doors[port] = nil }
                self.settle(port)
            }
        }
    }

    private func open(_ port: UInt16, _ limiter: ConnectionLimiter) async {
        do {
            let listener = try await Listener.bind(self.makePlan(port), on: self.loops, gate: limiter)
            self.state.withLock { state in
                state.doors[port] = .open(listener)
                state.failing.remove(port)
            }
            self.settle(port)
        } catch {
            self.failed(port, error)
        }
    }

    /// Tried again as long as a device has it: a unit that leaves may be about to close the port.
    private func failed(_ port: UInt16, _ error: any Error) {
        let (isWanted, isNews) = self.state.withLock { state in
            state.doors[port] = nil
            let isWanted = state.wanted.contains(port)
            return (isWanted, isWanted && state.failing.insert(port).inserted)
        }
        guard isWanted else { return self.settle(port) }
        if isNews {
            let reason = StartFailure.reason(notListening: error)
            self.reporter.emit(.warn("\(self.name): port \(port) of a device cannot be opened yet: \(reason)"))
        }
        _ = self.loops.next().scheduleTask(in: Self.pause) { self.settle(port) }
    }
}
