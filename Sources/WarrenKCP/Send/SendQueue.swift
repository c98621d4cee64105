// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// What waits to be sent for the first time, not yet cut into segments.
///
/// Cutting late lets short writes share a segment. Data of one buffer is not copied.
struct SendQueue {
    private var chunks = CircularBuffer<ByteBuffer>()
    /// In messages framing: what each buffer is one message of.
    private let framing: KCP.Framing
    private(set) var bytes = 0

    init(_ framing: KCP.Framing) { self.framing = framing }

    var isEmpty: Bool { self.chunks.isEmpty }

    mutating func append(_ bytes: ByteBuffer) {
        if bytes.readableBytes == 0, self.framing == .stream { return }
        self.chunks.append(bytes)
        self.bytes += bytes.readableBytes
    }

    mutating func removeAll() {
        self.chunks.removeAll()
        self.bytes = 0
    }

    /// Bytes that the next segment will have if it may have so many.
    func nextLength(most: Int) -> Int {
        switch self.framing {
        case .stream: min(most, self.bytes)
        case .messages: min(most, self.chunks.first?.readableBytes ?? 0)
        }
    }

    /// Takes the next segment's data, at most so many bytes, and how many segments of its message follow.
    mutating func cut(most: Int) -> (data: ByteBuffer, fragment: UInt8)? {
        guard let first = self.chunks.first, most > 0 else { return nil }
        let length = self.nextLength(most: most)
        if first.readableBytes < length { return (self.gather(length), 0) }
        self.bytes -= length
        if first.readableBytes == length {
            _ = self.chunks.popFirst()
            return (first, 0)
        }
        let index = self.chunks.startIndex
        let data = self.chunks[index].readSlice(length: length) ?? ByteBuffer()
        let left = (self.chunks[index].readableBytes + most - 1) / most
        return (data, self.framing == .messages ? UInt8(clamping: left) : 0)
    }

    /// A segment of several short buffers, copied.
    private mutating func gather(_ length: Int) -> ByteBuffer {
        var data = ByteBuffer()
        data.reserveCapacity(length)
        while data.readableBytes < length, let first = self.chunks.first {
            if first.readableBytes <= length - data.readableBytes {
                data.writeImmutableBuffer(first)
                _ = self.chunks.popFirst()
            } else {
                let index = self.chunks.startIndex
                if let piece = self.chunks[index].readSlice(length: length - data.readableBytes) {
                    data.writeImmutableBuffer(piece)
                }
            }
        }
        self.bytes -= data.readableBytes
        return data
    }
}
