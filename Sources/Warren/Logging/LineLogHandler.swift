// SPDX-License-Identifier: Apache-2.0

import Foundation
public import Logging
import NIOConcurrencyHelpers
import NIOCore
package import WarrenCore
package import WarrenRuntime

/// Writes one line per event to standard error: words for people, or one JSON object for machines.
public struct LineLogHandler: LogHandler {
    /// How a line looks.
    public enum Format: String, CaseIterable, Sendable {
        case text
        case json
    }

    /// That of all its copies, unless it is set for this one.
    public var logLevel: Logger.Level {
        get { self.ownLevel ?? self.commonLevel.withLockedValue { $0 } }
        set { self.ownLevel = newValue }
    }

    private var ownLevel: Logger.Level?
    private let commonLevel: NIOLockedValueBox<Logger.Level>
    public var metadata: Logger.Metadata = [:]
    private let format: Format

    public init(level: Logger.Level, format: Format) {
        self.commonLevel = NIOLockedValueBox(level)
        self.format = format
        LogWriter.standardError.describeLoss { count in
            let message = "\(count) log lines dropped: standard error did not take them in time"
            return LogLine(format, at: Timestamp.now(), .warning, message).finished
        }
    }

    /// For all copies, those that loggers have included.
    package func setCommonLevel(_ level: Logger.Level) { self.commonLevel.withLockedValue { $0 = level } }

    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { self.metadata[key] }
        set { self.metadata[key] = newValue }
    }

    public func log(event: LogEvent) {
        let given = event.metadata ?? [:]
        let all = self.metadata.isEmpty ? given : self.metadata.merging(given) { $1 }
        LogWriter.standardError.write(self.line(at: Timestamp.now(), event.level, "\(event.message)", all))
    }

    func line(at time: String, _ level: Logger.Level, _ message: String, _ metadata: Logger.Metadata) -> String {
        var line = LogLine(self.format, at: time, level, message)
        Self.inOrder(metadata) { key, value in
            if case .stringConvertible(let number as Int) = value {
                line.add(key, number)
            } else {
                line.add(key, Self.text(of: value))
            }
        }
        return line.finished
    }

    private static func text(of value: Logger.MetadataValue) -> String {
        if case .string(let text) = value { text } else { "\(value)" }
    }

    /// Where from, where to, how much, why; other keys come last.
    private static let order = [
        "inbound", "protocol", "peer", "user", "destination", "outbound", "rule", "address", "bytesIn", "bytesOut",
        "durationMs", "reason",
    ]

    private static func inOrder(_ metadata: Logger.Metadata, _ body: (String, Logger.MetadataValue) -> Void) {
        var left = metadata.count
        for key in self.order {
            guard let value = metadata[key] else { continue }
            left -= 1
            body(key, value)
        }
        guard left > 0 else { return }
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) where !self.order.contains(key) {
            body(key, value)
        }
    }
}

extension LineLogHandler: StreamLog {
    /// The same line as by way of metadata, for what is written most.
    package func streamEnded(
        _ stream: StreamLabel, _ request: StreamRequest, _ report: BridgeReport, user: String?, reason: String
    ) {
        var line = LogLine(self.format, at: Timestamp.now(), .info, "stream")
        line.add("inbound", stream.inbound)
        line.add("protocol", stream.protocol)
        line.add("peer", request.source?.text ?? "-")
        if let user { line.add("user", user) }
        line.add("destination", request.destination.description)
        line.add("outbound", stream.outbound)
        if let rule = (request.route as? TakenRoute)?.rule { line.add("rule", rule) }
        line.add("bytesIn", report.bytesIn)
        line.add("bytesOut", report.bytesOut)
        line.add("durationMs", Int(report.duration.nanoseconds / 1_000_000))
        line.add("reason", reason)
        LogWriter.standardError.write(line.finished)
    }
}

/// The time as `2026-11-21T08:30:00.123Z`. Formatting the date part costs more than the rest of a line, so it is kept
/// for a second.
enum Timestamp {
    private static let cache = NIOLockedValueBox<(second: Int, text: String)>((0, ""))

    static func now() -> String {
        let now = Date().timeIntervalSince1970
        let second = Int(now)
        let text = self.cache.withLockedValue { cache in
            if cache.second != second {
                let date = Date(timeIntervalSince1970: TimeInterval(second))
                cache = (second, String(date.formatted(.iso8601).dropLast()))
            }
            return cache.text
        }
        let millis = String(Int((now - Double(second)) * 1000))
        return text + "." + String(repeating: "0", count: max(0, 3 - millis.count)) + millis + "Z"
    }
}
