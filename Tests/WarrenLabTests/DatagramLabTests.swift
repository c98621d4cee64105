// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing

@testable import WarrenLab

/// What is done to the bytes of a datagram.
@Suite struct DatagramLabTests {
    @Test("one bit is turned, and the sender's bytes stay as they were", arguments: 0..<24) func turned(bit: Int) {
        let bytes = ByteBuffer(bytes: [0x00, 0xFF, 0x55])
        let damaged = bytes.turned(bit: bit)
        #expect(bytes == ByteBuffer(bytes: [0x00, 0xFF, 0x55]))
        let changes = zip(bytes.readableBytesView, damaged.readableBytesView).map { ($0 ^ $1) }
        #expect(changes.map(\.nonzeroBitCount).reduce(0, +) == 1)
        #expect(changes[bit / 8] == 0x80 >> UInt8(bit % 8))
    }
}
