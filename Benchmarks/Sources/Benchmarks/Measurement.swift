// SPDX-License-Identifier: Apache-2.0

import CAllocations
@_spi(Bench) import WarrenBench

/// What is measured in one process of its own: what one left behind in the heap must not help the next.
struct Measurement: Sendable {
    /// One number, which has a threshold of the same name.
    struct Figure: Sendable {
        let name: String
        let value: Double
    }

    enum Kind: Sendable {
        /// Connections one after the other, eight at a time.
        case connections(count: Int)
        /// One stream from the target to the client.
        case stream(mebibytes: Int)
        /// Connections that do nothing, in steps.
        case idle(counts: [Int])
    }

    /// One of `Bench.paths`.
    let path: String
    let kind: Kind

    static let all = [
        Measurement(path: "forward", kind: .connections(count: 2000)),
        Measurement(path: "socks5", kind: .connections(count: 2000)),
        Measurement(path: "jproxy", kind: .connections(count: 2000)),
        Measurement(path: "forward", kind: .stream(mebibytes: 2048)),
        Measurement(path: "jproxy", kind: .stream(mebibytes: 512)),
        Measurement(path: "forward", kind: .idle(counts: [1000, 4000])),
        Measurement(path: "socks5", kind: .idle(counts: [1000, 4000])),
        Measurement(path: "jproxy", kind: .idle(counts: [1000, 4000])),
    ]

    var name: String {
        switch self.kind {
        case .connections: "\(self.path).connections"
        case .stream: "\(self.path).stream"
        case .idle: "\(self.path).idle"
        }
    }

    /// Measures in this process.
    func run() async throws -> [Figure] {
        let target = try LoadTarget(capacity: 8192, onThread: { allocations_ignore_thread() })
        defer { target.stop() }
        let generator = LoadGenerator(target: target, onThread: { allocations_ignore_thread() })
        var figures: [Figure] = []
        try await BenchNodes.run(paths: [self.path], target: target.port) { routes in
            guard let route = routes[self.path] else { throw Failure("there is no path \(self.path)") }
            switch self.kind {
            case .connections(let count): figures = try await self.connections(count, generator, route)
            case .stream(let mebibytes): figures = try await self.stream(mebibytes, generator, route)
            case .idle(let counts): figures = try await self.idle(counts, generator, route)
            }
        }
        return figures
    }

    private func connections(
        _ count: Int, _ generator: LoadGenerator, _ route: LoadRoute
    ) async throws -> [Figure] {
        guard allocations_available() else { return [] }
        _ = try await generator.connections(route, atATime: 8, limit: .amount(count / 4)).checked()
        allocations_count(true)
        let tally = try await generator.connections(route, atATime: 8, limit: .amount(count)).checked()
        allocations_count(false)
        let value = Double(allocations_made()) / Double(tally.count)
        return [Figure(name: "\(self.path).allocations_per_connection", value: value)]
    }

    private func stream(_ mebibytes: Int, _ generator: LoadGenerator, _ route: LoadRoute) async throws -> [Figure] {
        guard allocations_available() else { return [] }
        _ = try await generator.down(route, streams: 1, limit: .amount(mebibytes << 18)).checked()
        allocations_count(true)
        let tally = try await generator.down(route, streams: 1, limit: .amount(mebibytes << 20)).checked()
        allocations_count(false)
        let value = Double(allocations_made()) / (Double(tally.count) / Double(1 << 20))
        return [Figure(name: "\(self.path).allocations_per_mebibyte", value: value)]
    }

    private func idle(_ counts: [Int], _ generator: LoadGenerator, _ route: LoadRoute) async throws -> [Figure] {
        // Every connection has four descriptors here: both ends of both of its halves.
        let descriptors = raise_descriptor_limit()
        guard let most = counts.max(), descriptors >= 4 * most + 256 else {
            throw Failure("needs \(4 * (counts.max() ?? 0) + 256) open files, and only \(descriptors) are allowed")
        }
        try await generator.hold(route, connections: 64).end()
        var held: [LoadHold] = []
        defer { for hold in held { hold.end() } }
        var figures: [Figure] = []
        allocations_count(true)
        let before = resident_bytes()
        for (count, last) in zip(counts, [0] + counts) {
            held.append(try await generator.hold(route, connections: count - last))
            let prefix = "\(self.path).idle_\(count)"
            let bytes = Double(resident_bytes()) - Double(before)
            figures.append(Figure(name: "\(prefix).resident_bytes_per_connection", value: bytes / Double(count)))
            guard allocations_available() else { continue }
            let live = Double(allocations_made()) - Double(allocations_freed())
            figures.append(Figure(name: "\(prefix).live_allocations_per_connection", value: live / Double(count)))
        }
        allocations_count(false)
        return figures
    }
}

/// Why something could not be measured, in one sentence.
struct Failure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

extension LoadTally {
    /// - Throws: if anything went wrong: what remains would be about fewer connections than it says.
    func checked() throws -> LoadTally {
        if let reason = self.firstFailure { throw Failure("\(self.failures) failures, the first: \(reason)") }
        return self
    }
}
