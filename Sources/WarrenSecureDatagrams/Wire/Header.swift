// SPDX-License-Identifier: Apache-2.0

package import NIOCore

extension SecureDatagrams {
    /// The low half of a datagram's first byte; the high half is the version, 1.
    package enum Kind: UInt8 {
        case request = 0x11
        case response = 0x12
        case cookie = 0x13
        case data = 0x14

        /// Nil for other versions and kinds; nothing is read beyond the first byte.
        package init?(of datagram: ByteBuffer) {
            guard let byte = datagram.getInteger(at: datagram.readerIndex, as: UInt8.self) else { return nil }
            self.init(rawValue: byte)
        }
    }

    /// What stands before the sealed bytes: `kind 1B | receiver's index u32 | counter u64`, big-endian.
    struct Header {
        static let length = 13
        let index: UInt32
        let counter: UInt64

        /// Nil for what is no datagram with payload, and for what is too short to be one.
        init?(of datagram: ByteBuffer) {
            let read = datagram.withUnsafeReadableBytes { bytes -> (index: UInt32, counter: UInt64)? in
                guard bytes.count >= SecureDatagrams.overhead, bytes.first == Kind.data.rawValue else { return nil }
                return (
                    UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: 1, as: UInt32.self)),
                    UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 5, as: UInt64.self))
                )
            }
            guard let read else { return nil }
            self.index = read.index
            self.counter = read.counter
        }
    }
}
