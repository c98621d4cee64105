// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenZhwkproX

/// What two Warrens say to each other, from both sides.
@Suite("zhwkproX extension")
struct ExtensionTests {
    typealias Exit = Harness<ZhwkproX.ExitMachine>
    typealias Inter = Harness<ZhwkproX.InterMachine>

    // MARK: Negotiation

    @Test func aDeployedPeerSeesNothingOfIt() throws {
        var (exit, challenge) = try Exit.asking(.init())
        #expect(ZhwkproX.Extension.isMarked(challenge: challenge, key: .deployed))
        let actions = exit.receive(Exit.proof(challenge, Array("fake rand strings".utf8)))
        #expect(actions == [.write(ByteBuffer(hex: "01")), .isolateWrites, .ready])
        #expect(!exit.machine.isExtended)

        var inter = Harness(ZhwkproX.InterMachine(.init()))
        _ = inter.receive(hex: "800100")
        var asked = ByteBuffer()
        asked.writeZhwkproXSized(Array("fake random str.123456".utf8))
        _ = inter.receive(asked)
        #expect(inter.receive(hex: "01") == [.isolateWrites, .ready])
        #expect(!inter.machine.isExtended)
    }

    @Test("it takes both", arguments: [true, false], [true, false])
    func takesBoth(exitKnows: Bool, interKnows: Bool) throws {
        var (exit, challenge) = try Exit.asking(.init(gap: .zero, usesExtension: exitKnows))
        var inter = Harness(ZhwkproX.InterMachine(.init(gap: .zero, usesExtension: interKnows)))
        _ = inter.receive(hex: "800100")
        var asked = ByteBuffer()
        asked.writeZhwkproXSized(challenge)
        let answer = inter.receive(asked).written
        #expect((31...55).contains(answer.readableBytes))
        let verdict = exit.receive(answer).written
        #expect(inter.receive(verdict).first == (exitKnows && interKnows ? .ready : .isolateWrites))
        #expect(exit.machine.isExtended == (exitKnows && interKnows))
        #expect(inter.machine.isExtended == (exitKnows && interKnows))
    }

    // MARK: The exit

