// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOWebSocket
import Testing

@testable import WarrenRuntime

@Suite struct WebSocketRulesTests {
    @Test("a text is bytes like others, or a mistake where only bytes are carried", arguments: [true, false])
    func text(takesText: Bool) {
        var rules = WebSocketRules(.client, takesText: takesText)
        let frame = WebSocketFrame(fin: true, opcode: .text, data: ByteBuffer(string: "{}"))
        let failure = rules.judge(frame)
        #expect((failure == nil) == takesText)
        if let failure { #expect(failure.code == .unacceptableData) }
        #expect(rules.judge(WebSocketFrame(fin: true, opcode: .binary, data: ByteBuffer(bytes: [0xFE]))) == nil)
    }
}
