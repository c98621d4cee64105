// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore

@Suite("Fair queue") struct FairQueueTests {
    static func queue(_ lines: [(UInt32, Int)], quantum: Int = 10) -> FairQueue {
        var queue = FairQueue(quantum: quantum)
        for (stream, count) in lines {
            queue.append(ByteBuffer(repeating: UInt8(stream), count: count), to: StreamID(stream))
        }
        return queue
    }

    /// Everything in order, as `stream × bytes`.
    static func drain(_ queue: inout FairQueue, most: Int = 1000) -> [String] {
        var pieces: [String] = []
        while let (stream, bytes) = queue.next(most: most) {
            #expect(bytes.readableBytesView.allSatisfy { UInt32($0) == stream.rawValue })
            pieces.append("\(stream.rawValue)×\(bytes.readableBytes)")
        }
        #expect(queue.isEmpty && queue.bytes == 0)
        return pieces
    }

    @Test func isEmptyAtFirst() {
        var queue = FairQueue(quantum: 1)
        #expect(queue.isEmpty && queue.bytes == 0 && queue.next(most: 1) == nil)
        queue.append(ByteBuffer(), to: StreamID(1))
        queue.purge(StreamID(1))
        #expect(queue.isEmpty)
    }

    @Test func takesTurnsOfOneQuantum() {
        var queue = Self.queue([(1, 25), (2, 5), (3, 12)])
        #expect(queue.bytes == 42 && queue.queued(StreamID(1)) == 25)
        #expect(Self.drain(&queue) == ["1×10", "2×5", "3×10", "1×10", "3×2", "1×5"])
    }

    @Test func letsATurnGoOnOverChunksAndPieces() {
        var queue = Self.queue([(1, 4), (1, 4), (1, 4), (2, 3)])
        #expect(Self.drain(&queue, most: 3) == ["1×3", "1×1", "1×3", "1×1", "1×2", "2×3", "1×2"])
    }

    @Test func putsANewcomerBehindTheOthers() {
        var queue = Self.queue([(1, 20), (2, 20)])
        _ = queue.next(most: 10)
        queue.append(ByteBuffer(repeating: 3, count: 2), to: StreamID(3))
        #expect(Self.drain(&queue) == ["2×10", "1×10", "3×2", "2×10"])
    }

    @Test("one that was empty and has little to say goes ahead, in the middle of a turn too")
    func letsShortMessagesGoAhead() {
        var queue = Self.queue([(1, 100), (2, 100)], quantum: 80)
        #expect(queue.next(most: 30)?.stream == StreamID(1))
        queue.append(ByteBuffer(repeating: 3, count: 10), to: StreamID(3))
        #expect(queue.first == StreamID(3))
        queue.append(ByteBuffer(repeating: 4, count: 8), to: StreamID(4))
        #expect(Self.drain(&queue) == ["3×10", "4×8", "1×50", "2×80", "1×20", "2×20"])
    }

    @Test("one that goes ahead and then says much waits its turn like all")
    func letsNobodyStayAhead() {
        var queue = Self.queue([(1, 100)], quantum: 80)
        queue.append(ByteBuffer(repeating: 2, count: 10), to: StreamID(2))
        queue.append(ByteBuffer(repeating: 2, count: 90), to: StreamID(2))
        #expect(Self.drain(&queue) == ["2×10", "1×80", "2×80", "1×20", "2×10"])
    }

    @Test("those that go ahead take no more than every other turn")
    func letsTheOthersHaveEveryOtherTurn() {
        var queue = Self.queue([(1, 1000)], quantum: 80)
        var bulk = 0
        var short = 0
        for _ in 0..<200 where bulk < 1000 {
            // Always another one that has only now something to say.
            for stream in 2..<5 as Range<UInt32> where queue.queued(StreamID(stream)) == 0 {
                queue.append(ByteBuffer(repeating: UInt8(stream), count: 10), to: StreamID(stream))
            }
            guard let (stream, bytes) = queue.next(most: 1000) else { break }
            if stream == StreamID(1) { bulk += bytes.readableBytes } else { short += bytes.readableBytes }
        }
        #expect(bulk == 1000)
        #expect((900...1200).contains(short))
    }

