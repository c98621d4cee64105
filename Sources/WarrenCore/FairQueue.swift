// SPDX-License-Identifier: Apache-2.0

public import NIOCore

/// Payload waiting for the carrier, one queue per stream, served in turns (deficit round robin with equal quanta).
///
/// A stream that was empty and has little to say goes ahead of all turns, for an eighth of a quantum, as long as such
/// streams together take no more than every other quantum; so turns can be long, which is cheap, and short messages do
/// not wait for them. A stream that may not send for the moment is *held*: it keeps what it has, and the others do not
/// wait for it.
///
/// In steady state nothing is allocated. Streams with low numbers are found fastest: a protocol whose own numbers are
/// spread out does well to name its streams here by their row in its table.
public struct FairQueue {
    fileprivate struct Line {
        var stream: StreamID
        /// The first chunk; empty only while the line is out of use.
        var head = ByteBuffer()
        /// The chunks behind it, from ``next`` on.
        var rest = ContiguousArray<ByteBuffer>()
        var next = 0
        var bytes = 0
        var isHeld = false
    }

    private var lines = ContiguousArray<Line>()
    private var unused = ContiguousArray<Int>()
    private var places = LineTable()
    /// Lines in the order of their turns; held ones have none.
    private var turns = CircularBuffer<Int>()
    /// Lines that go ahead of those.
    private var short = CircularBuffer<Int>()
    /// What the stream at the front may still take of its turn, and the one at the front of ``short``.
    private var credit: Int
    private var shortCredit: Int
    /// Bytes that went ahead since the last turn.
    private var ahead = 0
    private let quantum: Int
    private var shortQuantum: Int { self.quantum / 8 }
    public private(set) var bytes = 0
    /// Those of streams that are held.
    public private(set) var heldBytes = 0

    /// - Parameter quantum: bytes a stream may send before the next one has its turn.
    public init(quantum: Int) {
        self.quantum = quantum
        self.credit = quantum
        self.shortCredit = quantum / 8
    }

    /// True if nothing waits, or only streams that are held.
    public var isEmpty: Bool { self.turns.isEmpty && self.short.isEmpty }

    /// The stream whose turn it is.
    public var first: StreamID? { self.front.map { self.lines[$0].stream } }

    private var isShortNext: Bool { !self.short.isEmpty && (self.ahead < self.quantum || self.turns.isEmpty) }
    private var front: Int? { self.isShortNext ? self.short.first : self.turns.first }

    /// Bytes of this stream that wait.
    public func queued(_ stream: StreamID) -> Int { self.places[stream].map { self.lines[$0].bytes } ?? 0 }

    public mutating func append(_ bytes: ByteBuffer, to stream: StreamID) {
        let count = bytes.readableBytes
        guard count > 0 else { return }
        self.bytes += count
        if let line = self.places[stream] {
            self.lines[line].append(bytes)
            if self.lines[line].isHeld { self.heldBytes += count }
        } else if count <= self.shortQuantum {
            self.short.append(self.newLine(stream, bytes))
        } else {
            self.turns.append(self.newLine(stream, bytes))
        }
    }

    /// The next piece in turn, at most `most` bytes of one chunk; nil when nothing may be sent.
    public mutating func next(most: Int) -> (stream: StreamID, bytes: ByteBuffer)? {
        guard let line = self.front else { return nil }
        let isShort = self.isShortNext
        let stream = self.lines[line].stream
        let piece = self.lines[line].take(min(most, isShort ? self.shortCredit : self.credit))
        let isOver = self.spend(piece.readableBytes, isShort)
        let isDone = self.lines[line].bytes == 0
        if isDone { self.retire(line) }
        if isDone || isOver {
            self.endTurn(isShort)
            if !isDone { self.turns.append(line) }
        }
        return (stream, piece)
    }

    /// - Returns: true if that was all the stream may take.
    private mutating func spend(_ count: Int, _ isShort: Bool) -> Bool {
        self.bytes -= count
        guard isShort else {
            self.credit -= count
            return self.credit == 0
        }
        self.ahead += count
        self.shortCredit -= count
        return self.shortCredit == 0
    }

    /// Takes the stream at the front out of the turns until it is released.
    public mutating func holdFirst() {
        guard let line = self.front else { return }
        self.endTurn(self.isShortNext)
        self.lines[line].isHeld = true
        self.heldBytes += self.lines[line].bytes
    }

