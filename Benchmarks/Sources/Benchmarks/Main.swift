// SPDX-License-Identifier: Apache-2.0

import CAllocations
import Foundation

/// Without arguments, measures everything, each in a process of its own, and compares with the thresholds.
@main enum Main {
    private static let usage = "usage: Benchmarks --thresholds FILE [--update] | --measure NAME"

    static func main() async {
        do {
            try await Self.run(Array(CommandLine.arguments.dropFirst()))
        } catch {
            FileHandle.standardError.write(Data("\(error)\n".utf8))
            exit(2)
        }
    }

    private static func run(_ arguments: [String]) async throws {
        switch (arguments.first, arguments.dropFirst().first, Array(arguments.dropFirst(2))) {
        case ("--measure", let name?, []):
            guard let measurement = Measurement.all.first(where: { $0.name == name }) else {
                throw Failure("there is no measurement \(name)")
            }
            for figure in try await measurement.run() { print(figure.name, figure.value) }
        case ("--thresholds", let file?, []):
            let passed = Self.compare(try Self.measureAll(), with: try Thresholds(file: file))
            exit(passed ? 0 : 1)
        case ("--thresholds", let file?, ["--update"]):
            try Thresholds(from: try Self.measureAll()).write(to: file)
            print("wrote \(file)")
        default:
            throw Failure(Self.usage)
        }
    }

    private static func measureAll() throws -> [Measurement.Figure] {
        if !allocations_available() {
            print("Allocations cannot be counted on this system: that needs glibc. Only memory is measured.")
        }
        return try Measurement.all.flatMap { measurement in
            FileHandle.standardError.write(Data("measuring \(measurement.name)\n".utf8))
            return try Self.measureApart(measurement)
        }
    }

    private static func measureApart(_ measurement: Measurement) throws -> [Measurement.Figure] {
        let process = Process()
        let output = Pipe()
        process.executableURL = Bundle.main.executableURL
        process.arguments = ["--measure", measurement.name]
        process.standardOutput = output
        try process.run()
        let text = String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw Failure("\(measurement.name) could not be measured") }
        return text.split(separator: "\n").compactMap { line in
            let words = line.split(separator: " ")
            guard words.count == 2, let value = Double(words[1]) else { return nil }
            return Measurement.Figure(name: String(words[0]), value: value)
        }
    }

    /// Prints the table.
    ///
    /// - Returns: whether every figure has a threshold and is below it.
    private static func compare(_ figures: [Measurement.Figure], with thresholds: Thresholds) -> Bool {
        let width = figures.map(\.name.count).max() ?? 0
        func line(_ name: String, _ value: String, _ threshold: String, _ verdict: String) -> String {
            func space(_ text: String, _ width: Int) -> String {
                String(repeating: " ", count: max(0, width - text.count))
            }
            return name + space(name, width) + space(value, 12) + value + space(threshold, 12) + threshold
                + "  \(verdict)"
        }
        print(line("", "measured", "threshold", ""))
        var passed = true
        for figure in figures {
            let threshold = thresholds.values[figure.name]
            let isFine = threshold.map { figure.value <= $0 } ?? false
            let verdict = isFine ? "fine" : threshold == nil ? "NO THRESHOLD" : "TOO MUCH"
            passed = passed && isFine
            print(line(figure.name, Thresholds.text(figure.value), threshold.map(Thresholds.text) ?? "–", verdict))
        }
        return passed
    }
}
