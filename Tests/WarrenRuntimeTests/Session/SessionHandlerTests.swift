// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOEmbedded
import Testing
import WarrenCore

@testable import WarrenRuntime

/// Counts the reads that reach the carrier.
private final class ReadCounter: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer
    var reads = 0
    func read(context: ChannelHandlerContext) {
        self.reads += 1
        context.read()
    }
}

/// A session with a scripted machine on a carrier in memory.
private final class Rig {
    let script = Script()
    let owner = ScriptedOwner()
    let residents = Residents()
    let counter = ReadCounter()
    let channel: EmbeddedChannel
    let handler: SessionHandler<ScriptedMachine>

    init(_ prepare: (Script, ScriptedOwner) -> Void = { _, _ in }) throws {
        prepare(self.script, self.owner)
        self.handler = SessionHandler(
            ScriptedMachine(script: self.script), owner: self.owner, residents: self.residents)
        self.channel = EmbeddedChannel(handlers: [self.counter, self.handler])
        try self.channel.connect(to: SocketAddress(ipAddress: "192.0.2.1", port: 9)).wait()
    }

    func receive(_ text: String) throws { try self.channel.writeInbound(ByteBuffer(string: text)) }

    /// What went to the carrier since the last time.
    func written() throws -> [String] {
        var written: [String] = []
        while let bytes = try self.channel.readOutbound(as: ByteBuffer.self) {
            // An empty write only tells when the ones before it have left.
            if bytes.readableBytes > 0 { written.append(String(buffer: bytes)) }
        }
        return written
    }

    /// Lets the machine open a stream that reaches `back` at once.
    func openStream(_ id: StreamID, to back: ScriptedLeg) throws {
        self.owner.onOpen = { _, answer in
            answer(.success(back))
            return NoAttempt()
        }
        self.script.says(.open(id, .named("far")))
        try self.receive("open")
        _ = self.script.take()
        _ = back.take()
    }
}

private let one = StreamID(1)
private let two = StreamID(2)

@Suite struct SessionHandlerTests {
    @Test func startsTheMachineOnceAndAsksForBytes() throws {
        let rig = try Rig { script, _ in script.says(.write(ByteBuffer(string: "hello"))) }
        #expect(rig.script.take() == [.start])
        #expect(try rig.written() == ["hello"])
        #expect(rig.owner.events == [.began])
        #expect(rig.counter.reads == 1)
        #expect(rig.residents.sessionCount == 1)
    }

    @Test("a command inside a step is seen by the pull that is under way")
    func commandsInsideAStep() throws {
        let back = ScriptedLeg()
        let rig = try Rig { script, owner in
            owner.onOpen = { _, answer in
                answer(.success(back))
                return NoAttempt()
            }
            script.onCall = { script, call in
                if call == .accept(one) { script.says(.write(ByteBuffer(string: "accepted"))) }
            }
            script.says(
                .open(one, .named("far")), .write(ByteBuffer(string: "after")), .deliver(one, ByteBuffer(string: "x")))
        }
        #expect(rig.script.take() == [.start, .accept(one)])
        #expect(try rig.written() == ["after", "accepted"])
        #expect(back.take() == [.begin, .write("x"), .flush])
    }

    @Test func aLegThatFailsInsideADeliveryEndsItsStreamInTheSameTurn() throws {
        let rig = try Rig()
        let back = ScriptedLeg()
        try rig.openStream(one, to: back)
        rig.script.onCall = { script, call in
            if call == .reset(one, .aborted) { script.says(.write(ByteBuffer(string: "reset"))) }
        }
        rig.script.says(.deliver(one, ByteBuffer(string: "a")), .deliver(one, ByteBuffer(string: "b")))
        back.isWritable = true
        back.isGone(.aborted)
        rig.channel.embeddedEventLoop.run()
        #expect(rig.script.take() == [.reset(one, .aborted)])
        #expect(try rig.written() == ["reset"])
        #expect(rig.residents.relayCount == 0)
    }

    @Test func deliversWithOneFlushPerTurn() throws {
        let rig = try Rig()
        let (first, second) = (ScriptedLeg(), ScriptedLeg())
        try rig.openStream(one, to: first)
        try rig.openStream(two, to: second)
        rig.script.says(
            .deliver(one, ByteBuffer(string: "a")), .deliver(two, ByteBuffer(string: "b")),
            .deliver(one, ByteBuffer(string: "c")), .finish(one)
        )
        try rig.receive("x")
        #expect(first.take() == [.write("a"), .write("c"), .finish, .flush])
        #expect(second.take() == [.write("b"), .flush])
    }

