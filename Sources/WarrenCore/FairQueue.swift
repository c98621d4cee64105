// SPDX-License-Identifier: Apache-2.0

public import NIOCore

/// Payload waiting for the carrier, one queue per stream, served in turns (deficit round robin with equal quanta).
///
/// A stream that has little to say waits for at most one quantum of each of the others.
public struct FairQueue {
    fileprivate struct Line {
        var chunks = CircularBuffer<ByteBuffer>()
        var bytes = 0
    }

    private var lines: [StreamID: Line] = [:]
    private var turns = CircularBuffer<StreamID>()
    /// What the stream at the front may still take of its turn.
    private var credit: Int
    private let quantum: Int
    public private(set) var bytes = 0

    /// - Parameter quantum: bytes a stream may send before the next one has its turn.
    public init(quantum: Int) {
        self.quantum = quantum
        self.credit = quantum
    }

    public var isEmpty: Bool { self.turns.isEmpty }

    /// Bytes of this stream that wait.
    public func queued(_ stream: StreamID) -> Int { self.lines[stream]?.bytes ?? 0 }

    public mutating func append(_ bytes: ByteBuffer, to stream: StreamID) {
        guard bytes.readableBytes > 0 else { return }
        self.bytes += bytes.readableBytes
        if self.lines[stream]?.append(bytes) == nil {
            var line = Line()
            line.append(bytes)
            self.lines[stream] = line
            self.turns.append(stream)
        }
    }

    /// The next piece in turn, at most `most` bytes of one chunk; nil when nothing waits.
    public mutating func next(most: Int) -> (stream: StreamID, bytes: ByteBuffer)? {
        guard let stream = self.turns.first else { return nil }
        guard var chunk = self.lines[stream]?.takeFirst() else {
            preconditionFailure("a stream has its turn without a line")
        }
        let piece = chunk.readSlice(length: min(most, self.credit, chunk.readableBytes)) ?? ByteBuffer()
        self.credit -= piece.readableBytes
        self.bytes -= piece.readableBytes
        let isDone = self.lines[stream]?.putBack(chunk, taken: piece.readableBytes) ?? true
        if isDone { self.lines[stream] = nil }
        if isDone || self.credit == 0 {
            self.turns.removeFirst()
            self.credit = self.quantum
            if !isDone { self.turns.append(stream) }
        }
        return (stream, piece)
    }

    /// Drops everything that waits for this stream.
    public mutating func purge(_ stream: StreamID) {
        guard let line = self.lines.removeValue(forKey: stream) else { return }
        self.bytes -= line.bytes
        if self.turns.first == stream {
            self.turns.removeFirst()
            self.credit = self.quantum
        } else if let index = self.turns.firstIndex(of: stream) {
            self.turns.remove(at: index)
        }
    }
}

extension FairQueue.Line {
    fileprivate mutating func append(_ chunk: ByteBuffer) {
        self.chunks.append(chunk)
        self.bytes += chunk.readableBytes
    }

    fileprivate mutating func takeFirst() -> ByteBuffer { self.chunks.removeFirst() }

    /// Returns what is left of the first chunk; true when the line is empty then.
    fileprivate mutating func putBack(_ rest: ByteBuffer, taken: Int) -> Bool {
        self.bytes -= taken
        if rest.readableBytes > 0 { self.chunks.prepend(rest) }
        return self.chunks.isEmpty
    }
}
