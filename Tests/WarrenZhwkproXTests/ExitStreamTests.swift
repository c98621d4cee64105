// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenZhwkproX

/// What an exit does with requests: the reference's rules, and the faults of deployed exits that must not come back.
@Suite("zhwkproX exit, streams")
struct ExitStreamTests {
    typealias Exit = Harness<ZhwkproX.ExitMachine>

    @Test("a request opens its destination, and its data waits for that", arguments: [Bytes.v4, Bytes.v6])
    func opens(endpoint: ZhwkproX.StreamAddress) throws {
        var exit = try Exit.loggedIn()
        #expect(exit.receive(Bytes.get(endpoint, "one ")) == [.open(StreamID(1), Bytes.request(endpoint))])
        #expect(exit.receive(Bytes.get(endpoint, "two")) == [])
        exit.machine.accept(StreamID(1))
        #expect(exit.drain() == [.deliver(StreamID(1), ByteBuffer(string: "one two"))])
        #expect(exit.receive(Bytes.get(endpoint, "three")) == [.deliver(StreamID(1), ByteBuffer(string: "three"))])
        exit.machine.send(ByteBuffer(string: "answer"), on: StreamID(1))
        #expect(exit.drain() == [.write(Bytes.get(endpoint, "answer"))])
    }

    @Test func aRequestOfLengthZeroOpensAndWritesNothing() throws {
        var exit = try Exit.loggedIn()
        let stream = exit.open()
        #expect(exit.receive(Bytes.get(Bytes.v4)) == [])  // nor is it a close
        exit.machine.send(ByteBuffer(string: "220 hello"), on: stream)
        #expect(exit.drain() == [.write(Bytes.get(Bytes.v4, "220 hello"))])
    }

    @Test func streamsAreKeptApartByTheFullAddressAndPort() throws {
        var exit = try Exit.loggedIn()
        let addresses =
            [0, 1, 0x0100_0000].map { IPAddress(v4: 0xC000_0201 + $0) } + [IPAddress(high: 0, low: 0xC000_0201)]
        let endpoints = addresses.flatMap { address in
            [80, 81, 20480].map { ZhwkproX.StreamAddress(address: address, port: $0) }
        }
        for (number, endpoint) in endpoints.enumerated() {
            let stream = StreamID(UInt32(number + 1))
            #expect(exit.receive(Bytes.get(endpoint, "x")) == [.open(stream, Bytes.request(endpoint))])
            exit.machine.accept(stream)
            #expect(exit.drain().delivered(stream) == ByteBuffer(string: "x"))
        }
        for (number, endpoint) in endpoints.enumerated() {
            let text = "\(number)"
            let stream = StreamID(UInt32(number + 1))
            #expect(exit.receive(Bytes.get(endpoint, text)) == [.deliver(stream, ByteBuffer(string: text))])
        }
    }

    /// Fault 2: deployed exits write every piece of a reply in a task of its own.
    @Test func theEndComesBehindAllTheData() throws {
        var exit = try Exit.loggedIn()
        let stream = exit.open()
        let data = ByteBuffer(repeating: 5, count: 400_000)
        exit.machine.send(data, on: stream)
        exit.machine.finish(stream)
        let actions = exit.drain()
        #expect(actions.last == .end(stream, nil) || actions.contains(.end(stream, nil)))
        let incoming = try actions.incoming()
        #expect(incoming.last == .get(Bytes.v4, ByteBuffer()))
        let received = incoming.dropLast().reduce(into: ByteBuffer()) {
            if case .get(Bytes.v4, let bytes) = $1 { $0.writeImmutableBuffer(bytes) }
        }
        #expect(received == data)
    }

    @Test("a reset destination, too, is told of behind its data", arguments: [nil, StreamFault.aborted])
    func resetIsSaidBehindTheData(fault: StreamFault?) throws {
        var exit = try Exit.loggedIn()
        let stream = exit.open()
        exit.machine.send(ByteBuffer(string: "rest"), on: stream)
        exit.machine.reset(stream, fault)
        let actions = exit.drain()
        #expect(actions.withoutWrites == [])
        #expect(actions.written == ByteBuffer(bytes: Bytes.get(Bytes.v4, "rest").array + Bytes.get(Bytes.v4).array))
    }

