// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import WarrenRuntime

@Suite struct AcknowledgeTests {
    @Test("short reads of carriers are acknowledged at once, long ones and those of plain relays by the system")
    func shortReadsOfCarriers() {
        #expect(SocketOptions.carrier.mustAcknowledge(1) && SocketOptions.carrier.mustAcknowledge(4095))
        #expect(!SocketOptions.carrier.mustAcknowledge(4096))
        #expect(!SocketOptions().mustAcknowledge(1))
    }
}