    /// Gives a stream that was held its turns again, behind the others.
    public mutating func release(_ stream: StreamID) {
        guard let line = self.places[stream], self.lines[line].isHeld else { return }
        self.lines[line].isHeld = false
        self.heldBytes -= self.lines[line].bytes
        self.turns.append(line)
    }

    /// Drops everything that waits for this stream.
    public mutating func purge(_ stream: StreamID) {
        guard let line = self.places[stream] else { return }
        self.bytes -= self.lines[line].bytes
        if self.lines[line].isHeld {
            self.heldBytes -= self.lines[line].bytes
        } else if self.turns.first == line {
            self.endTurn(false)
        } else if self.short.first == line {
            self.endTurn(true)
        } else if let index = self.turns.firstIndex(of: line) {
            self.turns.remove(at: index)
        } else if let index = self.short.firstIndex(of: line) {
            self.short.remove(at: index)
        }
        self.retire(line)
    }

    private mutating func endTurn(_ isShort: Bool) {
        guard !isShort else {
            _ = self.short.popFirst()
            self.shortCredit = self.shortQuantum
            return
        }
        _ = self.turns.popFirst()
        self.credit = self.quantum
        self.ahead = 0
    }

    private mutating func newLine(_ stream: StreamID, _ bytes: ByteBuffer) -> Int {
        let line: Int
        if let reused = self.unused.popLast() {
            line = reused
            self.lines[line].stream = stream
        } else {
            line = self.lines.count
            self.lines.append(Line(stream: stream))
        }
        self.lines[line].head = bytes
        self.lines[line].bytes = bytes.readableBytes
        self.places[stream] = line
        return line
    }

    /// Empties a line and keeps it, with its storage unless that is large, for the next stream.
    private mutating func retire(_ line: Int) {
        self.places[self.lines[line].stream] = nil
        self.lines[line].clear()
        self.unused.append(line)
    }
}

extension FairQueue.Line {
    private static let mostKept = 64

    fileprivate mutating func append(_ chunk: ByteBuffer) {
        self.rest.append(chunk)
        self.bytes += chunk.readableBytes
    }

    /// At most so many bytes of the first chunk.
    fileprivate mutating func take(_ most: Int) -> ByteBuffer {
        let piece: ByteBuffer
        if self.head.readableBytes <= most {
            piece = self.head
            self.advance()
        } else {
            piece = self.head.readSlice(length: most) ?? ByteBuffer()
        }
        self.bytes -= piece.readableBytes
        return piece
    }

    private mutating func advance() {
        guard self.next < self.rest.count else {
            self.head = ByteBuffer()  // lets go of the chunk
            return
        }
        self.head = self.rest[self.next]
        self.rest[self.next] = ByteBuffer()
        self.next += 1
        if self.next == self.rest.count {
            self.rest.removeAll(keepingCapacity: self.rest.count <= Self.mostKept)
            self.next = 0
        } else if self.next >= Self.mostKept, 2 * self.next >= self.rest.count {
            self.rest.removeSubrange(..<self.next)
            self.next = 0
        }
    }

    fileprivate mutating func clear() {
        if self.head.readableBytes > 0 { self.head = ByteBuffer() }
        if !self.rest.isEmpty { self.rest.removeAll(keepingCapacity: self.rest.count <= Self.mostKept) }
        self.next = 0
        self.bytes = 0
        self.isHeld = false
    }
}

/// Which line a stream has: an array for low numbers, a dictionary for the others.
private struct LineTable {
    private static let low: UInt32 = 4096
    private var near = ContiguousArray<Int32>()
    private var far: [UInt32: Int32] = [:]

    subscript(stream: StreamID) -> Int? {
        get {
            if stream.rawValue < Self.low {
                guard stream.rawValue < self.near.count else { return nil }
                let line = self.near[Int(stream.rawValue)]
                return line < 0 ? nil : Int(line)
            }
            return self.far[stream.rawValue].map { Int($0) }
        }
        set {
            guard stream.rawValue < Self.low else {
                self.far[stream.rawValue] = newValue.map { Int32($0) }
                return
            }
            while self.near.count <= stream.rawValue { self.near.append(-1) }
            self.near[Int(stream.rawValue)] = newValue.map { Int32($0) } ?? -1
        }
    }
}
