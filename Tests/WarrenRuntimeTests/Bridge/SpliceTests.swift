// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenLoop
import WarrenLoopTesting
import WarrenTesting

@testable import WarrenRuntime

/// A bridge between two sockets on a loop that moves by hand.
private final class Rig {
    let loop = SocketLoop.manual()
    let source: LocalPair
    let target: LocalPair
    let from: SocketLeg
    let to: SocketLeg
    private let box = Box()
    var reports: [BridgeReport] { self.box.reports }

    private final class Box { var reports: [BridgeReport] = [] }

    init(room: CInt? = nil) throws {
        // Reads that are full with little, so that a flow counts as long soon.
        var options = SocketOptions()
        options.largestRead = 4096
        self.source = try LocalPair(on: self.loop)
        self.target = try LocalPair(on: self.loop, room: room)
        (self.from, self.to) = (self.source.makeLeg(options), self.target.makeLeg(options))
        let box = self.box
        let bridge = Bridge(front: self.from, back: self.to, on: self.loop) { box.reports.append($0) }
        bridge.begin()
    }

    func turn() {
        self.source.turn()
        self.target.turn()
    }

    /// Sends all and takes all that comes out, in steps of random sizes.
    func carry(_ bytes: ByteBuffer, _ random: inout SeededRandom, whenSpliced: (Rig) -> Void = { _ in }) -> ByteBuffer {
        var rest = bytes
        var arrived = ByteBuffer()
        for _ in 0..<20_000 where arrived.readableBytes < bytes.readableBytes {
            if let piece = rest.getSlice(at: rest.readerIndex, length: min(rest.readableBytes, 200_000)) {
                rest.moveReaderIndex(forwardBy: max(0, self.source.send(piece)))
            }
            self.turn()
            if self.to.piped > 0 { whenSpliced(self) }
            arrived.writeImmutableBuffer(self.target.drain(.random(in: 1..<300_000, using: &random)))
        }
        return arrived
    }
}

@Suite(.enabled(if: canSplice)) struct SpliceTests {
    @Test("a long flow that goes past the process arrives whole, and is counted", arguments: 0..<5)
    func carriesEveryByte(seed: UInt64) throws {
        var random = SeededRandom(seed)
        let rig = try Rig(room: 20_000)
        let bytes = random.bytes(3_000_000)
        var hasSpliced = false
        #expect(rig.carry(bytes, &random) { _ in hasSpliced = true } == bytes)
        #expect(hasSpliced)
        #expect(rig.to.piped == 0)
        rig.source.finish()
        rig.turn()
        rig.target.finish()
        rig.turn()
        rig.turn()
        #expect(rig.reports.map(\.bytesIn) == [bytes.readableBytes])
        #expect(rig.reports.map(\.fault) == [nil])
    }

    @Test("what is written while bytes are in the pipe comes after them")
    func keepsTheOrder() throws {
        let loop = SocketLoop.manual()
        let (source, target) = (try LocalPair(on: loop), try LocalPair(on: loop, room: 4096))
        let (from, to) = (source.makeLeg(), target.makeLeg())
        let sent = source.send(ByteBuffer(repeating: 0, count: 1_000_000))
        source.turn()
        target.turn()
        while to.piped == 0, from.splice(to: to) { to.flush() }
        #expect(to.piped > 0)
        to.write(ByteBuffer(string: "later"))
        var arrived = ByteBuffer()
        for _ in 0..<20_000 where to.hasUnsent {
            target.turn()
            arrived.writeImmutableBuffer(target.drain())
        }
        to.end(nil)
        for _ in 0..<20_000 where target.end == nil { arrived.writeImmutableBuffer(target.drain()) }
        #expect(arrived.readableBytesView.suffix(5).elementsEqual("later".utf8))
        #expect(arrived.readableBytesView.dropLast(5).allSatisfy { $0 == 0 })
        #expect(arrived.readableBytes <= sent + 5)
        from.end(.aborted)
        to.end(.aborted)
    }

    @Test("an end with bytes in the pipe waits for them, and for their reader not for ever")
    func endsBehindThePipe() throws {
        var random = SeededRandom(2)
        let rig = try Rig(room: 20_000)
        let bytes = random.bytes(1_000_000)
        rig.fill(bytes)
        #expect(rig.to.piped > 0)
        rig.to.end(nil)
        rig.loop.advance(by: .hours(1))
        #expect(rig.reports.map(\.fault) == [.timedOut])
        #expect(rig.to.piped == 0)
    }
}

private let canSplice = SocketLoop.manual().pipes.take() != nil

extension Rig {
    /// Sends until bytes wait in the pipe.
    fileprivate func fill(_ bytes: ByteBuffer) {
        var rest = bytes
        for _ in 0..<1000 where self.to.piped == 0 {
            if let piece = rest.getSlice(at: rest.readerIndex, length: min(rest.readableBytes, 200_000)) {
                rest.moveReaderIndex(forwardBy: max(0, self.source.send(piece)))
            }
            self.turn()
        }
    }
}

@Suite(.enabled(if: canSplice)) struct PipePoolTests {
    @Test("keeps empty pipes while they are used, and none a while later")
    func letsGoOfPipes() throws {
        let loop = SocketLoop.manual()
        let pool = loop.pipes
        let pipe = try #require(pool.take())
        pool.give(pipe)
        #expect(pool.count == 1)
        loop.advance(by: .seconds(1))
        pool.give(try #require(pool.take()))
        loop.advance(by: .seconds(1))
        #expect(pool.count == 1)
        loop.advance(by: PipePool.keeping)
        #expect(pool.count == 0)
        #expect(loop.timers.count == 0)
    }

    @Test("flows beyond the most that may be spliced at once get none")
    func hasABound() {
        let pool = SocketLoop.manual().pipes
        var taken: [Pipe] = []
        while taken.count < 1000, let pipe = pool.take() { taken.append(pipe) }
        #expect(taken.count == 128)
        pool.lose()
        #expect(pool.take() != nil)
    }
}
