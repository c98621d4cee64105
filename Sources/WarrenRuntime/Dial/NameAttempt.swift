// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore
import WarrenLoop

/// Reaches a name through a far end which knows no names: its addresses are tried one after the other, IPv4 first.
final class NameAttempt: OpenAttempt {
    typealias Answer = (Result<any Leg, StreamFault>) -> Void
    /// For the addresses of one family.
    private static let timeout = TimeAmount.seconds(10)

    private let name: String
    private let resolver: any AddressResolver
    private let asker: Asker
    private let loop: SocketLoop
    private var answer: Answer?
    private let proceed: (IPAddress, @escaping Answer) -> any OpenAttempt
    private var families: [IPAddress.Family] = [.v6, .v4]
    private var addresses: [IPAddress] = []
    private var timer: LoopTimer?
    private var query: NameQuery?
    /// What is under way to the address that is tried.
    private var next: (any OpenAttempt)?
    private var tried = 0
    private var fault: StreamFault?

    /// - Parameters:
    ///   - answer: called once, unless the attempt is cancelled.
    ///   - proceed: opens a stream to an address.
    init(
        _ name: String, _ resolver: any AddressResolver, for asker: Asker, on loop: SocketLoop,
        answer: @escaping Answer,
        proceed: @escaping (IPAddress, @escaping Answer) -> any OpenAttempt
    ) {
        self.name = name
        self.resolver = resolver
        self.asker = asker
        self.loop = loop
        self.answer = answer
        self.proceed = proceed
        self.tryNext()
    }

    private func tryNext() {
        guard self.answer != nil else { return }
        if let address = self.addresses.popLast() { return self.open(address) }
        guard let family = self.families.popLast() else {
            return self.finish(.failure(self.fault ?? .unknownHost))
        }
        self.timer = self.loop.timer(in: Self.timeout) { self.finish(.failure(self.fault ?? .timedOut)) }
        let query = self.resolver.resolve(self.name, family, for: self.asker, on: self.loop)
        self.query = query
        query.answer.assumeIsolated().whenComplete { self.resolved($0) }
    }

    private func resolved(_ result: Result<[IPAddress], any Error>) {
        guard self.answer != nil else { return }
        self.timer?.cancel()
        switch result {
        case .success(let addresses):
            self.addresses = addresses.reversed()
            self.tryNext()
        case .failure(let error):
            self.finish(.failure(self.fault ?? error as? StreamFault ?? .unknownHost))
        }
    }

    private func open(_ address: IPAddress) {
        self.tried += 1
        let attempt = self.tried
        let next = self.proceed(address) { self.opened(attempt, $0) }
        // The answer may have come already, and another address may be tried by now.
        if self.tried == attempt, self.answer != nil { self.next = next }
    }

    private func opened(_ attempt: Int, _ result: Result<any Leg, StreamFault>) {
        guard self.answer != nil, attempt == self.tried else {
            if case .success(let leg) = result { leg.discard() }
            return
        }
        self.next = nil
        switch result {
        case .failure(let fault) where fault.isOfAddress:
            if self.fault.map({ $0.tells < fault.tells }) ?? true { self.fault = fault }
            self.tryNext()
        case .success, .failure:
            self.finish(result)
        }
    }

    private func finish(_ result: Result<any Leg, StreamFault>) {
        guard let answer else { return }
        self.answer = nil
        self.timer?.cancel()
        self.query?.cancel()
        answer(result)
    }

    func cancel() {
        self.answer = nil
        self.timer?.cancel()
        self.query?.cancel()
        self.next?.cancel()
        self.next = nil
    }
}

extension StreamFault {
    /// Another address of the same name may do better.
    fileprivate var isOfAddress: Bool {
        switch self {
        case .refused, .unreachable, .timedOut, .notAllowed, .failed: true
        default: false
        }
    }
}
