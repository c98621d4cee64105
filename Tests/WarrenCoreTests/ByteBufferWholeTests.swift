// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore

@Suite("Whole reads") struct ByteBufferWholeTests {
    @Test func consumesAValue() throws {
        var bytes = ByteBuffer(bytes: [1, 2, 3])
        let value = try bytes.readWhole { (buffer) throws(WireError) in buffer.readInteger(as: UInt16.self) }
        #expect(value == 0x0102)
        #expect(bytes.readableBytes == 1)
    }

    @Test func consumesNothingWhileIncomplete() throws {
        var bytes = ByteBuffer(bytes: [0, 1, 2, 3])
        bytes.moveReaderIndex(forwardBy: 1)
        let value = try bytes.readWhole { (buffer) throws(WireError) -> UInt32? in
            _ = buffer.readInteger(as: UInt8.self)
            return buffer.readInteger(as: UInt32.self)
        }
        #expect(value == nil)
        #expect(bytes.readerIndex == 1)
    }

    @Test func consumesNothingOnAnError() {
        var bytes = ByteBuffer(bytes: [0, 1, 2, 3])
        bytes.moveReaderIndex(forwardBy: 1)
        #expect(throws: WireError(.badValue, in: "field")) {
            try bytes.readWhole { (buffer) throws(WireError) -> UInt8? in
                _ = buffer.readInteger(as: UInt16.self)
                throw WireError(.badValue, in: "field", found: "prose is not compared")
            }
        }
        #expect(bytes.readerIndex == 1)
    }

    @Test func takesOverWhatIsAlone() {
        var bytes = ByteBuffer(bytes: [1])
        bytes.moveReaderIndex(to: 1)
        let next = ByteBuffer(bytes: [2, 3])
        bytes.take(next)
        #expect(bytes == next)
        #expect(bytes.readerIndex == next.readerIndex)
    }

    @Test func appendsToWhatIsLeft() {
        var bytes = ByteBuffer(bytes: [1, 2])
        bytes.moveReaderIndex(to: 1)
        bytes.take(ByteBuffer(bytes: [3]))
        bytes.take(ByteBuffer())
        #expect(bytes == ByteBuffer(bytes: [2, 3]))
    }
}