    @Test func purgesOneThatGoesAhead() {
        var queue = Self.queue([(1, 100), (2, 5), (3, 5), (4, 5)], quantum: 80)
        queue.purge(StreamID(3))
        queue.purge(StreamID(2))
        queue.holdFirst()
        #expect(queue.heldBytes == 5)
        queue.release(StreamID(4))
        #expect(Self.drain(&queue) == ["1×80", "4×5", "1×20"])
    }

    @Test func makesOneThatReturnsWaitItsTurn() {
        var queue = Self.queue([(1, 5), (2, 20)])
        _ = queue.next(most: 10)
        queue.append(ByteBuffer(repeating: 1, count: 5), to: StreamID(1))
        #expect(Self.drain(&queue) == ["2×10", "1×5", "2×10"])
    }

    @Test("purges a stream wherever it stands", arguments: [1, 2, 3, 4] as [UInt32])
    func purges(_ stream: UInt32) {
        var queue = Self.queue([(1, 12), (2, 12), (3, 12)])
        // Stream 1 is in the middle of its turn.
        _ = queue.next(most: 4)
        queue.purge(StreamID(stream))
        #expect(queue.queued(StreamID(stream)) == 0)
        #expect(queue.bytes == [1: 24, 2: 20, 3: 20, 4: 32][stream])
        let expected: [UInt32: [String]] = [
            1: ["2×10", "3×10", "2×2", "3×2"], 2: ["1×6", "3×10", "1×2", "3×2"], 3: ["1×6", "2×10", "1×2", "2×2"],
            4: ["1×6", "2×10", "3×10", "1×2", "2×2", "3×2"],
        ]
        #expect(Self.drain(&queue) == expected[stream])
    }

    @Test func passesOverAStreamThatIsHeld() {
        var queue = Self.queue([(1, 15), (2, 15), (3, 5)])
        #expect(queue.first == StreamID(1))
        _ = queue.next(most: 4)
        queue.holdFirst()
        #expect(queue.first == StreamID(2) && queue.heldBytes == 11)
        queue.append(ByteBuffer(repeating: 1, count: 2), to: StreamID(1))
        #expect(queue.heldBytes == 13 && queue.queued(StreamID(1)) == 13 && queue.bytes == 33)
        #expect(queue.next(most: 100)?.bytes.readableBytes == 10)  // a whole turn, not the rest of another's
        queue.release(StreamID(1))
        queue.release(StreamID(1))
        queue.release(StreamID(9))
        #expect(queue.heldBytes == 0)
        #expect(Self.drain(&queue) == ["3×5", "2×5", "1×10", "1×1", "1×2"])
    }

    @Test func isEmptyWhenAllAreHeld() {
        var queue = Self.queue([(1, 5), (2, 5)])
        queue.holdFirst()
        queue.holdFirst()
        queue.holdFirst()
        #expect(queue.isEmpty && queue.first == nil && queue.next(most: 9) == nil && queue.bytes == 10)
        queue.purge(StreamID(2))
        #expect(queue.heldBytes == 5 && queue.bytes == 5)
        queue.append(ByteBuffer(repeating: 2, count: 3), to: StreamID(2))
        #expect(Self.drainAll(&queue) == ["2×3"] && queue.bytes == 5)
        queue.release(StreamID(1))
        #expect(Self.drain(&queue) == ["1×5"])
    }

    /// What may be sent, in order.
    static func drainAll(_ queue: inout FairQueue) -> [String] {
        var pieces: [String] = []
        while let (stream, bytes) = queue.next(most: 1000) {
            pieces.append("\(stream.rawValue)×\(bytes.readableBytes)")
        }
        return pieces
    }

    @Test("finds streams of any number", arguments: [0, 4095, 4096, .max] as [UInt32])
    func anyNumber(_ number: UInt32) {
        var queue = FairQueue(quantum: 10)
        for round in 0..<3 {
            for _ in 0..<200 {
                queue.append(ByteBuffer(repeating: 1, count: 3), to: StreamID(number))
                queue.append(ByteBuffer(repeating: 1, count: 3), to: StreamID(number ^ 1))
            }
            #expect(queue.queued(StreamID(number)) == 600)
            if round == 1 { queue.purge(StreamID(number)) }
            var bytes = 0
            while let (_, piece) = queue.next(most: 7) { bytes += piece.readableBytes }
            #expect(bytes == (round == 1 ? 600 : 1200) && queue.isEmpty && queue.bytes == 0)
        }
    }

