// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenTesting

@testable import WarrenCore

@Suite("The shell of a session") struct SessionShellTests {
    private static let start = NIODeadline.uptimeNanoseconds(0)

    /// What a turn is, in a word.
    private static func turn(_ shell: inout SessionShell, at seconds: Int64 = 0) -> String {
        switch shell.turn(now: Self.start + .seconds(seconds)) {
        case .open: "open"
        case .late: "late"
        case .over(.close(let reason)): "close: \(reason)"
        case .over(nil): "nothing"
        case .over(.some): "another step"
        }
    }

    @Test func isOpenUntilItsDeadline() {
        var shell = SessionShell()
        #expect(Self.turn(&shell, at: 1000) == "open")
        shell.deadline = Self.start + .seconds(10)
        #expect(Self.turn(&shell, at: 9) == "open")
        #expect(Self.turn(&shell, at: 10) == "late")
        // Whoever is late decides what that means.
        #expect(shell.isOpen)
    }

    @Test func passesOnWhatCameBehindTheLogin() {
        var shell = SessionShell()
        shell.deadline = Self.start
        shell.receive(ByteBuffer(string: "ab"))
        #expect(shell.input.readInteger(as: UInt8.self) == UInt8(ascii: "a"))
        #expect(shell.pass() == ByteBuffer(string: "b"))
        #expect(shell.input.readableBytes == 0)
        #expect(Self.turn(&shell) == "open")
    }

    @Test func closesOnceAndIsSilentThen() {
        var shell = SessionShell()
        shell.deadline = Self.start
        shell.receive(ByteBuffer(string: "a"))
        guard case .close(.finished) = shell.close(.finished) else { return #expect(Bool(false), "no close") }
        shell.receive(ByteBuffer(string: "b"))
        #expect(!shell.isOpen)
        #expect(shell.input.readableBytes == 0)
        #expect(shell.deadline == nil)
        #expect(Self.turn(&shell, at: 1000) == "nothing")
    }

    @Test func closesBehindItsLastWords() {
        var shell = SessionShell()
        shell.deadline = Self.start
        guard case .write(let bytes) = shell.close(.denied, saying: ByteBuffer(string: "no")) else {
            return #expect(Bool(false), "no words")
        }
        #expect(bytes == ByteBuffer(string: "no"))
        shell.receive(ByteBuffer(string: "b"))
        #expect(shell.input.readableBytes == 0)
        #expect(shell.deadline == nil)
        #expect(Self.turn(&shell, at: 1000) == "close: denied")
        #expect(Self.turn(&shell, at: 1000) == "nothing")
    }

    @Test func handsOverWhatNobodyHasRead() {
        var shell = SessionShell()
        shell.receive(ByteBuffer(string: "a"))
        shell.receive(ByteBuffer(string: "b"))
        shell.receiveEnd()
        guard case .handOver(StreamID(3), let leftover) = shell.handOver(StreamID(3)) else {
            return #expect(Bool(false), "not handed over")
        }
        #expect(leftover == ByteBuffer(string: "ab"))
        #expect(shell.hasEnded)
        #expect(Self.turn(&shell) == "nothing")
    }

    @Test func endsItsOneStreamWithoutAClose() {
        var shell = SessionShell()
        guard case .end(StreamID(0), .refused?) = shell.end(StreamID(0), .refused) else {
            return #expect(Bool(false), "no end")
        }
        #expect(Self.turn(&shell) == "nothing")
    }

    @Test("any order of words ends in at most one close", arguments: ModelRuns.seeds)
    func endsInAtMostOneClose(_ seed: UInt64) {
        var random = SeededRandom(seed)
        var shell = SessionShell()
        var closes = 0
        var isOver = false
        for second in 0..<Int64(20) {
            switch Int.random(in: 0..<6, using: &random) {
            case 0: shell.receive(random.bytes(3))
            case 1: shell.receiveEnd()
            case 2: if shell.isOpen { shell.deadline = Self.start + .seconds(second + 2) }
            case 3 where shell.isOpen:
                if case .close = shell.close(.finished) { closes += 1 }
                isOver = true
            case 4 where shell.isOpen: _ = shell.close(.denied, saying: random.bytes(1))
            default:
                if case .over(.close?) = shell.turn(now: Self.start + .seconds(second)) { closes += 1 }
            }
            #expect(closes <= 1)
            #expect(shell.isOpen || shell.input.readableBytes == 0 && shell.deadline == nil)
            #expect(!isOver || !shell.isOpen)
        }
    }
}

@Suite("Shared buffers") struct SharedBufferTests {
    @Test func aBufferIsUsedAgainWhenNobodyElseHoldsIt() {
        var buffer = ByteBufferAllocator().buffer(capacity: 4096)
        buffer.writeString("abc")
        let capacity = buffer.capacity
        buffer.renew(100)
        #expect(buffer.readableBytes == 0)
        #expect(buffer.capacity == capacity)
        buffer.renew(3 * capacity)
        #expect(buffer.capacity >= 3 * capacity)
    }

    @Test func aBufferThatIsHeldIsLeftAlone() {
        var buffer = ByteBuffer(string: "abc")
        let held = buffer
        buffer.renew(100)
        buffer.writeString("xyz")
        #expect(held == ByteBuffer(string: "abc"))
        #expect(buffer == ByteBuffer(string: "xyz"))
    }

    @Test("a piece is what it was cut from, small or large", arguments: [0, 1, 100, 3000])
    func cutsPieces(_ length: Int) {
        let buffer = ByteBuffer(bytes: (0..<4000).map { UInt8(truncatingIfNeeded: $0) })
        let piece = buffer.piece(at: 7, length: length)
        #expect(piece.readableBytesView.elementsEqual(buffer.readableBytesView.dropFirst(7).prefix(length)))
        #expect(length >= buffer.capacity / 8 || piece.capacity < buffer.capacity)
        #expect(buffer.piece(at: 3999, length: 2).readableBytes == 0)
    }
}
