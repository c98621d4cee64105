// SPDX-License-Identifier: Apache-2.0

import Logging
import NIOCore
import Synchronization
import Testing
import WarrenRuntime

@testable import WarrenAssembly

/// Log lines of a node, for a test that waits for one.
final class NodeLog: Sendable {
    private let kept = Mutex<[String]>([])
    private let stream: AsyncStream<String>
    private let continuation: AsyncStream<String>.Continuation

    init() { (self.stream, self.continuation) = AsyncStream.makeStream() }

    var lines: [String] { self.kept.withLock { $0 } }

    /// The next line with this in it.
    func next(_ part: String) async -> String? {
        for await line in self.stream where line.contains(part) { return line }
        return nil
    }

    var logger: Logger { Logger(label: "test") { _ in Handler(log: self) } }

    private struct Handler: LogHandler {
        let log: NodeLog
        var logLevel = Logger.Level.debug
        var metadata: Logger.Metadata = [:]
        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { self.metadata[key] }
            set { self.metadata[key] = newValue }
        }
        func log(event: LogEvent) {
            let pairs = (event.metadata ?? [:]).sorted { $0.key < $1.key }.map { "\($0)=\($1)" }
            let line = (["\(event.level)", "\(event.message)"] + pairs).joined(separator: " ")
            self.log.kept.withLock { $0.append(line) }
            self.log.continuation.yield(line)
        }
    }
}

/// Runs a configuration in this process while `body` uses its listeners, by name.
func withNode(
    _ yaml: String, in folder: String = "", _ body: ([String: SocketAddress], NodeLog) async throws -> Void
) async throws {
    try await withLiveNode(yaml, in: folder) { listeners, log, _ in try await body(listeners, log) }
}

/// The same with the configuration, to be exchanged.
func withLiveNode(
    _ yaml: String, in folder: String = "",
    _ body: ([String: SocketAddress], NodeLog, LiveConfiguration) async throws -> Void
) async throws {
    let (assembly, problems) = assemble(yaml, in: folder)
    #expect(problems == [])
    guard let assembly else { return }
    let log = NodeLog()
    let (ready, tell) = AsyncStream<[BoundListener]>.makeStream()
    let live = LiveConfiguration(assembly, logger: log.logger, loops: Loops(threads: 1)) {
        tell.yield($0)
        tell.finish()
    }
    try await withThrowingTaskGroup(of: Void.self) { tasks in
        for service in live.services {
            // Without a group of services their cancellation is what ends them.
            if let node = service as? Node { tasks.addTask { try await node.run() } }
            if let watcher = service as? FileWatcher { tasks.addTask { try await watcher.run() } }
        }
        for await listeners in ready {
            try await body(Dictionary(listeners.map { ($0.name, $0.address) }) { first, _ in first }, log, live)
        }
        tasks.cancelAll()
        try await tasks.waitForAll()
    }
}
