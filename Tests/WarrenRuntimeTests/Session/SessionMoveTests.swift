// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenLoop
import WarrenTesting

@testable import WarrenRuntime

extension OpenedStream {
    /// Waits until so many bytes have come.
    fileprivate func received(_ count: Int) async throws -> ByteBuffer {
        while !Task.isCancelled, try await self.on({ $1.bytes.readableBytes }) < count { await Task.yield() }
        return try await self.on { $1.bytes }
    }

    fileprivate func write(_ text: String) async throws {
        try await self.on { leg, _ in
            leg.write(ByteBuffer(string: text))
            leg.flush()
        }
    }

    fileprivate func fault() async throws -> StreamFault? {
        let probe = self.probe
        return try await self.loop.flatSubmit { probe.value.ended.futureResult }.get()
    }
}

@Suite(.timeLimit(.minutes(1))) struct SessionMoveTests {
    private static func joined(_ parts: ByteBuffer...) -> ByteBuffer {
        parts.reduce(into: ByteBuffer()) { $0.writeImmutableBuffer($1) }
    }

    @Test func aVisitorIsServedOnTheLoopOfTheDevice() async throws {
        let rig = try await MoveRig()
        let peer = try await rig.visitor()
        try await peer.send(String(MoveRig.head.prefix(20)))
        try await peer.send(String(MoveRig.head.dropFirst(20)) + "early")
        let visit = try await rig.visit()
        #expect(try await rig.living() == [[0, 0], [1, 0]])
        let stream = try await visit.accept()
        #expect(String(buffer: try await stream.received(MoveRig.head.utf8.count + 5)) == MoveRig.head + "early")
        #expect(try await rig.living() == [[0, 0], [1, 1]])
        #expect(rig.limiter.count == 1)
        try await stream.write("answer ")
        #expect(String(buffer: try await peer.received(atLeast: 7)) == "answer ")
        try await peer.send(" late")
        try await peer.finish()
        let probe = stream.probe
        try await stream.loop.flatSubmit { probe.value.finished.futureResult }.get()
        #expect(try await stream.on { String(buffer: $1.bytes) } == MoveRig.head + "early late")
        // One direction has ended, the other has not.
        try await stream.say("to the end")
        let (bytes, end) = try await peer.everything()
        #expect(String(buffer: bytes) == "answer to the end" && end == .finished)
        try await rig.end()
    }

    @Test("what came before the move, during it and behind it arrives in its order", arguments: [1000, 200_000])
    func losesNothing(count: Int) async throws {
        let rig = try await MoveRig()
        var random = SeededRandom(UInt64(count))
        let (early, between, late) = (random.bytes(count), random.bytes(count), random.bytes(count))
        let held = HeldLoop(rig.far)
        let peer = try await rig.visitor()
        let start = Self.joined(ByteBuffer(string: MoveRig.head), early)
        let sent = [peer.startSending(start), peer.startSending(between)]
        try await rig.haveLeft(1)
        held.letGo()
        let stream = try await rig.visit().accept()
        for one in sent + [peer.startSending(late)] { try await one.get() }
        try await peer.finish()
        let all = Self.joined(ByteBuffer(string: MoveRig.head), early, between, late)
        #expect(try await stream.received(all.readableBytes) == all)
        try await stream.say("")
        #expect(try await peer.everything().end == .finished)
        try await rig.end()
    }

    @Test func aHelloOfTLSMovesAsWell() async throws {
        let rig = try await MoveRig()
        let hello = ClientHelloTests.Sample(name: MoveRig.name, padding: 1300).records(of: 500)
        let peer = try await rig.visitor()
        for piece in Chunks.of(300, hello) { try await peer.send(piece) }
        let stream = try await rig.visit().accept()
        #expect(try await stream.received(hello.readableBytes) == hello)
        #expect(try await rig.living() == [[0, 0], [0, 1]])
        try await stream.say("done")
        try await peer.finish()
        #expect(String(buffer: try await peer.everything().bytes) == "done")
        try await rig.end()
    }

    @Test func aSilentVisitorOfAPortMovesAsWell() async throws {
        let rig = try await MoveRig(.tcp)
        let peer = try await rig.visitor()
        let stream = try await rig.visit().accept()
        #expect(try await rig.living() == [[0, 0], [0, 1]])
        try await stream.write("banner")
        #expect(String(buffer: try await peer.received(atLeast: 6)) == "banner")
        try await peer.send("hello")
        try await peer.finish()
        #expect(String(buffer: try await stream.received(5)) == "hello")
        try await stream.say("")
        #expect(try await peer.everything().end == .finished)
        try await rig.end()
    }

    @Test("resets pass either way", arguments: [true, false]) func resets(byVisitor: Bool) async throws {
        let rig = try await MoveRig()
        let peer = try await rig.visitor()
        try await peer.send(MoveRig.head)
        let stream = try await rig.visit().accept()
        _ = try await stream.received(MoveRig.head.utf8.count)
        if byVisitor {
            peer.reset()
            #expect(try await stream.fault() == .aborted)
        } else {
            // Behind the first bytes of an answer: before them the visitor is told.
            let half = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"
            try await stream.write(half)
            _ = try await peer.received(atLeast: half.utf8.count)
            try await stream.on { leg, _ in leg.end(.aborted) }
            #expect(try await peer.everything().end == .reset)
        }
        try await rig.end()
    }

    @Test func aRefusalOfTheDeviceIsSaidOnItsLoop() async throws {
        let rig = try await MoveRig()
        let peer = try await rig.visitor()
        try await peer.send(MoveRig.head)
        let visit = try await rig.visit()
        try await visit.loop.submit { visit.give(.failure(.refused)) }.get()
        let (bytes, end) = try await peer.everything()
        #expect(String(buffer: bytes).hasPrefix("HTTP/1.1 502 ") && end == .finished)
        peer.close()
        try await rig.end()
    }

    @Test("a visitor that was reset between the loops asks nobody, or leaves again")
    func leavesBetween() async throws {
        let rig = try await MoveRig()
        let held = HeldLoop(rig.far)
        let peer = try await rig.visitor()
        try await peer.send(MoveRig.head)
        try await rig.haveLeft(1)
        peer.reset()
        try await peer.channel.closeFuture.get()
        held.letGo()
        try await rig.settle()
        for visit in rig.device.visits.all { try await visit.hasLeft.get() }
        try await rig.end()
    }

    @Test func aVisitorThatHasEndedBetweenTheLoopsIsServed() async throws {
        let rig = try await MoveRig()
        let held = HeldLoop(rig.far)
        let peer = try await rig.visitor()
        try await peer.send(MoveRig.head)
        try await rig.haveLeft(1)
        try await peer.finish()
        held.letGo()
        let stream = try await rig.visit().accept()
        let probe = stream.probe
        try await stream.loop.flatSubmit { probe.value.finished.futureResult }.get()
        try await stream.say("answer")
        #expect(String(buffer: try await peer.everything().bytes) == "answer")
        #expect(try await stream.everything() == MoveRig.head)
        try await rig.end()
    }

    @Test func aVisitorWhoseEndWasSeenStaysAndIsServed() async throws {
        let rig = try await MoveRig(.tcp)
        // Its end is there when it is accepted.
        let held = HeldLoop(rig.near)
        let peer = try await rig.visitor()
        try await peer.finish()
        held.letGo()
        let visit = try await rig.visit()
        #expect(try await rig.living() == [[1, 0], [0, 0]])
        let stream = try await visit.accept()
        let probe = stream.probe
        try await stream.loop.flatSubmit { probe.value.finished.futureResult }.get()
        #expect(try await rig.living() == [[0, 1], [0, 0]])
        try await stream.say("banner")
        let (bytes, end) = try await peer.everything()
        #expect(String(buffer: bytes) == "banner" && end == .finished)
        #expect(try await stream.everything() == "")
        try await rig.end()
    }

    @Test("a visitor that arrives on a loop that drains hears so", arguments: [true, false])
    func drainBetween(isTLS: Bool) async throws {
        let rig = try await MoveRig()
        let (loops, far) = (rig.loops, rig.far)
        let held = HeldLoop(far) { loops.registry(on: far).drain {} }
        let peer = try await rig.visitor()
        if isTLS {
            try await peer.send(ClientHelloTests.Sample(name: MoveRig.name).records())
        } else {
            try await peer.send(MoveRig.head)
        }
        try await rig.haveLeft(1)
        held.letGo()
        let (bytes, end) = try await peer.everything()
        if isTLS {
            #expect(bytes == ByteBuffer(bytes: [21, 3, 3, 0, 2, 2, 80]))
        } else {
            #expect(String(buffer: bytes).hasPrefix("HTTP/1.1 503 "))
        }
        #expect(end == .finished)
        peer.close()
        try await rig.end()
        #expect(rig.device.visits.all.isEmpty)
    }

    @Test func aVisitorOfAPortIsResetByALoopThatDrains() async throws {
        let rig = try await MoveRig(.tcp)
        let (loops, far) = (rig.loops, rig.far)
        let held = HeldLoop(far) { loops.registry(on: far).drain {} }
        let peer = try await rig.visitor()
        try await peer.send("SSH-2.0-x\r\n")
        try await rig.haveLeft(1)
        held.letGo()
        #expect(try await peer.everything().end == .reset)
        try await rig.end()
        #expect(rig.device.visits.all.isEmpty)
    }
}
