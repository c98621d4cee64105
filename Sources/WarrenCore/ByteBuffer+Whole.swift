// SPDX-License-Identifier: Apache-2.0

public import NIOCore

extension ByteBuffer {
    /// Reads all of `body` or nothing: on nil and on a throw the reader index is where it was.
    @inlinable
    public mutating func readWhole<Value>(
        _ body: (inout ByteBuffer) throws(WireError) -> Value?
    ) throws(WireError) -> Value? {
        let start = self.readerIndex
        do throws(WireError) {
            if let value = try body(&self) { return value }
        } catch {
            self.moveReaderIndex(to: start)
            throw error
        }
        self.moveReaderIndex(to: start)
        return nil
    }

    /// Takes `bytes` over whole where nothing is left from the last read, so that the data path does not copy.
    @inlinable
    public mutating func take(_ bytes: ByteBuffer) {
        if self.readableBytes == 0 {
            self = bytes
        } else {
            self.writeImmutableBuffer(bytes)
        }
    }
}
