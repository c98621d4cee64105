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
    private let loop: any EventLoop
    private var answer: ((Result<any Channel, StreamFault>) -> Void)?
    private var name: String?

    private var queriesLeft = 0
    private var waiting: [IPAddress.Family: [IPAddress]] = [:]
    private var nextFamily: IPAddress.Family
    private var hasStarted = false
    private var connecting = 0
    private var fault: StreamFault?
    private var timer: Scheduled<Void>?
    private var deadline: Scheduled<Void>?

    init(
        _ dialer: Dialer, port: UInt16, on loop: any EventLoop,
        answer: @escaping (Result<any Channel, StreamFault>) -> Void
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
            self.add([address])
            self.connectNext()
        case .name(let name):
            self.name = name
            self.queriesLeft = 2
            // A resolver has no time limit of its own that we could rely on.
            self.deadline = self.loop.assumeIsolated().scheduleTask(in: self.dialer.connectTimeout) {
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
        guard self.answer != nil else { return }
        self.queriesLeft -= 1
        switch result {
        case .success(let addresses): self.add(addresses)
        case .failure(let error): self.note(error as? StreamFault ?? .unknownHost)
        }
        if self.queriesLeft == 0 { self.deadline?.cancel() }
        if self.hasStarted {
            // With a pause between two attempts still running, its end takes the new addresses along.
            if self.connecting == 0 || self.timer == nil { self.connectNext() }
        } else if self.queriesLeft == 0 || (family == self.dialer.prefer && !self.waiting.isEmpty) {
            self.begin()
        } else if !self.waiting.isEmpty {
            self.timer = self.loop.assumeIsolated().scheduleTask(in: Self.resolutionDelay) { self.begin() }
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
        if self.connecting == 0 { self.connectNext() }
    }

    private func add(_ addresses: [IPAddress]) {
        for address in addresses {
            switch self.dialer.policy.judge(address, port: self.port, name: self.name) {
            case .allowed:
                self.waiting[address.family, default: []].append(address)
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
            if self.connecting == 0 && self.queriesLeft == 0 { self.finish(.failure(self.fault ?? .unknownHost)) }
            return
        }
        self.connecting += 1
        let channel = self.dialer.connect(to: address, port: self.port, on: self.loop)
        channel.assumeIsolated().whenComplete { self.connected($0) }
        if self.connecting > 0, self.hasMore {
            self.timer = self.loop.assumeIsolated().scheduleTask(in: Self.connectionDelay) { self.connectNext() }
        }
    }

    private var hasMore: Bool { self.queriesLeft > 0 || self.waiting.values.contains { !$0.isEmpty } }

    /// The next address, families in turn.
    private func takeNext() -> IPAddress? {
        let other: IPAddress.Family = self.nextFamily == .v4 ? .v6 : .v4
        for family in [self.nextFamily, other] {
            guard let address = self.waiting[family]?.first else { continue }
            self.waiting[family]?.removeFirst()
            self.nextFamily = family == .v4 ? .v6 : .v4
            return address
        }
        return nil
    }

    private func connected(_ result: Result<any Channel, any Error>) {
        self.connecting -= 1
        switch result {
        case .success(let channel):
            if self.answer == nil { channel.close(promise: nil) } else { self.finish(.success(channel)) }
        case .failure(let error):
            self.note(StreamFault(connecting: error))
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

    private func finish(_ result: Result<any Channel, StreamFault>?) {
        self.timer?.cancel()
        self.deadline?.cancel()
        self.waiting = [:]
        guard let answer else { return }
        self.answer = nil
        if let result { answer(result) }
    }
}
