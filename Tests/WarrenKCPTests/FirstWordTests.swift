// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenKCP

/// What a server thinks of the first datagram of a peer that it does not know.
@Suite struct FirstWordTests {
    private func datagram(of machine: inout KCP.Machine, at milliseconds: Int64) -> ByteBuffer {
        var bytes = ByteBuffer()
        _ = machine.poll(into: &bytes, now: .uptimeNanoseconds(UInt64(milliseconds) * 1_000_000))
        return bytes
    }

    private func word(_ datagram: ByteBuffer) -> KCP.FirstWord {
        KCP.FirstWord(datagram, conversation: KCP.Configuration.vproxy().conversation)
    }

    @Test("who has had no answer begins, and so does one whose first datagram was lost") func beginning() {
        var client = KCP.Machine(.vproxy())
        client.send(segments: 2)
        for _ in 0..<2 { #expect(self.word(self.datagram(of: &client, at: 0)) == .beginning) }
    }

    @Test("who has had an answer is in the middle however little was said, and notices when it is told so")
    func middle() throws {
        var (client, server) = (KCP.Machine(.vproxy()), KCP.Machine(.vproxy()))
        client.send(segments: 1)
        server.input(self.datagram(of: &client, at: 0), now: .uptimeNanoseconds(0))
        _ = server.receive()
        server.send(segments: 1)
        client.input(self.datagram(of: &server, at: 1), now: .uptimeNanoseconds(1_000_000))
        _ = client.receive()
        _ = self.datagram(of: &client, at: 1)  // its acknowledgement
        client.send(segments: 1)
        guard case .middle(let answer) = self.word(self.datagram(of: &client, at: 2)) else {
            Issue.record("it is taken for a beginning")
            return
        }
        client.input(answer, now: .uptimeNanoseconds(3_000_000))
        #expect(client.peerHasForgotten)
    }

    @Test("what is no segment deserves no answer") func other() {
        #expect(self.word(ByteBuffer()) == .other)
        #expect(self.word(ByteBuffer(repeating: 7, count: 100)) == .other)
    }
}