    /// Deployed exits say nothing.
    @Test func aRefusedDestinationIsSaid() throws {
        var exit = try Exit.loggedIn()
        _ = exit.receive(Bytes.get(Bytes.v6, "for nobody"))
        exit.machine.reset(StreamID(1), .refused)
        #expect(exit.drain() == [.write(Bytes.get(Bytes.v6))])
        #expect(exit.machine.deadline == nil)
        #expect(exit.receive(Bytes.get(Bytes.v6, "again")) == [.open(StreamID(2), Bytes.request(Bytes.v6))])
    }

    @Test func aRequestAfterTheEndOpensAnew() throws {
        var exit = try Exit.loggedIn()
        let stream = exit.open()
        exit.machine.finish(stream)
        #expect(exit.drain() == [.end(stream, nil), .write(Bytes.get(Bytes.v4))])
        #expect(exit.receive(Bytes.get(Bytes.v4, "more")) == [.open(StreamID(2), Bytes.request(Bytes.v4))])
        exit.machine.accept(StreamID(2))
        #expect(exit.drain() == [.deliver(StreamID(2), ByteBuffer(string: "more"))])
    }

    /// Else the answers of two connections would mix.
    @Test func aRequestBehindAnEndThatIsNotWrittenWaitsForIt() throws {
        var exit = try Exit.loggedIn()
        let stream = exit.open()
        exit.writable = false
        exit.machine.send(ByteBuffer(string: "old"), on: stream)
        exit.machine.reset(stream, .aborted)
        #expect(exit.receive(Bytes.get(Bytes.v4, "new")) == [])
        exit.writable = true
        let actions = exit.drain()
        #expect(actions.withoutWrites == [.open(StreamID(2), Bytes.request(Bytes.v4))])
        #expect(actions.written == ByteBuffer(bytes: Bytes.get(Bytes.v4, "old").array + Bytes.get(Bytes.v4).array))
        exit.machine.accept(StreamID(2))
        #expect(exit.drain() == [.deliver(StreamID(2), ByteBuffer(string: "new"))])
    }

    @Test func afterTheDestinationsEndRequestsAreStillDeliveredUntilItIsWritten() throws {
        var exit = try Exit.loggedIn()
        let stream = exit.open()
        exit.writable = false
        exit.machine.send(ByteBuffer(string: "bye"), on: stream)
        exit.machine.finish(stream)
        #expect(exit.receive(Bytes.get(Bytes.v4, "late")) == [.deliver(stream, ByteBuffer(string: "late"))])
        exit.writable = true
        #expect(exit.drain().withoutWrites == [.end(stream, nil)])
    }

    // MARK: Idle time

    @Test func idleDestinationsEndAfterTwentySecondsOfSilenceInBothDirections() throws {
        var exit = try Exit.loggedIn()
        let stream = exit.open()
        #expect(exit.after(.seconds(19)) == [])
        #expect(exit.receive(Bytes.get(Bytes.v4, "a")).count == 1)
        #expect(exit.after(.seconds(19)) == [])
        exit.machine.send(ByteBuffer(string: "b"), on: stream)
        #expect(exit.drain().writes == 1)
        #expect(exit.machine.deadline == exit.now + .seconds(20))
        #expect(exit.after(.milliseconds(19_999)) == [])
        #expect(exit.after(.milliseconds(1)) == [.end(stream, .idle), .write(Bytes.get(Bytes.v4))])
    }

    @Test func theIdleTimeIsConfigurableAndCountsConnecting() throws {
        var exit = try Exit.loggedIn(.init(idle: .seconds(3), gap: .zero, usesExtension: false))
        _ = exit.receive(Bytes.get(Bytes.v4, "a"))
        #expect(exit.after(.seconds(3)) == [.end(StreamID(1), .idle), .write(Bytes.get(Bytes.v4))])
    }

    @Test func aCarrierThatTakesItsTimeIsNotIdleness() throws {
        var exit = try Exit.loggedIn()
        let stream = exit.open()
        exit.writable = false
        exit.machine.send(ByteBuffer(string: "a"), on: stream)
        #expect(exit.after(.seconds(20)) == [])
        exit.writable = true
        #expect(exit.drain() == [.write(Bytes.get(Bytes.v4, "a"))])
    }

    // MARK: Bounds

    @Test func moreDestinationsThanTheLimitAreRefused() throws {
        var exit = try Exit.loggedIn(.init(gap: .zero, usesExtension: false, limits: SessionLimits(streams: 1)))
        _ = exit.open(Bytes.v4)
        #expect(exit.receive(Bytes.get(Bytes.v6, "x")) == [.write(Bytes.get(Bytes.v6))])
    }

