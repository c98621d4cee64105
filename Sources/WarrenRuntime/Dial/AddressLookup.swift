// SPDX-License-Identifier: Apache-2.0

import NIOCore
package import WarrenCore
import WarrenLoop

/// Looks a name up in both families, within a time, and goes on with what was found.
package final class AddressLookup: OpenAttempt {
    private static let timeout = TimeAmount.seconds(5)

    private let name: String
    private let resolver: any AddressResolver
    private let asker: Asker
    private let loop: SocketLoop
    private var proceed: (([IPAddress]) -> any OpenAttempt)?
    private var next: (any OpenAttempt)?
    private var queries: [NameQuery] = []
    private var waiting = 0
    private var addresses: [IPAddress] = []
    private var timer: LoopTimer?

    init(_ name: String, _ resolver: any AddressResolver, for asker: Asker, on loop: SocketLoop) {
        self.name = name
        self.resolver = resolver
        self.asker = asker
        self.loop = loop
    }

    /// - Parameter proceed: called once, unless it is cancelled, with what was found in time; may be none.
    func start(_ proceed: @escaping ([IPAddress]) -> any OpenAttempt) {
        self.proceed = proceed
        self.timer = self.loop.timer(in: Self.timeout) { self.finish() }
        let families: [IPAddress.Family] = [.v4, .v6]
        self.waiting = families.count
        self.queries = families.map { self.resolver.resolve(self.name, $0, for: self.asker, on: self.loop) }
        for query in self.queries {
            query.answer.assumeIsolated().whenComplete { result in
                self.addresses += (try? result.get()) ?? []
                self.waiting -= 1
                if self.waiting == 0 { self.finish() }
            }
        }
    }

    private func finish() {
        guard let proceed else { return }
        self.end()
        self.next = proceed(self.addresses)
    }

    private func end() {
        self.proceed = nil
        self.timer?.cancel()
        self.timer = nil
        for query in self.queries { query.cancel() }
        self.queries = []
    }

    package func cancel() {
        self.end()
        self.next?.cancel()
        self.next = nil
    }
}

extension AddressLookup {
    /// As the system tells them now, on a loop of its own; none after 5 s.
    package static func addresses(of name: String) async -> [IPAddress] {
        guard let loop = SocketLoop.start(name: "lookup") else { return [] }
        defer { loop.stop() }
        let found = loop.makePromise(of: [IPAddress].self)
        loop.execute {
            AddressLookup(name, SystemResolver(), for: .configuration, on: loop).start { addresses in
                found.succeed(addresses)
                return NoAttempt()
            }
        }
        // Nothing fails it.
        return (try? await found.futureResult.get()) ?? []
    }
}
