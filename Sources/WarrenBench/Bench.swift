// SPDX-License-Identifier: Apache-2.0

/// A quick measurement of this build on this machine: every path on loopback, load generator and target in the same
/// process.
public struct Bench: Sendable {
    /// What was measured on one path.
    public struct Row: Sendable {
        /// One of ``Bench/paths``.
        public let name: String
        public let title: String
        /// The median of all rounds.
        public let figures: [Figure: Double]
        /// Connections that failed and payload that was not right, over all rounds.
        public let errors: Int
        public let firstError: String?
    }

    /// The paths that can be measured.
    public static let paths = BenchPath.all.map(\.name)
    /// What whoever reads the figures must know.
    public static let note =
        "Loopback figures of one process: the load generator and the target run in it and share its processors."

    /// Only these of ``paths``; all if empty.
    public var only: [String] = []
    /// How long each of the measurements of a path goes on, in seconds.
    public var seconds = 1.0
    /// How often everything is measured.
    public var rounds = 1

    public init() {}

    /// - Parameter progress: told what is being measured.
    /// - Returns: a row per path, in order.
    public func run(progress: @Sendable (String) -> Void) async throws -> [Row] {
        progress("starting")
        let chosen = BenchPath.all.filter { self.only.isEmpty || self.only.contains($0.name) }
        let target = try LoadTarget()
        defer { target.stop() }
        let generator = LoadGenerator(target: target)
        var results = chosen.map { BenchResults($0) }
        try await BenchNodes.run(paths: chosen.map(\.name), target: target.port) { routes in
            let steps = self.rounds * chosen.count * Measurement.allCases.count
            var step = 0
            for _ in 0..<self.rounds {
                for (index, path) in chosen.enumerated() {
                    guard let route = routes[path.name] else { continue }
                    for measurement in Measurement.allCases {
                        step += 1
                        progress("\(step)/\(steps) \(path.title): \(measurement.title)")
                        let tally = await measurement.run(generator, route, seconds: self.seconds)
                        results[index].add(tally, of: measurement)
                    }
                }
            }
        }
        return results.map(\.row)
    }
}

/// What was measured on one path so far.
struct BenchResults {
    private let path: BenchPath
    private var values: [Bench.Figure: [Double]] = [:]
    private var errors = 0
    private var firstError: String?

    init(_ path: BenchPath) { self.path = path }

    mutating func add(_ tally: LoadTally, of measurement: Bench.Measurement) {
        for (figure, value) in measurement.figures(tally) { self.values[figure, default: []].append(value) }
        self.errors += tally.failures
        if let reason = tally.firstFailure {
            self.firstError = self.firstError ?? "\(measurement.title): \(reason)"
        }
    }

    var row: Bench.Row {
        Bench.Row(
            name: self.path.name, title: self.path.title, figures: self.values.compactMapValues(Self.median),
            errors: self.errors, firstError: self.firstError
        )
    }

    /// The middle one, or the mean of the two in the middle; nil of nothing.
    static func median(_ values: [Double]) -> Double? {
        guard !values.isEmpty else { return nil }
        let sorted = values.sorted()
        return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
    }
}