    @Test func whatALegSaysGoesToTheMachine() throws {
        let rig = try Rig()
        let back = ScriptedLeg()
        try rig.openStream(one, to: back)
        rig.script.onCall = { script, call in
            if case .send = call { script.says(.write(ByteBuffer(string: "sent"))) }
        }
        back.receive("a")
        back.receive("b")
        #expect(try rig.written() == [])
        back.receiveEnd()
        rig.channel.embeddedEventLoop.run()
        #expect(rig.script.take() == [.send("a", one), .send("b", one), .finish(one)])
        #expect(try rig.written() == ["sent", "sent"])
    }

    @Test func doesNotReadWhileTheMachineWantsNoBytes() throws {
        let rig = try Rig { script, _ in script.wantsBytes = false }
        #expect(rig.counter.reads == 0)
        let back = ScriptedLeg()
        try rig.openStream(one, to: back)
        #expect(rig.counter.reads == 0)
        rig.script.onCall = { script, call in
            if case .consumed = call { script.wantsBytes = true }
        }
        rig.script.says(.deliver(one, ByteBuffer(string: "abc")))
        try rig.receive("x")
        back.events?.sent(3, by: back)
        rig.channel.embeddedEventLoop.run()
        #expect(rig.script.calls.contains(.consumed(3, one)))
        #expect(rig.counter.reads == 1)
    }

    @Test func takesWhatComesThoughItWantsNoBytes() throws {
        let rig = try Rig { script, _ in script.wantsBytes = false }
        try rig.receive("early")
        #expect(rig.script.take() == [.start, .receive("early")])
    }

    @Test func aPausedStreamStopsItsSource() throws {
        let rig = try Rig()
        let back = ScriptedLeg()
        try rig.openStream(one, to: back)
        rig.script.says(.pause(one))
        try rig.receive("x")
        #expect(back.take() == [.reading(false)])
        rig.script.says(.resume(one))
        try rig.receive("x")
        #expect(back.take() == [.reading(true)])
    }

    @Test func aSourceStopsBeforeThePauseWhereItsStreamHasNoRoom() throws {
        let rig = try Rig()
        let back = ScriptedLeg()
        try rig.openStream(one, to: back)
        rig.script.full = [one]
        back.receive("a")
        #expect(back.take() == [.reading(false)])
        rig.script.full = []
        rig.script.says(.resume(one))
        try rig.receive("x")
        #expect(back.take() == [.reading(true)])
    }

    @Test func tellsTheMachineWhenTheCarrierIsFull() throws {
        let rig = try Rig()
        #expect(rig.script.writable == true)
        rig.channel.isWritable = false
        try rig.receive("x")
        #expect(rig.script.writable == false)
        rig.script.says(.write(ByteBuffer(string: "now")))
        rig.channel.isWritable = true
        rig.channel.pipeline.fireChannelWritabilityChanged()
        #expect(rig.script.writable == true)
        #expect(try rig.written() == ["now"])
    }

    @Test func everyStreamEndsWithTheSession() throws {
        let rig = try Rig()
        let legs = [ScriptedLeg(), ScriptedLeg(), ScriptedLeg()]
        for (index, leg) in legs.enumerated() { try rig.openStream(StreamID(UInt32(index)), to: leg) }
        #expect(rig.residents.relayCount == 3)
        let reason = CloseReason.violation(WireError(.badMagic, in: "hello"))
        rig.script.says(.write(ByteBuffer(string: "bye")), .close(reason))
        try rig.receive("x")
        #expect(try rig.written() == ["bye"])
        for leg in legs { #expect(leg.take() == [.end(.sessionLost)]) }
        #expect(rig.residents.relayCount == 0)
        #expect(rig.residents.sessionCount == 0)
        #expect(rig.owner.events.count { $0 == .ended(reason) } == 1)
        #expect(
            rig.owner.events.count { if case .streamEnded(_, _, _, .sessionLost) = $0 { true } else { false } } == 3)
        _ = rig.script.take()
        try? rig.receive("more")
        #expect(rig.script.take() == [])
    }

    @Test func attemptsEndWithTheSession() throws {
        let rig = try Rig()
        let attempt = CountingAttempt()
        var late: ((Result<any Leg, StreamFault>) -> Void)?
        rig.owner.onOpen = { _, answer in
            late = answer
            return attempt
        }
        rig.script.says(.open(one, .named("far")))
        try rig.receive("x")
        var answers: [StreamFault?] = []
        _ = rig.handler.open(.named("near")) { result in
            if case .failure(let fault) = result { answers.append(fault) } else { answers.append(nil) }
        }
        rig.handler.shutDown(.shutdown)
        #expect(attempt.cancels == 1)
        #expect(answers == [.shutdown])
        let leg = ScriptedLeg()
        late?(.success(leg))
        #expect(leg.take() == [.end(.aborted)])
        #expect(rig.owner.events.last == .ended(.shutdown))
        _ = rig.handler.open(.named("later")) { result in
            if case .failure(let fault) = result { answers.append(fault) }
        }
        #expect(answers == [.shutdown, .sessionLost])
    }

