// SPDX-License-Identifier: Apache-2.0

import Foundation

/// How many random sequences a model test runs.
public enum ModelRuns {
    /// 300, or what `WARREN_MODEL_RUNS` says: 100,000 in the slow suite.
    public static let count = ProcessInfo.processInfo.environment["WARREN_MODEL_RUNS"].flatMap { Int($0) } ?? 300

    /// The seeds of all runs.
    public static var seeds: Range<UInt64> { 0..<UInt64(max(Self.count, 1)) }
}
