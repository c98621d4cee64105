// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenTesting

@testable import WarrenRuntime

@Suite struct UTF8CheckTests {
    /// By itself and by the standard library, whole.
    private func agree(_ bytes: [UInt8]) -> Bool {
        let whole = ByteBuffer(bytes: bytes).readableBytesView
        var check = UTF8Check()
        let isText = check.accepts(whole) && check.isWhole
        return isText == (String(validating: bytes, as: UTF8.self) != nil)
    }

    @Test func saysOfTwoAndThreeBytesWhatTheStandardLibrarySays() {
        for first in UInt8.min...UInt8.max {
            for second in UInt8.min...UInt8.max {
                #expect(self.agree([first, second]))
                for third in [0x00, 0x7F, 0x80, 0xBF, 0xC0] as [UInt8] { #expect(self.agree([first, second, third])) }
            }
        }
    }

    @Test func saysOfFourBytesWhatTheStandardLibrarySays() {
        for first in 0xEF...UInt8.max {
            for second in [0x7F, 0x80, 0x8F, 0x90, 0xBF, 0xC0] as [UInt8] {
                for third in [0x7F, 0x80, 0xBF, 0xC0] as [UInt8] {
                    for fourth in [0x7F, 0x80, 0xBF, 0xC0] as [UInt8] {
                        #expect(self.agree([first, second, third, fourth]))
                    }
                }
            }
        }
    }

    @Test func refusesTheFirstByteThatCannotStandThere() {
        var check = UTF8Check()
        let begins = check.accepts(ByteBuffer(bytes: [0x61, 0xF4]).readableBytesView)
        #expect(begins && !check.isWhole)
        let goesOn = check.accepts(ByteBuffer(bytes: [0x90]).readableBytesView)
        #expect(!goesOn)
    }
}