    @Test func aStreamThatThePeerGivesUpCancelsItsAttempt() throws {
        let rig = try Rig()
        let attempt = CountingAttempt()
        rig.owner.onOpen = { _, _ in attempt }
        rig.script.says(.open(one, .named("far")), .end(one, .aborted))
        try rig.receive("x")
        #expect(attempt.cancels == 1)
    }

    @Test func aRefusedStreamIsResetAndReported() throws {
        let rig = try Rig()
        rig.owner.onOpen = { _, answer in
            answer(.failure(.refused))
            return NoAttempt()
        }
        rig.script.says(.open(one, .named("far")))
        try rig.receive("x")
        #expect(rig.script.calls.last == .reset(one, .refused))
        #expect(rig.owner.events.last == .streamEnded(.named("far"), bytesIn: 0, bytesOut: 0, .refused))
    }

    @Test func noStreamsWhileDraining() throws {
        let rig = try Rig()
        rig.residents.drain {}
        rig.script.says(.open(one, .named("far")))
        try rig.receive("x")
        #expect(rig.script.calls.last == .reset(one, .shutdown))
    }

    @Test func ourStreamsAreAnswered() throws {
        let rig = try Rig()
        var legs: [any Leg] = []
        var faults: [StreamFault] = []
        func keep(_ result: Result<any Leg, StreamFault>) {
            switch result {
            case .success(let leg): legs.append(leg)
            case .failure(let fault): faults.append(fault)
            }
        }
        _ = rig.handler.open(.named("a"), answer: keep)
        _ = rig.handler.open(.named("b"), answer: keep)
        let third = rig.handler.open(.named("c"), answer: keep)
        rig.script.says(.opened(StreamID(101)), .end(StreamID(102), .unknownHost))
        try rig.receive("x")
        #expect(legs.count == 1)
        #expect(faults == [.unknownHost])
        third.cancel()
        #expect(rig.script.calls.last == .reset(StreamID(103), .aborted))
        rig.script.refusal = .limit
        _ = rig.handler.open(.named("d"), answer: keep)
        #expect(faults == [.unknownHost, .limit])
    }

    @Test func theEndOfTheCarrierIsTheMachinesToJudge() throws {
        let rig = try Rig { script, _ in
            script.onCall = { script, call in if call == .receiveEnd { script.says(.close(.finished)) } }
        }
        rig.channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        #expect(rig.script.calls == [.start, .receiveEnd])
        #expect(rig.owner.events == [.began, .ended(.finished)])
    }

    @Test func aLostCarrierEndsTheSessionOnce() throws {
        let rig = try Rig()
        let back = ScriptedLeg()
        try rig.openStream(one, to: back)
        rig.channel.pipeline.fireErrorCaught(ChannelError.inputClosed)
        #expect(back.take() == [.end(.sessionLost)])
        #expect(!rig.channel.isActive)
        #expect(rig.owner.events.count { if case .ended(.carrierLost) = $0 { true } else { false } } == 1)
    }

    @Test func theCarrierBecomesTheStream() throws {
        let rig = try Rig()
        let back = ScriptedLeg()
        try rig.openStream(one, to: back)
        rig.script.says(
            .write(ByteBuffer(string: "welcome")), .deliver(one, ByteBuffer(string: "a")),
            .handOver(one, leftover: ByteBuffer(string: "b"))
        )
        try rig.receive("x")
        #expect(try rig.written() == ["welcome"])
        #expect(back.take().prefix(3) == [.write("a"), .write("b"), .flush])
        #expect(rig.owner.events.contains(.ended(.finished)))
        #expect(rig.residents.sessionCount == 0)
        #expect(rig.residents.relayCount == 1)
        try rig.receive("plain")
        #expect(back.take() == [.write("plain"), .flush])
        back.receive("answer")
        #expect(try rig.written() == ["answer"])
        rig.channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        #expect(back.take() == [.finish])
        back.isGone(nil)
        #expect(rig.residents.relayCount == 0)
        let last = rig.owner.events.last
        #expect(last == .streamEnded(.named("far"), bytesIn: 7, bytesOut: 6, nil))
    }
}
