// SPDX-License-Identifier: Apache-2.0

import Logging
import Synchronization

@testable import WarrenRuntime

/// Keeps log lines, and lets a test wait for the next one.
final class LogRecorder: Sendable {
    struct Line: Sendable {
        let level: Logger.Level
        let message: String
        let metadata: [String: String]
    }

    private let all = Mutex<[Line]>([])
    private let stream: AsyncStream<Line>
    private let continuation: AsyncStream<Line>.Continuation

    init() { (self.stream, self.continuation) = AsyncStream.makeStream() }

    var lines: [Line] { self.all.withLock { $0 } }

    var reporter: Reporter { Reporter(logger: Logger(label: "test") { _ in Handler(recorder: self) }) }

    /// The next line that says this.
    func next(_ message: String) async -> Line? {
        for await line in self.stream where line.message == message { return line }
        return nil
    }

    private struct Handler: LogHandler {
        let recorder: LogRecorder
        var logLevel = Logger.Level.trace
        var metadata: Logger.Metadata = [:]
        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { self.metadata[key] }
            set { self.metadata[key] = newValue }
        }
        func log(event: LogEvent) {
            let line = Line(
                level: event.level, message: "\(event.message)",
                metadata: (event.metadata ?? [:]).mapValues { "\($0)" }
            )
            self.recorder.all.withLock { $0.append(line) }
            self.recorder.continuation.yield(line)
        }
    }
}
