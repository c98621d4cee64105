// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// When a measurement ends.
@_spi(Bench) public enum LoadLimit: Sendable {
    case seconds(Double)
    /// Bytes, round trips or connections; those under way then are still completed and counted.
    case amount(Int)

    /// What one of several lanes has to do.
    func share(of lanes: Int) -> LoadLimit {
        switch self {
        case .seconds: self
        case .amount(let amount): .amount((amount + lanes - 1) / lanes)
        }
    }
}

/// What came of a measurement.
@_spi(Bench) public struct LoadTally: Sendable {
    /// Bytes of payload, round trips or connections, all of them complete.
    public internal(set) var count = 0
    public internal(set) var seconds = 0.0
    public internal(set) var latencies = LoadLatencies()
    /// What went wrong: connections that failed, bytes that were not right.
    public private(set) var failures = 0
    public private(set) var firstFailure: String?

    init() {}

    public var perSecond: Double { self.seconds > 0 ? Double(self.count) / self.seconds : 0 }

    mutating func failed(_ reason: String, times: Int = 1) {
        self.failures += times
        self.firstFailure = self.firstFailure ?? reason
    }

    /// Adds what another lane did at the same time.
    mutating func add(_ other: LoadTally) {
        self.count += other.count
        self.seconds = max(self.seconds, other.seconds)
        self.latencies.add(other.latencies)
        if let reason = other.firstFailure { self.failed(reason, times: other.failures) }
    }
}

/// Knows when a measurement is over.
struct LoadTimer {
    private let start = Self.now
    private let limit: LoadLimit

    init(_ limit: LoadLimit) { self.limit = limit }

    /// Nanoseconds of a clock that never goes back.
    static var now: UInt64 { NIODeadline.now().uptimeNanoseconds }

    var seconds: Double { Double(Self.now - self.start) / 1e9 }

    func isOver(after count: Int) -> Bool {
        switch self.limit {
        case .seconds(let seconds): self.seconds >= seconds
        case .amount(let amount): count >= amount
        }
    }
}
