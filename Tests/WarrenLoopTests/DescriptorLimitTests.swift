// SPDX-License-Identifier: Apache-2.0

import NIOConcurrencyHelpers
import NIOCore
import Testing
import WarrenCore

@testable import WarrenLoop

@Suite(.timeLimit(.minutes(1))) struct DescriptorLimitTests {
    @Test(
        "the last descriptors are kept back: most of them for saying no, the last for files and names",
        arguments: [
            (1024, 895, DescriptorLimit.Room.plenty), (1024, 896, .scarce), (1024, 991, .scarce), (1024, 992, .none),
            (1024, 5000, .none), (64, 47, .plenty), (64, 48, .scarce), (64, 60, .none), (1 << 20, 1_048_063, .plenty),
            (1 << 20, 1_048_064, .scarce), (Int.max, Int(CInt.max), .plenty), (0, 0, .none),
        ])
    func keepsSomeBack(limit: Int, descriptor: Int, room: DescriptorLimit.Room) {
        #expect(DescriptorLimit { limit }.room(for: CInt(descriptor)) == room)
    }

    @Test func aLimitThatChangesIsReadAgain() {
        let system = NIOLockedValueBox(1024)
        let limit = DescriptorLimit { system.withLockedValue { $0 } }
        system.withLockedValue { $0 = 64 }
        #expect(limit.room(for: 100) == .plenty)
        limit.reread()
        #expect(limit.room(for: 100) == .none)
    }

    @Test("limits.sessions is compared with what the system allows, and both numbers are named")
    func shortfall() {
        #expect(DescriptorLimit { 1 << 20 }.shortfall(sessions: 10_000, others: 50) == nil)
        #expect(DescriptorLimit { .max }.shortfall(sessions: .max, others: .max) == nil)
        let sentence = DescriptorLimit { 4096 }.shortfall(sessions: 10_000, others: 50)
        #expect(sentence?.contains("limits.sessions is 10000") == true)
        #expect(sentence?.contains("20562 descriptors") == true)
        #expect(sentence?.contains("4096 (RLIMIT_NOFILE)") == true)
        #expect(sentence?.contains("set limits: sessions: to 1767 or less") == true)
        #expect(DescriptorLimit { 4096 }.shortfall(sessions: 1767, others: 50) == nil)
        #expect(DescriptorLimit { 8 }.shortfall(sessions: 10, others: 50)?.contains("to 1 or less") == true)
    }
}