    @Test("does what a simple model does", arguments: 1...20 as ClosedRange<UInt64>)
    func followsTheModel(_ seed: UInt64) {
        var random = SplitMix(state: seed)
        let quantum = Int.random(in: 1...60, using: &random)
        var queue = FairQueue(quantum: quantum)
        var model = FairModel(quantum: quantum)
        var stamp: UInt8 = 0
        for _ in 0..<2000 {
            let stream = StreamID(.random(in: 0..<5, using: &random))
            switch Int.random(in: 0..<10, using: &random) {
            case 0...3:
                let count = Int.random(in: 0...30, using: &random)
                let bytes = (0..<count).map { UInt8(truncatingIfNeeded: Int(stamp) + $0) }
                stamp &+= UInt8(count)
                queue.append(ByteBuffer(bytes: bytes), to: stream)
                model.append(bytes, to: stream)
            case 4...8:
                let most = Int.random(in: 1...25, using: &random)
                guard let (from, bytes) = queue.next(most: most) else {
                    #expect(model.lines.isEmpty)
                    continue
                }
                #expect(bytes.readableBytes > 0 && bytes.readableBytes <= most)
                #expect(
                    model.take(bytes.readableBytes)
                        == FairModel.Piece(stream: from, bytes: Array(bytes.readableBytesView)))
            default:
                queue.purge(stream)
                model.purge(stream)
            }
            #expect(queue.bytes == model.lines.reduce(0) { $0 + $1.bytes.count })
            #expect(queue.queued(stream) == model.lines.first { $0.stream == stream }?.bytes.count ?? 0)
            #expect(queue.isEmpty == model.lines.isEmpty)
        }
    }
}

/// The same queue without chunks: slow and plain.
private struct FairModel {
    struct Piece: Equatable {
        var stream: StreamID
        var bytes: [UInt8]
    }
    /// Streams in the order of their turns, and what the first one may still take.
    struct Lane {
        let quantum: Int
        var lines: [Piece] = []
        var credit: Int

        init(quantum: Int) {
            self.quantum = quantum
            self.credit = quantum
        }

        mutating func purge(_ stream: StreamID) -> Bool {
            let wasFirst = self.lines.first?.stream == stream
            if wasFirst { self.credit = self.quantum }
            self.lines.removeAll { $0.stream == stream }
            return wasFirst
        }
    }
    var turns: Lane
    var short: Lane
    var ahead = 0

    init(quantum: Int) {
        self.turns = Lane(quantum: quantum)
        self.short = Lane(quantum: quantum / 8)
    }

    var lines: [Piece] { self.short.lines + self.turns.lines }

    mutating func append(_ bytes: [UInt8], to stream: StreamID) {
        guard !bytes.isEmpty else { return }
        if let index = self.short.lines.firstIndex(where: { $0.stream == stream }) {
            self.short.lines[index].bytes += bytes
        } else if let index = self.turns.lines.firstIndex(where: { $0.stream == stream }) {
            self.turns.lines[index].bytes += bytes
        } else if bytes.count <= self.short.quantum {
            self.short.lines.append(Piece(stream: stream, bytes: bytes))
        } else {
            self.turns.lines.append(Piece(stream: stream, bytes: bytes))
        }
    }

    /// The next `count` bytes; nil if the stream in turn may not send so many.
    mutating func take(_ count: Int) -> Piece? {
        let isShort = !self.short.lines.isEmpty && (self.turns.lines.isEmpty || self.ahead < self.turns.quantum)
        var lane = isShort ? self.short : self.turns
        guard var line = lane.lines.first, count <= lane.credit, count <= line.bytes.count else { return nil }
        let piece = Piece(stream: line.stream, bytes: Array(line.bytes.prefix(count)))
        line.bytes.removeFirst(count)
        lane.credit -= count
        if isShort { self.ahead += count }
        lane.lines[0] = line
        let isOver = line.bytes.isEmpty || lane.credit == 0
        if isOver {
            lane.lines.removeFirst()
            lane.credit = lane.quantum
            if !isShort { self.ahead = 0 }
        }
        if isShort { self.short = lane } else { self.turns = lane }
        if isOver && !line.bytes.isEmpty { self.turns.lines.append(line) }
        return piece
    }

    mutating func purge(_ stream: StreamID) {
        if self.turns.purge(stream) { self.ahead = 0 }
        _ = self.short.purge(stream)
    }
}

private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = (self.state ^ (self.state >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
