// SPDX-License-Identifier: Apache-2.0

import CWarrenSystem
import NIOCore
import Synchronization
import WarrenCore

/// Looks up names on threads of its own, as ``NameLine`` says. A thread lives as long as it has a name to look up.
final class NameThreads: Sendable {
    /// Blocks until the answer is there. No addresses mean that the name has none.
    typealias LookUp = @Sendable (HostName) -> Result<[IPAddress], StreamFault>

    private struct State {
        var line: NameLine
        var promises: [NameLine.Ticket: EventLoopPromise<[IPAddress]>] = [:]

        /// Every name that may be looked up now.
        mutating func begin() -> [HostName] {
            var names: [HostName] = []
            while let name = self.line.begin() { names.append(name) }
            return names
        }
    }

    private let state: Mutex<State>
    private let lookUp: LookUp

    init(_ limits: NameLine.Limits, lookUp: @escaping LookUp) {
        self.state = Mutex(State(line: NameLine(limits)))
        self.lookUp = lookUp
    }

    /// How many threads there are.
    var count: Int { self.state.withLock { $0.line.running } }

    func ask(_ name: HostName, for asker: Asker, on loop: any EventLoop) -> NameQuery {
        let promise = loop.makePromise(of: [IPAddress].self)
        let (admission, names) = self.state.withLock { state in
            let admission = state.line.ask(name, for: asker, now: .now())
            guard case .waiting(let ticket) = admission else { return (admission, [HostName]()) }
            state.promises[ticket] = promise
            return (admission, state.begin())
        }
        self.start(names)
        switch admission {
        case .known(let addresses): promise.succeed(addresses)
        case .full: promise.fail(StreamFault.limit)
        case .waiting(let ticket): return NameQuery(promise.futureResult) { self.drop(ticket) }
        }
        return NameQuery(promise.futureResult)
    }

    private func drop(_ ticket: NameLine.Ticket) {
        let (promise, names) = self.state.withLock { state in
            state.line.drop(ticket)
            return (state.promises.removeValue(forKey: ticket), state.begin())
        }
        promise?.fail(StreamFault.aborted)
        self.start(names)
    }

    private func start(_ names: [HostName]) {
        for name in names {
            let hasStarted = SmallThread.start {
                cws_become_thread("warren-names")
                self.run(name)
            }
            // The names that may begin instead would find no thread either: they wait until one of those there are ends.
            if !hasStarted { self.start(self.end(name, .failure(.limit))) }
        }
    }

    private func run(_ name: HostName) {
        var next: HostName? = name
        while let name = next {
            let names = self.end(name, self.lookUp(name))
            next = names.first
            self.start(Array(names.dropFirst()))
        }
    }

    /// - Returns: what may begin now.
    private func end(_ name: HostName, _ result: Result<[IPAddress], StreamFault>) -> [HostName] {
        let (promises, names) = self.state.withLock { state in
            let tickets = state.line.answered(name, result, now: .now())
            return (tickets.compactMap { state.promises.removeValue(forKey: $0) }, state.begin())
        }
        for promise in promises { promise.completeWith(result.mapError { $0 }) }
        return names
    }
}
