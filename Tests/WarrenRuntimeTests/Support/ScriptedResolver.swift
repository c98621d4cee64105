// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Synchronization
import WarrenCore
import WarrenLoop
import WarrenLoopTesting

@testable import WarrenRuntime

/// Answers from a table; a family that is not in it is answered when the test says so, or never.
final class ScriptedResolver: AddressResolver {
    private let answers: [IPAddress.Family: [IPAddress]]
    private let late = Mutex<[IPAddress.Family: EventLoopPromise<[IPAddress]>]>([:])

    init(v4: [String]?, v6: [String]?) {
        var answers: [IPAddress.Family: [IPAddress]] = [:]
        answers[.v4] = v4?.compactMap { IPAddress($0) }
        answers[.v6] = v6?.compactMap { IPAddress($0) }
        self.answers = answers
    }

    func resolve(
        _ name: String, _ family: IPAddress.Family, for asker: Asker, on loop: any EventLoop
    ) -> NameQuery {
        if let answer = self.answers[family] { return NameQuery(loop.makeSucceededFuture(answer)) }
        let promise = loop.makePromise(of: [IPAddress].self)
        self.late.withLock { $0[family] = promise }
        return NameQuery(promise.futureResult)
    }

    /// Answers a query that was left open.
    func answer(_ family: IPAddress.Family, _ addresses: [String]) {
        let promise = self.late.withLock { $0.removeValue(forKey: family) }
        promise?.succeed(addresses.compactMap { IPAddress($0) })
    }
}

/// One dial on a loop of its own choice, and its answer.
struct Dialed: Sendable {
    let answer: EventLoopFuture<NIOLoopBound<SocketLeg>>
    let loop: SocketLoop
    private let attempt: EventLoopFuture<NIOLoopBound<any OpenAttempt>>

    init(_ dialer: Dialer, _ host: Host, port: UInt16) {
        let loop = Pair.loops.next()
        let promise = loop.makePromise(of: NIOLoopBound<SocketLeg>.self)
        self.loop = loop
        self.answer = promise.futureResult
        self.attempt = loop.submit {
            let attempt = dialer.dial(host, port: port, for: .unknown, on: loop) { result in
                promise.completeWith(result.map { NIOLoopBound($0, eventLoop: loop) }.mapError { $0 })
            }
            return NIOLoopBound(attempt, eventLoop: loop)
        }
    }

    /// Waits until the queries are on their way.
    func hasBegun() async throws { _ = try await self.attempt.get() }

    /// The address that was reached; the connection is closed.
    func reached() async throws -> SocketAddress? {
        let leg = try await self.answer.get()
        return try await self.loop.submit {
            leg.value.discard()
            return leg.value.peer
        }.get()
    }

    /// Why nothing was reached.
    func fault() async -> StreamFault? {
        do {
            _ = try await self.reached()
            return nil
        } catch {
            return error as? StreamFault
        }
    }
}