    @Test func manyStreamsToOneDestination() throws {
        var exit = try Exit.extended()
        let (one, two) = (try exit.openExtended(1), try exit.openExtended(2))
        var both = Bytes.data(2, Array("two".utf8))
        both.writeImmutableBuffer(Bytes.data(1, Array("one".utf8)))
        #expect(
            exit.receive(both) == [.deliver(two, ByteBuffer(string: "two")), .deliver(one, ByteBuffer(string: "one"))])
        exit.machine.send(ByteBuffer(string: "answer"), on: two)
        #expect(exit.drain() == [.write(Bytes.data(2, Array("answer".utf8)))])
    }

    @Test func aRefusalHasItsReason() throws {
        var exit = try Exit.extended()
        _ = exit.receive(.open(id: 7, Bytes.v6, window: 1))
        exit.machine.reset(StreamID(7), .notAllowed)
        #expect(try exit.drain().extended == [.opened(id: 7, .notAllowed, window: 0)])
        #expect(exit.receive(.open(id: 8, Bytes.v6, window: 1)) == [.open(StreamID(8), Bytes.request(Bytes.v6))])
    }

    @Test func idsMustBeNew() throws {
        for id in [0, 4, 5] as [UInt32] {
            var exit = try Exit.extended()
            _ = exit.receive(.open(id: 5, Bytes.v4, window: 1))
            let actions = exit.receive(.open(id: id, Bytes.v4, window: 1))
            #expect(actions == [.close(.violation(WireError(.unexpected, in: "open.id")))])
        }
    }

    @Test func halfClosePassesInBothDirections() throws {
        var exit = try Exit.extended()
        let stream = try exit.openExtended(1)
        #expect(exit.receive(.finish(id: 1)) == [.finish(stream)])
        exit.machine.send(ByteBuffer(string: "answer"), on: stream)
        #expect(exit.drain() == [.write(Bytes.data(1, Array("answer".utf8)))])
        exit.machine.finish(stream)
        let actions = exit.drain()
        #expect(actions.withoutWrites == [.end(stream, nil)])
        #expect(try actions.extended == [.finish(id: 1)])
    }

    @Test func finishGoesBehindTheData() throws {
        var exit = try Exit.extended()
        let stream = try exit.openExtended(1)
        exit.machine.send(ByteBuffer(string: "answer"), on: stream)
        exit.machine.finish(stream)
        #expect(
            try exit.drain().incoming(.extended)
                == [.data(id: 1, ByteBuffer(string: "answer")), .message(.finish(id: 1))])
        #expect(exit.receive(.finish(id: 1)) == [.finish(stream), .end(stream, nil)])
    }

    @Test(
        "the end of a stream goes at once, that of its far end behind the data",
        arguments: [nil, .aborted, StreamFault.idle])
    func resets(fault: StreamFault?) throws {
        var exit = try Exit.extended()
        let stream = try exit.openExtended(1)
        exit.machine.send(ByteBuffer(string: "rest"), on: stream)
        exit.machine.finish(stream)
        exit.machine.reset(stream, fault)
        let reset = Incoming.message(.reset(id: 1, fault))
        #expect(
            try exit.drain().incoming(.extended)
                == (fault == .idle ? [reset] : [.data(id: 1, ByteBuffer(string: "rest")), reset]))
        #expect(exit.receive(Bytes.data(1, [1])) == [] && exit.receive(.finish(id: 1)) == [])
    }

    @Test func aResetWaitsForNoWindow() throws {
        var exit = try Exit.extended()
        let reset = Incoming.message(.reset(id: 1, .aborted))
        var stream = try exit.openExtended(1, window: 3)
        exit.machine.send(ByteBuffer(string: "rest"), on: stream)
        exit.machine.reset(stream, .aborted)
        #expect(try exit.drain().incoming(.extended) == [.data(id: 1, ByteBuffer(string: "res")), reset])
        stream = try exit.openExtended(2, window: 3)
        exit.machine.send(ByteBuffer(string: "rest"), on: stream)
        #expect(try exit.drain().incoming(.extended) == [.data(id: 2, ByteBuffer(string: "res"))])
        exit.machine.reset(stream, .aborted)
        #expect(try exit.drain().incoming(.extended) == [.message(.reset(id: 2, .aborted))])
    }

    @Test func aResetOfThePeersEndsTheStreamWithItsReason() throws {
        var exit = try Exit.extended()
        let stream = try exit.openExtended(1)
        #expect(exit.receive(.reset(id: 1, .stalled)) == [.end(stream, .stalled)])
        _ = exit.receive(.open(id: 2, Bytes.v4, window: 9))
        #expect(exit.receive(.reset(id: 2, nil)) == [.end(StreamID(2), nil)])
        exit.machine.accept(StreamID(2))
        #expect(exit.drain() == [])
    }

    // MARK: Windows

    @Test func nothingIsSentBeyondTheWindow() throws {
        var exit = try Exit.extended()
        let stream = try exit.openExtended(1, window: 5)
        exit.machine.send(ByteBuffer(string: "123456789"), on: stream)
        #expect(exit.drain() == [.write(Bytes.data(1, Array("12345".utf8)))])
        #expect(exit.receive(.credit(id: 1, 3)) == [.write(Bytes.data(1, Array("678".utf8)))])
        exit.machine.finish(stream)
        #expect(exit.drain() == [])
        #expect(
            try exit.receive(.credit(id: 1, 9)).incoming(.extended)
                == [.data(id: 1, ByteBuffer(string: "9")), .message(.finish(id: 1))])
    }

    @Test func aReaderThatStallsHoldsUpNobody() throws {
        var exit = try Exit.extended()
        let stalled = try exit.openExtended(1)
        for _ in 0..<16 {
            #expect(
                exit.receive(Bytes.data(1, [UInt8](repeating: 1, count: 64 << 10))).delivered(stalled).readableBytes
                    == 64 << 10)
            #expect(exit.machine.wantsBytes)
        }
        let live = try exit.openExtended(2)
        #expect(exit.receive(Bytes.data(2, [1])) == [.deliver(live, ByteBuffer(bytes: [1]))])
        let actions = exit.receive(Bytes.data(1, [1]))
        #expect(actions == [.close(.violation(WireError(.tooLong, in: "window")))])
    }

    @Test func whatIsTakenIsGrantedAgain() throws {
        var exit = try Exit.extended()
        let stream = try exit.openExtended(1)
        for _ in 0..<4 { _ = exit.receive(Bytes.data(1, [UInt8](repeating: 1, count: 64 << 10))) }
        exit.machine.consumed(200_000, on: stream)
        #expect(exit.drain() == [])
        exit.machine.consumed((256 << 10) - 200_000, on: stream)
        #expect(exit.machine.wantsTurn)
        #expect(try exit.drain().extended == [.credit(id: 1, 256 << 10)])
    }

    // MARK: The inter-server

    @Test func aStreamIsOpenedByTheAnswer() throws {
        var inter = try Inter.extended()
        let stream = try inter.machine.open(Bytes.request(Bytes.v6), now: inter.now)
        inter.machine.send(ByteBuffer(string: "early"), on: stream)
        inter.machine.finish(stream)
        #expect(try inter.drain().extended == [.open(id: 1, Bytes.v6, window: 1 << 20)])
        let actions = inter.receive(.opened(id: 1, nil, window: 100))
        #expect(actions.withoutWrites == [.opened(stream)])
        #expect(
            try actions.incoming(.extended)
                == [.data(id: 1, ByteBuffer(string: "early")), .message(.finish(id: 1))])
    }

    @Test func aRefusalReachesTheUser() throws {
        var inter = try Inter.extended()
        let stream = try inter.machine.open(Bytes.request(Bytes.v6), now: inter.now)
        _ = inter.drain()
        #expect(inter.receive(.opened(id: 1, .unreachable, window: 0)) == [.end(stream, .unreachable)])
    }

    @Test func anOpenWithoutAnAnswerIsGivenUp() throws {
        var inter = try Inter.extended(.init(connectTimeout: .seconds(5)))
        let stream = try inter.machine.open(Bytes.request(Bytes.v6), now: inter.now)
        _ = inter.drain()
        let actions = inter.after(.seconds(5))
        #expect(actions.withoutWrites == [.end(stream, .timedOut)])
        #expect(try actions.extended == [.reset(id: 1, .timedOut)])
        #expect(inter.receive(.opened(id: 1, nil, window: 9)) == [])
    }

    @Test func aUserWhoLeavesIsSaid() throws {
        var inter = try Inter.extended()
        let open = try inter.openExtended()
        let asked = try inter.machine.open(Bytes.request(Bytes.v6), now: inter.now)
        _ = inter.drain()
        inter.machine.reset(open, .aborted)
        inter.machine.reset(asked, nil)
        #expect(try Set(inter.drain().extended) == [.reset(id: 1, .aborted), .reset(id: 2, .aborted)])
        #expect(inter.receive(Bytes.data(1, [1])) == [])
        #expect(try inter.openExtended() == StreamID(3))  // ids are never used again
    }

    @Test func streamsAreLimited() throws {
        var inter = try Inter.extended(.init(limits: SessionLimits(streams: 1)))
        _ = try inter.openExtended()
        #expect(throws: StreamFault.limit) { try inter.machine.open(Bytes.request(Bytes.v4), now: inter.now) }
        var exit = try Exit.extended(.init(limits: SessionLimits(streams: 1)))
        _ = try exit.openExtended(1)
        #expect(try exit.receive(.open(id: 2, Bytes.v4, window: 1)).extended == [.opened(id: 2, .limit, window: 0)])
    }
}
