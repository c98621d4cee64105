// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import WarrenSecureDatagrams

/// Who seals at either end of a ``World`` that is made in this task.
enum Ways {
    typealias Pair = (client: Cipher.Way, server: Cipher.Way)

    @TaskLocal static var current: Pair = (.best, .best)

    static let all: [Pair] = Cipher.Way.usable.flatMap { client in Cipher.Way.usable.map { (client, $0) } }
}

/// Runs each test of a suite for every pair of ways to seal.
struct EveryWay: SuiteTrait, TestTrait, TestScoping {
    var isRecursive: Bool { true }

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @concurrent @Sendable () async throws -> Void
    ) async throws {
        for ways in Ways.all { try await Ways.$current.withValue(ways) { try await function() } }
    }
}

extension Trait where Self == EveryWay {
    static var everyWay: Self { EveryWay() }
}
