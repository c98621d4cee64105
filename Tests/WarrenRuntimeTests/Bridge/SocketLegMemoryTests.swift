// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenLoop
import WarrenLoopTesting

@testable import WarrenRuntime

/// How much memory idle and stuck connections keep.
@Suite struct SocketLegMemoryTests {
    private func leg(_ far: LocalPair, needs: LegNeeds) -> (leg: SocketLeg, probe: LegProbe) {
        let (leg, probe) = (far.makeLeg(), LegProbe(far.loop, needs: needs))
        leg.events = probe
        leg.begin()
        return (leg, probe)
    }

    /// The storage of the loop's read buffer.
    private func storage(_ loop: SocketLoop) -> UnsafeRawPointer? {
        loop.readBuffer.withVeryUnsafeBytes { $0.baseAddress }
    }

    private func end(_ probe: LegProbe, _ leg: SocketLeg) {
        leg.end(.aborted)
        probe.finished.succeed()
    }

    @Test("small reads that are kept do not keep the read buffer, where they must be the reader's own")
    func ownBytesAreCopied() throws {
        let far = try LocalPair()
        let (leg, probe) = self.leg(far, needs: .ownBytes)
        far.send("first")
        far.turn()
        let before = self.storage(far.loop)
        for _ in 0..<10 {
            far.send("more")
            far.turn()
        }
        #expect(self.storage(far.loop) == before)
        #expect(probe.pieces.count == 11)
        #expect(probe.pieces.allSatisfy { $0.storageCapacity < 1024 })
        self.end(probe, leg)
    }

    @Test("reads that nobody keeps use the same buffer again")
    func passingBytesAreNotCopied() throws {
        let far = try LocalPair()
        let (leg, probe) = self.leg(far, needs: [])
        far.send("kept")
        far.turn()
        #expect(probe.pieces.first?.withVeryUnsafeBytes { $0.baseAddress } == self.storage(far.loop))
        // Kept after all: the next read must not overwrite it.
        far.send("next")
        far.turn()
        #expect(probe.pieces.map { String(buffer: $0) } == ["kept", "next"])
        self.end(probe, leg)
    }

    @Test("a reader that takes nothing does not keep a read buffer for every byte that waits for it")
    func aDripKeepsLittle() throws {
        let loop = SocketLoop.manual()
        let (source, target) = (try LocalPair(on: loop), try LocalPair(on: loop, room: 4096))
        let (from, to) = (source.makeLeg(), target.makeLeg())
        var ended = 0
        let bridge = Bridge(front: from, back: to, on: loop) { _ in ended += 1 }
        bridge.begin()
        target.turn()
        to.write(ByteBuffer(repeating: 1, count: 60_000))
        to.flush()
        #expect(to.queue.count > 0)
        source.send("first")
        source.turn()
        let before = self.storage(loop)
        for _ in 0..<20 {
            source.send("x")
            source.turn()
            #expect(self.storage(loop) == before)
        }
        bridge.cancel(.aborted)
        #expect(ended == 1)
    }

    @Test("sessions' streams are read in smaller steps")
    func smallSteps() throws {
        let far = try LocalPair(room: 1 << 20)
        let (leg, probe) = self.leg(far, needs: .smallSteps)
        let sent = far.send(ByteBuffer(repeating: 3, count: 1 << 20))
        #expect(sent > SocketOptions.smallRead)
        for _ in 0..<10 { far.turn() }
        #expect(probe.bytes.readableBytes == sent)
        #expect(probe.pieces.allSatisfy { $0.readableBytes <= SocketOptions.smallRead })
        self.end(probe, leg)
    }
}
