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
        queue.append(ByteBuffer(repeating: 3, count: 1), to: StreamID(3))
        #expect(Self.drain(&queue) == ["2×10", "1×10", "3×1", "2×10"])
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
        let quantum = Int.random(in: 1...20, using: &random)
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
    let quantum: Int
    var lines: [Piece] = []
    var credit: Int

    init(quantum: Int) {
        self.quantum = quantum
        self.credit = quantum
    }

    mutating func append(_ bytes: [UInt8], to stream: StreamID) {
        guard !bytes.isEmpty else { return }
        if let index = self.lines.firstIndex(where: { $0.stream == stream }) {
            self.lines[index].bytes += bytes
        } else {
            self.lines.append(Piece(stream: stream, bytes: bytes))
        }
    }

    /// The next `count` bytes; nil if the stream in turn may not send so many.
    mutating func take(_ count: Int) -> Piece? {
        guard var line = self.lines.first, count <= self.credit, count <= line.bytes.count else { return nil }
        let piece = Piece(stream: line.stream, bytes: Array(line.bytes.prefix(count)))
        line.bytes.removeFirst(count)
        self.credit -= count
        self.lines[0] = line
        if line.bytes.isEmpty || self.credit == 0 {
            self.lines.removeFirst()
            if !line.bytes.isEmpty { self.lines.append(line) }
            self.credit = self.quantum
        }
        return piece
    }

    mutating func purge(_ stream: StreamID) {
        if self.lines.first?.stream == stream { self.credit = self.quantum }
        self.lines.removeAll { $0.stream == stream }
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
