// SPDX-License-Identifier: Apache-2.0

import Foundation
import Warren

extension Bench {
    /// A table for people, wide but complete: one line per path, then what went wrong, then ``note``.
    public static func table(_ rows: [Row]) -> String {
        let titles = [["", ""] + rows.map(\.title)]
        let columns = Figure.allCases.map { figure in
            [figure.heading.group, figure.heading.unit] + rows.map { Self.text($0, figure) }
        }
        let errors = [["", "errors"] + rows.map { "\($0.errors)" }]
        let widths = (titles + columns + errors).map { column in column.map(\.count).max() ?? 0 }
        let lines = (0..<rows.count + 2).map { line in
            zip(titles + columns + errors, widths).enumerated().map { index, column in
                Self.padded(column.0[line], to: column.1, left: index == 0)
            }
            .joined(separator: "  ")
        }
        let failures = rows.compactMap { row in row.firstError.map { "error: \(row.title): \($0)" } }
        return (lines + failures + [Self.note]).joined(separator: "\n")
    }

    /// One object; every key of a figure ends in its unit.
    public func json(_ rows: [Row]) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(BenchReport(bench: self, rows: rows)), as: UTF8.self)
    }

    private static func text(_ row: Row, _ figure: Figure) -> String {
        row.figures[figure].map { String(format: "%.\(figure.digits)f", $0) } ?? "–"
    }

    private static func padded(_ text: String, to width: Int, left: Bool) -> String {
        let space = String(repeating: " ", count: max(0, width - text.count))
        return left ? text + space : space + text
    }
}

private struct BenchReport: Encodable {
    let bench: Bench
    let rows: [Bench.Row]

    private struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }

        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
        init(_ text: String) { self.stringValue = text }
    }

    func encode(to encoder: any Encoder) throws {
        var object = encoder.container(keyedBy: Key.self)
        try object.encode(Version.text, forKey: Key("warren_version"))
        try object.encode(Bench.note, forKey: Key("note"))
        try object.encode(ProcessInfo.processInfo.activeProcessorCount, forKey: Key("processors"))
        try object.encode(self.bench.seconds, forKey: Key("measurement_seconds"))
        try object.encode(self.bench.rounds, forKey: Key("rounds"))
        var paths = object.nestedUnkeyedContainer(forKey: Key("paths"))
        for row in self.rows {
            var path = paths.nestedContainer(keyedBy: Key.self)
            try path.encode(row.name, forKey: Key("path"))
            try path.encode(row.title, forKey: Key("title"))
            try path.encode(row.errors, forKey: Key("errors"))
            try path.encodeIfPresent(row.firstError, forKey: Key("first_error"))
            for (figure, value) in row.figures {
                let scale = pow(10, Double(figure.digits))
                try path.encode((value * scale).rounded() / scale, forKey: Key(figure.key))
            }
        }
    }
}
