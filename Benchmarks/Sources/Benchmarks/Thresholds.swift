// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The most that each figure may be.
struct Thresholds {
    private static let commentKey = "_comment"
    private static let comment =
        "The most each figure may be. Measured values x 1.3 by: scripts/benchmarks.sh --update"
    /// How much more than measured a new threshold allows.
    private static let slack = 1.3

    private(set) var values: [String: Double]

    init(file: String) throws {
        guard let data = FileManager.default.contents(atPath: file) else { throw Failure("cannot read \(file)") }
        let object = try JSONSerialization.jsonObject(with: data) as? [String: Any] ?? [:]
        self.values = object.compactMapValues { ($0 as? NSNumber)?.doubleValue }
    }

    init(from figures: [Measurement.Figure]) {
        let pairs = figures.map { ($0.name, Self.rounded($0.value * Self.slack)) }
        self.values = Dictionary(pairs) { first, _ in first }
    }

    func write(to file: String) throws {
        let lines = self.values.sorted { $0.key < $1.key }.map { "  \"\($0.key)\": \(Self.text($0.value))" }
        let all = ["  \"\(Self.commentKey)\": \"\(Self.comment)\""] + lines
        try Data("{\n\(all.joined(separator: ",\n"))\n}\n".utf8).write(to: URL(fileURLWithPath: file))
    }

    /// At most two digits after the point, without zeros at the end.
    static func text(_ value: Double) -> String {
        value >= 100 ? String(format: "%.0f", value) : String(format: "%.2f", value)
    }

    private static func rounded(_ value: Double) -> Double {
        value >= 100 ? value.rounded(.up) : (value * 100).rounded(.up) / 100
    }
}
