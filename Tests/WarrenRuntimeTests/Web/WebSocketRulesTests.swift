// SPDX-License-Identifier: Apache-2.0

import NIOWebSocket
import Testing

@testable import WarrenRuntime

@Suite struct WebSocketRulesTests {
    private static func header(_ opcode: WebSocketOpcode) -> WebSocketHeader {
        WebSocketHeader(isLast: true, reservedBits: 0, opcode: opcode, mask: nil, length: 2)
    }

    @Test("a text is bytes like others, or a mistake where only bytes are carried", arguments: [true, false])
    func text(takesText: Bool) {
        var rules = WebSocketRules(.client, takesText: takesText)
        let failure = rules.judge(Self.header(.text))
        #expect((failure == nil) == takesText)
        if let failure { #expect(failure.code == .unacceptableData) }
        #expect(rules.judge(Self.header(.binary)) == nil)
    }
}
