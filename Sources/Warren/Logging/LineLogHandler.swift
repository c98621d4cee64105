// SPDX-License-Identifier: Apache-2.0

import Foundation
public import Logging
import Synchronization

/// Writes one line per event to standard error: words for people, or one JSON object for machines.
public struct LineLogHandler: LogHandler {
    /// How a line looks.
    public enum Format: String, CaseIterable, Sendable {
        case text
        case json
    }

    public var logLevel: Logger.Level
    public var metadata: Logger.Metadata = [:]
    private let format: Format

    public init(level: Logger.Level, format: Format) {
        self.logLevel = level
        self.format = format
    }

    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { self.metadata[key] }
        set { self.metadata[key] = newValue }
    }

    public func log(event: LogEvent) {
        let all = event.metadata.map { self.metadata.merging($0) { $1 } } ?? self.metadata
        let line = self.line(at: Timestamp.now(), event.level, "\(event.message)", all)
        Self.write(line)
    }

    func line(at time: String, _ level: Logger.Level, _ message: String, _ metadata: Logger.Metadata) -> String {
        let pairs = metadata.sorted { (Self.rank($0.key), $0.key) < (Self.rank($1.key), $1.key) }
        switch self.format {
        case .text:
            return pairs.reduce("\(time) \(level) \(message)") { $0 + " \($1.key)=\(Self.word($1.value))" } + "\n"
        case .json:
            let head = "{\"time\":\"\(time)\",\"level\":\"\(level)\",\"message\":\(Self.quoted(message))"
            return pairs.reduce(head) { $0 + ",\(Self.quoted($1.key)):\(Self.json($1.value))" } + "}\n"
        }
    }

    /// Where from, where to, how much, why; other keys come last.
    private static let order = [
        "inbound", "protocol", "peer", "user", "destination", "outbound", "address", "bytesIn", "bytesOut",
        "durationMs", "reason",
    ]

    private static func rank(_ key: String) -> Int { self.order.firstIndex(of: key) ?? self.order.count }

    /// One write per line, so that lines of several processes on one terminal do not mix.
    private static func write(_ line: String) {
        var line = line
        line.withUTF8 { bytes in
            var rest = UnsafeRawBufferPointer(bytes)
            while let start = rest.baseAddress, rest.count > 0 {
                let count = Foundation.write(STDERR_FILENO, start, rest.count)
                guard count > 0 else { return }  // nobody can be told that standard error is gone
                rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
            }
        }
    }
}

extension LineLogHandler {
    /// A value as one word: quoted where it would fall apart.
    private static func word(_ value: Logger.MetadataValue) -> String {
        let text = "\(value)"
        let isPlain = text.unicodeScalars.allSatisfy { $0 != " " && $0 != "\"" && $0 != "=" && !Self.isControl($0) }
        return isPlain && !text.isEmpty ? text : Self.quoted(text)
    }

    /// What a terminal or a pager could take for a command, a line end or a change of direction.
    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        guard scalar.value >= 0x7F else { return scalar.value < 0x20 }
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate: return true
        default: return false
        }
    }

    private static func json(_ value: Logger.MetadataValue) -> String {
        if case .stringConvertible(let number as Int) = value { return "\(number)" }
        return Self.quoted("\(value)")
    }

    /// A JSON string; also fit for text lines, where it keeps peers' bytes from faking a line.
    private static func quoted(_ text: String) -> String {
        var out = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": out += "\\\""
            case "\\": out += "\\\\"
            case "\n": out += "\\n"
            case "\r": out += "\\r"
            case "\t": out += "\\t"
            case let scalar where Self.isControl(scalar) && scalar.value <= 0xFFFF:
                let digits = String(scalar.value, radix: 16)
                out += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out + "\""
    }
}

/// The time as `2026-11-21T08:30:00.123Z`. Formatting the date part costs more than the rest of a line, so it is kept
/// for a second.
private enum Timestamp {
    private static let cache = Mutex<(second: Int, text: String)>((0, ""))

    static func now() -> String {
        let now = Date().timeIntervalSince1970
        let second = Int(now)
        let text = self.cache.withLock { cache in
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
