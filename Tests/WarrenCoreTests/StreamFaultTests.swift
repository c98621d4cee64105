// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import WarrenCore

@Suite struct StreamFaultTests {
    @Test("a peer is told of every fault by its code", arguments: StreamFault.allCases)
    func codes(fault: StreamFault) {
        let expected: StreamFault = fault.isOutboundDown ? .sessionLost : fault
        #expect(StreamFault(code: fault.code) == expected)
    }

    @Test func onlyATunnelIsLost() {
        #expect(StreamFault.allCases.filter { $0.rawValue.contains("tunnel") } == [.sessionLost])
        #expect(CloseReason.finished.asLoss == "closed by the peer")
        #expect(CloseReason.timedOut(phase: "hello").asLoss == "timed out in hello")
    }
}
