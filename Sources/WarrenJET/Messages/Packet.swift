// SPDX-License-Identifier: Apache-2.0

import NIOCore

extension JET {
    /// The frame around a request or reply.
    struct Packet: Hashable, Sendable {
        static let headerBytes = 8
        /// The size field counts the header and has 16 bits.
        static let mostPayload = 0xFFFF - Self.headerBytes

        var flags: UInt8 = 0
        /// Every payload byte is XORed with it on the wire. Any value; 0 leaves clear text.
        var mask: UInt8
        /// Unmasked, and valid UTF-8 if it was read.
        var payload: String
    }
}
