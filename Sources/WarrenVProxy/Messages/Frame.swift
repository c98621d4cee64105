// SPDX-License-Identifier: Apache-2.0

import NIOCore

extension VProxy {
    /// What stands before the payload of every frame.
    struct FrameHead: Hashable, Sendable {
        /// Bytes of the payload.
        var length: Int
        var type: UInt8
        var flags: UInt8
        var stream: UInt32

        init(_ type: FrameType, length: Int = 0, flags: UInt8 = 0, stream: UInt32 = 0) {
            self.init(length: length, type: type.rawValue, flags: flags, stream: stream)
        }

        init(length: Int, type: UInt8, flags: UInt8, stream: UInt32) {
            self.length = length
            self.type = type
            self.flags = flags
            self.stream = stream
        }

        func has(_ flag: UInt8) -> Bool { self.flags & flag != 0 }
    }

    /// The frames that there are; any other type ends a deployed peer.
    enum FrameType: UInt8 {
        case data = 0
        case headers = 1
        case settings = 4
        case ping = 6
        case goAway = 7
    }

    enum Frame {
        /// Bytes of a head.
        static let head = 9
        /// The first frame from each end, byte for byte.
        static let handshake: [UInt8] = [0, 0, 0, 4, 0, 0, 0, 0, 0]
        /// DATA: the sender's last; HEADERS: reset; PING: the answer.
        static let over: UInt8 = 0x1
        /// DATA: a member of gzip.
        static let gzip: UInt8 = 0x4
        /// Payload of a DATA frame that we send: as much as deployed peers do.
        static let mostSent = 16 << 10
        /// Bytes of a PING or GOAWAY that are looked at; the others are skipped.
        static let mostLooked = 1 << 10
        /// The largest stream id; one bit more is negative to deployed peers.
        static let lastStream: UInt32 = 0x7FFF_FFFF
    }

    /// One thing that the peer has said.
    enum Incoming: Hashable, Sendable {
        case handshake
        /// SYN, or SYN-ACK from a server.
        case open(UInt32, flags: UInt8)
        case reset(UInt32)
        /// A part of what the frame brings, as it comes.
        case data(UInt32, ByteBuffer)
        case finish(UInt32)
        case ping(UInt64, extra: ByteBuffer)
        case pong(UInt64, extra: ByteBuffer)
        /// A message of the extension, where both ends have agreed on it.
        case extended(UInt32, ExtendedMessage)
        case shutdown(reason: String)
    }
}
