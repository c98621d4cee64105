// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenLoop
import WarrenLoopTesting
import WarrenTesting

@testable import WarrenRuntime

@Suite struct SendQueueTests {
    @Test("whatever the system takes at once, all bytes arrive in their order", arguments: 0..<20)
    func keepsTheOrder(seed: UInt64) throws {
        var random = SeededRandom(seed)
        let pair = try LocalPair(room: 4096)
        var queue = SendQueue()
        var expected = ByteBuffer()
        var arrived = ByteBuffer()
        for _ in 0..<200 {
            // Up to more pieces than one call takes, now and then an empty or a large one.
            for _ in 0..<Int.random(in: 0..<50, using: &random) {
                let most = [1, 10, 1000, 20_000][Int.random(in: 0..<4, using: &random)]
                let piece = random.bytes(.random(in: 0..<most, using: &random))
                expected.writeImmutableBuffer(piece)
                queue.append(piece)
            }
            if Bool.random(using: &random) { queue.compact() }
            let before = queue.count
            if case .moved(let count) = queue.write(to: pair.socket) { #expect(queue.count == before - count) }
            #expect(queue.count <= before)
            arrived.writeImmutableBuffer(pair.drain(.random(in: 1..<100_000, using: &random)))
        }
        for _ in 0..<1_000_000 where queue.count > 0 {
            _ = queue.write(to: pair.socket)
            arrived.writeImmutableBuffer(pair.drain())
        }
        arrived.writeImmutableBuffer(pair.drain())
        #expect(queue.count == 0)
        #expect(arrived == expected)
    }

    @Test func aFullSystemTakesNothingAndLosesNothing() throws {
        let pair = try LocalPair(room: 4096)
        var queue = SendQueue()
        let bytes = ByteBuffer(repeating: 7, count: 1 << 20)
        queue.append(bytes)
        for _ in 0..<1000 {
            guard case .moved = queue.write(to: pair.socket) else { break }
        }
        #expect(!pair.socket.isWritable)
        let left = queue.count
        #expect(left > 0 && left < bytes.readableBytes)
        guard case .notNow = queue.write(to: pair.socket) else {
            Issue.record("the system took more than it had room for")
            return
        }
        #expect(queue.count == left)
        #expect(pair.drain().readableBytes == bytes.readableBytes - left)
    }

    @Test func aPeerThatIsGoneFails() throws {
        let pair = try LocalPair()
        pair.close()
        var queue = SendQueue()
        queue.append(ByteBuffer(string: "x"))
        guard case .failed = queue.write(to: pair.socket) else {
            Issue.record("written to nobody")
            return
        }
        queue.removeAll()
        #expect(queue.count == 0)
    }

    /// Large storage of which only a piece is queued: whether the queue keeps it shows when it is to be used again.
    private struct LargeRead {
        var storage = ByteBufferAllocator().buffer(capacity: 1 << 18)

        mutating func piece(_ text: String) -> ByteBuffer {
            self.storage.clear()
            self.storage.writeString(text)
            return self.storage
        }

        mutating func isFree() -> Bool {
            let before = self.address
            self.storage.clear()
            return before == self.address
        }

        private var address: UnsafeRawPointer? { self.storage.withVeryUnsafeBytes { $0.baseAddress } }
    }

    @Test("no piece that waits keeps more memory than its own", arguments: 1...3)
    func letsLargeReadsGo(count: Int) throws {
        let pair = try LocalPair()
        var queue = SendQueue()
        var reads = (0..<count).map { _ in LargeRead() }
        for index in reads.indices { queue.append(reads[index].piece("piece \(index) ")) }
        queue.compact()
        for index in reads.indices {
            let isFree = reads[index].isFree()
            #expect(isFree, "piece \(index)")
        }
        while queue.count > 0 { _ = queue.write(to: pair.socket) }
        #expect(String(buffer: pair.drain()) == (0..<count).map { "piece \($0) " }.joined())
    }

    @Test("neither does one that came when others waited already")
    func letsLaterReadsGo() throws {
        var queue = SendQueue()
        var reads = (0..<5).map { _ in LargeRead() }
        for index in reads.indices {
            queue.append(reads[index].piece("piece"))
            // One that fills its storage stays as it is.
            queue.append(ByteBuffer(repeating: 1, count: 1 << 16))
            queue.compact()
            let isFree = reads[index].isFree()
            #expect(isFree, "piece \(index)")
        }
        #expect(queue.count == 5 * (5 + (1 << 16)))
    }

    @Test func whatIsMostlyBytesIsNotCopied() {
        var queue = SendQueue()
        var bytes = ByteBuffer(repeating: 1, count: 1 << 16)
        queue.append(bytes)
        queue.compact()
        let before = bytes.withVeryUnsafeBytes { $0.baseAddress }
        bytes.clear()
        #expect(bytes.withVeryUnsafeBytes { $0.baseAddress } != before)
    }
}
