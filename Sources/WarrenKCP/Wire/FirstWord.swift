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
            guard var header = Self.firstPush(of: datagram, conversation) else {
                self = .other
                return
            }
            guard header.number >= Self.firstWindow || header.awaited > 0 else {
                self = .beginning
                return
            }
            header.command = .ack
            header.fragment = 0
            header.window = 0
            header.awaited = 0
            var answer = ByteBuffer()
            answer.writeKCPHeader(header)
            self = .middle(answer: answer)
        }

        /// Acknowledgements may stand before it.
        private static func firstPush(of datagram: ByteBuffer, _ conversation: UInt32) -> Header? {
            var rest = datagram
            while rest.readableBytes > 0 {
                if rest.skipForeignRecord() { continue }
                guard let segment = try? rest.readKCPSegment(conversation: conversation) else { return nil }
                if segment.header.command == .push { return segment.header }
            }
            return nil
        }
    }
}
