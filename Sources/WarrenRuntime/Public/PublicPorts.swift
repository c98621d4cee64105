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
    private let table: NameTable
    private let allowed: [ClosedRange<UInt16>]
    private let makePlan: @Sendable (UInt16) -> Listener.Plan
    private let loops: Loops
    private let reporter: Reporter
    private let state = Mutex(State())

    private struct State {
        var limiter: ConnectionLimiter?
        var isOver = false
        /// Ports that are served now.
        var wanted: Set<UInt16> = []
        /// Nil while one is being opened.
        var open: [UInt16: Listener?] = [:]
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
        self.table = outbound.table
        self.allowed = allowed
        self.name = name
        self.loops = loops
        self.reporter = reporter
        self.makePlan = makePlan
    }

    package func prepare(_ limiter: ConnectionLimiter) { self.state.withLock { $0.limiter = limiter } }

    package func start() -> EventLoopFuture<Void> {
        self.table.watchPorts(self) { [weak self] in self?.changed($0) }
        return self.loops.next().makeSucceededVoidFuture()
    }

    package func retire() { self.stop() }

    package func stop() {
        self.table.unwatchPorts(self)
        let open = self.state.withLock { state in
            state.isOver = true
            state.wanted = []
            let open = state.open.values.compactMap { $0 }
            state.open = [:]
            return open
        }
        for listener in open { Task { await listener.close() } }
    }

    private func changed(_ port: UInt16) {
        guard self.allowed.contains(where: { $0.contains(port) }) else {
            guard self.table.servesPort(port) else { return }
            let sentence = "\(self.name): a device may have port \(port), which ports: does not name; it is not opened"
            return self.reporter.emit(.warn(sentence))
        }
        let closing = self.state.withLock { state -> Listener? in
            guard !state.isOver else { return nil }
            guard !self.table.servesPort(port) else {
                state.wanted.insert(port)
                return nil
            }
            state.wanted.remove(port)
            guard let listener = state.open[port] ?? nil else { return nil }
            state.open[port] = nil
            return listener
        }
        if let closing { Task { await closing.close() } }
        self.openIfWanted(port)
    }

    private func openIfWanted(_ port: UInt16) {
        let limiter = self.state.withLock { state -> ConnectionLimiter? in
            guard state.wanted.contains(port), state.open[port] == nil else { return nil }
            state.open[port] = .some(nil)
            return state.limiter
        }
        guard let limiter else { return }
        Task {
            do {
                let listener = try await Listener.bind(self.makePlan(port), on: self.loops, gate: limiter)
                await self.opened(port, listener)
            } catch {
                self.failed(port, error)
            }
        }
    }

    /// Tried again as long as a device has it: a unit that leaves may be about to close the port.
    private func failed(_ port: UInt16, _ error: any Error) {
        let isNews = self.state.withLock { state in
            state.open[port] = nil
            return state.wanted.contains(port) && state.failing.insert(port).inserted
        }
        if isNews { self.reporter.emit(.warn("\(self.name): port \(port) of a device cannot be opened yet: \(error)")) }
        _ = self.loops.next().scheduleTask(in: Self.pause) { self.openIfWanted(port) }
    }

    /// The device may have gone, and come back, meanwhile.
    private func opened(_ port: UInt16, _ listener: Listener) async {
        let isWanted = self.state.withLock { state in
            let isWanted = state.wanted.contains(port)
            state.open[port] = isWanted ? listener : nil
            state.failing.remove(port)
            return isWanted
        }
        guard !isWanted else { return }
        await listener.close()
        self.openIfWanted(port)
    }
}
