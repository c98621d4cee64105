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

extension ByteBuffer {
    /// Empties a buffer that is to take so many bytes, or takes a fresh one while others still hold its storage.
    package mutating func renew(_ capacity: Int) {
        let isReused = self.modifyIfUniquelyOwned { $0.clear(minimumCapacity: capacity) } != nil
        if !isReused { self = ByteBufferAllocator().buffer(capacity: capacity) }
    }

    /// A piece of what many streams share. A small one is copied, so that a few bytes that nobody reads cannot hold the whole
    /// buffer.
    package func piece(at start: Int, length: Int) -> ByteBuffer {
        guard let slice = self.getSlice(at: start, length: length) else { return ByteBuffer() }
        guard length < self.capacity / 8 else { return slice }
        return ByteBuffer(bytes: slice.readableBytesView)
    }
}
