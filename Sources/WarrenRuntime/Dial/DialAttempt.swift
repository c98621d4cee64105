// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore
import WarrenLoop

/// Runs an ``AddressRace`` to a host on one event loop: asks, judges each address, connects.
final class DialAttempt: OpenAttempt {
    private let dialer: Dialer
    private let port: UInt16
    /// The stream it is for, if it is for one.
    private let request: StreamRequest?
    private let loop: SocketLoop
    private var answer: ((Result<SocketLeg, StreamFault>) -> Void)?
    private var name: String?
    private var race: AddressRace?
    private var queries: [NameQuery] = []
    private var connections: [(attempt: Int, connection: Connection)] = []
    private var timer: LoopTimer?
    /// Of the addresses that the policy does not allow.
    private var refusals: [EgressRefusal] = []

    init(
        _ dialer: Dialer, port: UInt16, request: StreamRequest? = nil, on loop: SocketLoop,
        answer: @escaping (Result<SocketLeg, StreamFault>) -> Void
    ) {
        self.dialer = dialer
        self.port = port
        self.request = request
        self.loop = loop
        self.answer = answer
    }

    func start(_ host: Host, for asker: Asker) {
        switch host {
        case .address(let address):
            guard case .success = self.judge(address) else { return self.finish(.failure(.notAllowed)) }
            self.race = AddressRace(to: address, insisting: self.insistence)
            self.turn()
        case .name(let name):
            self.name = name
            self.race = AddressRace(
                prefer: self.dialer.memory?.preferred(self.dialer.prefer) ?? self.dialer.prefer,
                resolveBy: self.loop.now + self.dialer.connectTimeout, insisting: self.insistence)
            self.turn()
            for family in [IPAddress.Family.v6, .v4] {
                let query = self.dialer.resolver.resolve(name, family, for: asker, on: self.loop)
                self.queries.append(query)
                query.answer.assumeIsolated().whenComplete { self.resolved(family, $0) }
            }
        }
    }

    func cancel() { self.finish(nil) }

    private var insistence: AddressRace.Insistence? {
        self.dialer.insistence.map { .init(pause: $0, limit: self.dialer.connectTimeout) }
    }
}

extension DialAttempt {
    private func resolved(_ family: IPAddress.Family, _ result: Result<[IPAddress], any Error>) {
        guard self.answer != nil else { return }
        var allowed: [IPAddress] = []
        var fault: StreamFault?
        switch result {
        case .success(let addresses):
            for address in addresses {
                switch self.judge(address) {
                case .success: allowed.append(address)
                case .failure(let refusal): fault = refusal
                }
            }
        case .failure(let error):
            fault = error as? StreamFault ?? .unknownHost
        }
        if let memory = self.dialer.memory { allowed = memory.inOrder(allowed, of: family) }
        self.race?.resolved(family, allowed, fault, now: self.loop.now)
        self.turn()
    }

    private func judge(_ address: IPAddress) -> Result<Void, StreamFault> {
        switch self.dialer.policy.judge(address, port: self.port, name: self.name) {
        case .allowed:
            return .success(())
        case .refused(let refusal):
            self.refusals.append(refusal)
            return .failure(.notAllowed)
        }
    }

    /// Does what the race wants done now.
    private func turn() {
        while let step = self.race?.next(now: self.loop.now) {
            switch step {
            case .connect(let address, let attempt): self.connect(to: address, attempt)
            case .fail(let fault): return self.finish(.failure(fault))
            }
        }
        self.setTimer()
    }

    private func setTimer() {
        let deadline = self.race?.deadline
        guard self.timer?.deadline != deadline else { return }
        self.timer?.cancel()
        self.timer = deadline.map { deadline in
            self.loop.timer(at: deadline) {
                self.timer = nil
                self.turn()
            }
        }
    }

    private func connect(to address: IPAddress, _ attempt: Int) {
        do throws(StreamFault) {
            let connection = try self.dialer.connect(to: address, port: self.port, on: self.loop) {
                self.connected(attempt, $0)
            }
            self.connections.append((attempt, connection))
        } catch {
            self.race?.failed(attempt, error)
        }
    }

    private func connected(_ attempt: Int, _ result: Result<SocketLeg, StreamFault>) {
        self.connections.removeAll { $0.attempt == attempt }
        switch result {
        case .success(let leg):
            if self.answer == nil { leg.discard() } else { self.finish(.success(leg)) }
        case .failure(let fault):
            self.race?.failed(attempt, fault)
            self.turn()
        }
    }

    private func finish(_ result: Result<SocketLeg, StreamFault>?) {
        self.race = nil
        for query in self.queries { query.cancel() }
        self.queries = []
        self.timer?.cancel()
        self.timer = nil
        let connections = self.connections
        self.connections = []
        for (_, connection) in connections { connection.cancel() }
        guard let answer else { return }
        self.answer = nil
        guard let result else { return }
        if case .failure(.notAllowed) = result, !self.refusals.isEmpty {
            self.dialer.onRefusal(self.refusals, self.request)
        }
        answer(result)
    }
}
