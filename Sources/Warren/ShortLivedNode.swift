// SPDX-License-Identifier: Apache-2.0

import Logging
package import NIOCore
import ServiceLifecycle
import WarrenAssembly
import WarrenConfiguration
import WarrenRuntime

/// A whole node for the time of one call, without signals and nearly without a log: for the demo and the benchmark.
package enum ShortLivedNode {
    /// Runs a configuration while `body` uses its listeners, by name.
    package static func run(
        _ yaml: String, _ body: ([String: SocketAddress]) async throws -> Void
    ) async throws {
        let findings = Findings()
        let configuration = Configuration(
            yaml: yaml, name: "built-in", types: Registry.types, environment: { _ in nil }, findings: findings
        )
        let assembly = try Assembly(configuration, findings: findings)
        let (ready, signal) = AsyncStream<[BoundListener]>.makeStream()
        let logger = Logger(label: "warren") { _ in LineLogHandler(level: .error, format: .text) }
        let loops = try Loops.start()
        defer { loops.stop() }
        let live = LiveConfiguration(assembly, logger: logger, loops: loops) {
            signal.yield($0)
            signal.finish()
        }
        let group = ServiceGroup(
            configuration: .init(services: live.services.map { .init(service: $0) }, logger: logger))
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask {
                defer { signal.finish() }
                try await group.run()
            }
            for await listeners in ready {
                try await body(Dictionary(listeners.map { ($0.name, $0.address) }) { first, _ in first })
            }
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
    }
}
