// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOPosix
import Synchronization
import WarrenCore

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

    func resolve(_ name: String, _ family: IPAddress.Family, on loop: any EventLoop) -> EventLoopFuture<[IPAddress]> {
        if let answer = self.answers[family] { return loop.makeSucceededFuture(answer) }
        let promise = loop.makePromise(of: [IPAddress].self)
        self.late.withLock { $0[family] = promise }
        return promise.futureResult
    }

    /// Answers a query that was left open.
    func answer(_ family: IPAddress.Family, _ addresses: [String]) {
        let promise = self.late.withLock { $0.removeValue(forKey: family) }
        promise?.succeed(addresses.compactMap { IPAddress($0) })
    }
}

/// One dial on a loop of its own choice, and its answer.
struct Dialed: Sendable {
    let answer: EventLoopFuture<any Channel>
    private let attempt: EventLoopFuture<NIOLoopBound<any OpenAttempt>>
    private let promise: EventLoopPromise<any Channel>

    init(_ dialer: Dialer, _ host: Host, port: UInt16) {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let promise = loop.makePromise(of: (any Channel).self)
        self.answer = promise.futureResult
        self.attempt = loop.submit {
            let attempt = dialer.dial(host, port: port, on: loop) { promise.completeWith($0.mapError { $0 }) }
            return NIOLoopBound(attempt, eventLoop: loop)
        }
        self.promise = promise
    }

    /// Waits until the queries are on their way.
    func hasBegun() async throws { _ = try await self.attempt.get() }

    /// The address that was reached; the channel is closed.
    func reached() async throws -> SocketAddress? {
        let channel = try await self.answer.get()
        let address = channel.remoteAddress
        try await channel.close()
        return address
    }

    /// Why nothing was reached.
    func fault() async -> StreamFault? {
        do {
            try await self.answer.get().close()
            return nil
        } catch {
            return error as? StreamFault
        }
    }

    /// Cancels the attempt; ``answer`` fails with a `CancellationError` if there was none yet.
    func cancel() async throws {
        let promise = self.promise
        try await self.attempt.map { attempt in
            attempt.value.cancel()
            promise.fail(CancellationError())
        }.get()
    }
}