    @Test("rejects an unknown ipvr", arguments: [0, 1, 5, 7, 0x80, 0xFF] as [UInt8])
    func rejectsUnknownFamilies(ipvr: UInt8) throws {
        var exit = try Exit.loggedIn()
        var bytes = Bytes.get(Bytes.v4, "fine")
        bytes.writeInteger(ipvr)
        #expect(
            exit.receive(bytes)
                == [
                    .open(StreamID(1), Bytes.request(Bytes.v4)),
                    .close(.violation(WireError(.badValue, in: "get.ipvr"))),
                ])
    }

    /// Fault 5: deployed exits allocate what they are told.
    @Test("rejects a dlen above the cap before a byte of it has come", arguments: [(1 << 20) + 1, .max] as [UInt32])
    func rejectsLongMessages(length: UInt32) throws {
        var exit = try Exit.loggedIn()
        var bytes = ByteBuffer()
        bytes.writeZhwkproXGet(Bytes.v4, length: length)
        #expect(exit.receive(bytes) == [.close(.violation(WireError(.tooLong, in: "get.dlen")))])
    }

    @Test func aLongMessageIsDeliveredAsItComes() throws {
        var exit = try Exit.loggedIn()
        let stream = exit.open()
        let plain = SeededRandom.bytes(100_000)
        var received = ByteBuffer()
        for chunk in Chunks.of(1000, Bytes.get(Bytes.v4, plain)) {
            received.writeImmutableBuffer(exit.receive(chunk).delivered(stream))
            exit.machine.consumed(1000, on: stream)
        }
        #expect(received.array == plain)
    }

    @Test func aDestinationThatDoesNotAnswerHoldsTheCarrier() throws {
        var exit = try Exit.loggedIn()
        _ = exit.receive(Bytes.get(Bytes.v4, "x"))
        while exit.machine.wantsBytes {
            #expect(exit.receive(Bytes.get(Bytes.v4, [UInt8](repeating: 1, count: 9000))) == [])
        }
        #expect(exit.machine.deadline != nil)
        exit.machine.reset(StreamID(1), .timedOut)
        #expect(exit.drain() == [.write(Bytes.get(Bytes.v4))])
        #expect(exit.machine.wantsBytes)
    }

    @Test func aReaderThatTakesNothingIsEndedForTheOthers() throws {
        var exit = try Exit.loggedIn()
        let (dead, live) = (exit.open(Bytes.v4), exit.open(Bytes.v6))
        while exit.machine.wantsBytes {
            _ = exit.receive(Bytes.get(Bytes.v4, [UInt8](repeating: 1, count: 9000)))
        }
        #expect(exit.after(.seconds(5)) == [.end(dead, .stalled), .write(Bytes.get(Bytes.v4))])
        #expect(exit.machine.wantsBytes)
        #expect(exit.receive(Bytes.get(Bytes.v6, "on")) == [.deliver(live, ByteBuffer(string: "on"))])
    }

    @Test func aFullQueuePausesTheSource() throws {
        var exit = try Exit.loggedIn()
        let stream = exit.open()
        exit.writable = false
        exit.machine.send(ByteBuffer(repeating: 1, count: 128 << 10), on: stream)
        #expect(!exit.machine.hasRoom(on: stream))
        #expect(exit.drain() == [.pause(stream)])
        exit.writable = true
        let actions = exit.drain()
        #expect(actions.withoutWrites == [.resume(stream)] && exit.machine.hasRoom(on: stream))
    }

    @Test func carriersThatEndBetweenAndInsideMessages() throws {
        var exit = try Exit.loggedIn()
        _ = exit.open()
        var cut = exit
        exit.machine.receiveEnd()
        #expect(exit.drain() == [.close(.finished)])
        _ = cut.receive(hex: "04c000")
        cut.machine.receiveEnd()
        #expect(cut.drain() == [.close(.violation(WireError(.truncated, in: "message")))])
        cut.machine.send(ByteBuffer(string: "x"), on: StreamID(1))
        #expect(cut.receive(Bytes.get(Bytes.v4, "x")) == [] && cut.machine.deadline == nil)
    }
}

extension SeededRandom {
    static func bytes(_ count: Int) -> [UInt8] {
        var random = SeededRandom(UInt64(count))
        return random.bytes(count).array
    }
}
