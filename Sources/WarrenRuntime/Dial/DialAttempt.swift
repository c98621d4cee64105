// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// One race to a host (RFC 8305, "Happy Eyeballs" version 2), on one event loop.
///
/// ```
/// both families are asked ──first answer──> (50 ms for the preferred one) ──> connect
/// connect ──250 ms or a failure──> connect to the next, families in turn ──> first one up wins
/// ```
final class DialAttempt: OpenAttempt {
    private static let resolutionDelay = TimeAmount.milliseconds(50)
    private static let connectionDelay = TimeAmount.milliseconds(250)

    private let dialer: Dialer
    private let port: UInt16
    private let loop: SocketLoop
    private var answer: ((Result<SocketLeg, StreamFault>) -> Void)?
    private var name: String?

    private var queriesLeft = 0
    private var waiting = AddressQueue()
    private var nextFamily: IPAddress.Family
    private var hasStarted = false
    private var connections: [Connection] = []
    private var fault: StreamFault?
    private var timer: LoopTimer?
    private var deadline: LoopTimer?

    init(
        _ dialer: Dialer, port: UInt16, on loop: SocketLoop,
        answer: @escaping (Result<SocketLeg, StreamFault>) -> Void
    ) {
        self.dialer = dialer
        self.port = port
        self.loop = loop
        self.answer = answer
        self.nextFamily = dialer.prefer
    }

    func start(_ host: Host) {
        switch host {
        case .address(let address):
            self.add(CollectionOfOne(address))
            self.connectNext()
        case .name(let name):
            self.name = name
            self.queriesLeft = 2
            // A resolver has no time limit of its own that we could rely on.
            self.deadline = self.loop.timer(in: self.dialer.connectTimeout) {
                self.resolveTimedOut()
            }
            for family in [IPAddress.Family.v6, .v4] {
                let query = self.dialer.resolver.resolve(name, family, on: self.loop)
                query.assumeIsolated().whenComplete { self.resolved(family, $0) }
            }
        }
    }

    func cancel() { self.finish(nil) }
}

// MARK: - Resolution

extension DialAttempt {
    private func resolved(_ family: IPAddress.Family, _ result: Result<[IPAddress], any Error>) {
        // None are left when their time is over.
        guard self.answer != nil, self.queriesLeft > 0 else { return }
        self.queriesLeft -= 1
        switch result {
        case .success(let addresses): self.add(addresses)
        case .failure(let error): self.note(error as? StreamFault ?? .unknownHost)
        }
        if self.queriesLeft == 0 { self.deadline?.cancel() }
        if self.hasStarted {
            // With a pause between two attempts still running, its end takes the new addresses along.
            if self.connections.isEmpty || self.timer == nil { self.connectNext() }
        } else if self.queriesLeft == 0 || (family == self.dialer.prefer && !self.waiting.isEmpty) {
            self.begin()
        } else if !self.waiting.isEmpty {
            self.timer = self.loop.timer(in: Self.resolutionDelay) { self.begin() }
        }
    }

    private func begin() {
        guard !self.hasStarted, self.answer != nil else { return }
        self.hasStarted = true
        self.connectNext()
    }

    private func resolveTimedOut() {
        guard self.answer != nil, self.queriesLeft > 0 else { return }
        self.queriesLeft = 0
        self.note(.timedOut)
        if self.connections.isEmpty { self.connectNext() }
    }

    private func add(_ addresses: some Sequence<IPAddress>) {
        for address in addresses {
            switch self.dialer.policy.judge(address, port: self.port, name: self.name) {
            case .allowed:
                self.waiting.append(address)
            case .refused(let refusal):
                self.dialer.onRefusal(refusal)
                self.note(.notAllowed)
            }
        }
    }
}

// MARK: - Connection

extension DialAttempt {
    private func connectNext() {
        self.timer?.cancel()
        self.timer = nil
        guard self.answer != nil else { return }
        guard let address = self.takeNext() else {
            if self.connections.isEmpty && self.queriesLeft == 0 { self.finish(.failure(self.fault ?? .unknownHost)) }
            return
        }
        do throws(StreamFault) {
            let connection = try self.dialer.connect(to: address, port: self.port, on: self.loop) {
                self.connected($0, $1)
            }
            self.connections.append(connection)
        } catch {
            self.note(error)
            return self.connectNext()
        }
        if self.hasMore {
            self.timer = self.loop.timer(in: Self.connectionDelay) { self.connectNext() }
        }
    }

    private var hasMore: Bool { self.queriesLeft > 0 || !self.waiting.isEmpty }

    /// The next address, families in turn.
    private func takeNext() -> IPAddress? {
        guard let address = self.waiting.popFirst(preferring: self.nextFamily) else { return nil }
        self.nextFamily = address.family == .v4 ? .v6 : .v4
        return address
    }

    private func connected(_ connection: Connection, _ result: Result<SocketLeg, StreamFault>) {
        self.connections.removeAll { $0 === connection }
        switch result {
        case .success(let leg):
            if self.answer == nil { leg.discard() } else { self.finish(.success(leg)) }
        case .failure(let fault):
            self.note(fault)
            self.connectNext()
        }
    }

    /// Keeps the fault that tells most: a "no" of the target says more than a way that could not be gone.
    private func note(_ fault: StreamFault) {
        func weight(_ fault: StreamFault) -> Int {
            switch fault {
            case .refused: 5
            case .timedOut: 4
            case .notAllowed: 3
            case .unreachable: 2
            default: 1
            }
        }
        if let old = self.fault, weight(old) >= weight(fault) { return }
        self.fault = fault
    }

    private func finish(_ result: Result<SocketLeg, StreamFault>?) {
        self.timer?.cancel()
        self.deadline?.cancel()
        self.waiting = AddressQueue()
        for connection in self.connections { connection.cancel() }
        self.connections = []
        guard let answer else { return }
        self.answer = nil
        if let result { answer(result) }
    }
}

/// Addresses to be tried, each family in its order.
private struct AddressQueue {
    private var v4: [IPAddress] = []
    private var v6: [IPAddress] = []

    var isEmpty: Bool { self.v4.isEmpty && self.v6.isEmpty }

    mutating func append(_ address: IPAddress) {
        if address.family == .v4 { self.v4.append(address) } else { self.v6.append(address) }
    }

    mutating func popFirst(preferring family: IPAddress.Family) -> IPAddress? {
        if family == .v4 ? !self.v4.isEmpty : self.v6.isEmpty {
            return self.v4.isEmpty ? nil : self.v4.removeFirst()
        }
        return self.v6.removeFirst()
    }
}
