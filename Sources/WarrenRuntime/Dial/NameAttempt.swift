// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// Finds the one address of a name that goes to a far end which knows no names: IPv4 if there is any, IPv6 otherwise.
final class NameAttempt: OpenAttempt {
    private static let patience = TimeAmount.seconds(10)

    private let name: String
    private let resolver: any AddressResolver
    private let loop: SocketLoop
    private var answer: ((Result<any Leg, StreamFault>) -> Void)?
    private let proceed: (IPAddress) -> any OpenAttempt
    private var timer: LoopTimer?
    /// What follows when the address is known.
    private var next: (any OpenAttempt)?

    /// - Parameters:
    ///   - answer: told why there is no address.
    ///   - proceed: called with the address.
    init(
        _ name: String, _ resolver: any AddressResolver, on loop: SocketLoop,
        answer: @escaping (Result<any Leg, StreamFault>) -> Void, proceed: @escaping (IPAddress) -> any OpenAttempt
    ) {
        self.name = name
        self.resolver = resolver
        self.loop = loop
        self.answer = answer
        self.proceed = proceed
        self.timer = loop.timer(in: Self.patience) { self.fail(.timedOut) }
        self.ask(.v4)
    }

    private func ask(_ family: IPAddress.Family) {
        let query = self.resolver.resolve(self.name, family, on: self.loop)
        query.assumeIsolated().whenComplete { self.resolved(family, $0) }
    }

    private func resolved(_ family: IPAddress.Family, _ result: Result<[IPAddress], any Error>) {
        guard self.answer != nil else { return }
        switch result {
        case .success(let addresses):
            if let address = addresses.first { return self.found(address) }
            if family == .v4 { self.ask(.v6) } else { self.fail(.unknownHost) }
        case .failure(let error):
            self.fail(error as? StreamFault ?? .unknownHost)
        }
    }

    private func found(_ address: IPAddress) {
        self.answer = nil
        self.timer?.cancel()
        self.next = self.proceed(address)
    }

    private func fail(_ fault: StreamFault) {
        guard let answer else { return }
        self.answer = nil
        self.timer?.cancel()
        answer(.failure(fault))
    }

    func cancel() {
        self.answer = nil
        self.timer?.cancel()
        self.next?.cancel()
    }
}
