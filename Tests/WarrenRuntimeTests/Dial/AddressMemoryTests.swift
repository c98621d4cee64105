// SPDX-License-Identifier: Apache-2.0

import Testing
import WarrenCore

@testable import WarrenRuntime

@Suite struct AddressMemoryTests {
    private static let four = (1...3).map { IPAddress(v4: 0x0A00_0000 + UInt32($0)) }
    private static let six = [IPAddress(high: 1, low: 1)]

    @Test("addresses where no session was to be had go to the end, the longest ago first")
    func order() {
        let memory = AddressMemory()
        let four = Self.four
        #expect(memory.inOrder(four, of: .v4) == four)
        memory.failed(four[0])
        memory.failed(four[1])
        #expect(memory.inOrder(four, of: .v4) == [four[2], four[0], four[1]])
        memory.failed(four[2])
        #expect(memory.inOrder(four, of: .v4) == four)
        memory.succeeded(four[1])
        #expect(memory.inOrder(four, of: .v4) == [four[1], four[0], four[2]])
        #expect(memory.count == 3)
    }

    @Test("the usual family is first unless the other one does better")
    func family() {
        let memory = AddressMemory()
        #expect(memory.preferred(.v6) == .v6 && memory.count == 1)
        _ = memory.inOrder(Self.six, of: .v6)
        _ = memory.inOrder(Self.four, of: .v4)
        #expect(memory.preferred(.v6) == .v6 && memory.count == 4)
        memory.failed(Self.six[0])
        #expect(memory.preferred(.v6) == .v4 && memory.preferred(.v4) == .v4)
        for address in Self.four { memory.failed(address) }
        #expect(memory.preferred(.v6) == .v6)
        _ = memory.inOrder([], of: .v6)
        #expect(memory.preferred(.v6) == .v4 && memory.count == 3)
    }
}
