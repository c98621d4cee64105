// SPDX-License-Identifier: Apache-2.0

public import NIOCore

extension KCP {
    /// What the first datagram of an unknown peer is.
    public enum FirstWord: Hashable, Sendable {
        /// It may be the beginning of a conversation, whose datagrams may overtake each other.
        case beginning
        /// It belongs to a conversation that we know nothing of; the answer makes the peer's end notice
        /// (``Machine/peerHasForgotten``). It is shorter than what came.
        case middle(answer: ByteBuffer)
        /// Nothing that deserves an answer.
        case other

        /// Who has had no answer awaits our first segment, and sends none behind the first window of the least of all
        /// deployed cores.
        private static let firstWindow = 32

        public init(_ datagram: ByteBuffer, conversation: UInt32) {
            var rest = datagram
            while rest.skipForeignRecord() {}
            guard let segment = try? rest.readKCPSegment(conversation: conversation), segment.header.command == .push
            else {
                self = .other
                return
            }
            guard segment.header.number >= Self.firstWindow || segment.header.awaited > 0 else {
                self = .beginning
                return
            }
            var header = segment.header
            header.command = .ack
            header.fragment = 0
            header.window = 0
            header.awaited = 0
            var answer = ByteBuffer()
            answer.writeKCPHeader(header)
            self = .middle(answer: answer)
        }
    }
}
