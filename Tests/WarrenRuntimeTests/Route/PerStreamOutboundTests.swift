// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenLoop
import WarrenTesting

@testable import WarrenRuntime

@Suite(.timeLimit(.minutes(1))) struct PerStreamOutboundTests {
    @Test("the stream is the carrier: bytes and half-closes pass both ways, what came behind the reply first")
    func becomesTheCarrier() async throws {
        let relay = try await TestServer.start()
        let rig = CarrierRig([.words(port: relay.port)])
        let asked = try await AskedStream(rig.outbound)
        let peer = try await relay.next()
        try await peer.send("ready\n")
        _ = try await peer.received(atLeast: 6)
        try await peer.send("over\nbehind ")
        let stream = try await asked.stream()
        #expect(try await stream.on { leg, _ in leg is SocketLeg })
        try await peer.send("answer")
        try await peer.finish()
        try await stream.say("question")
        #expect(try await stream.everything() == "behind answer")
        #expect(String(buffer: try await peer.everything().bytes) == "asked\nquestion")
        #expect(rig.log.lines.isEmpty)
        try await asked.cancel()
        #expect(asked.answers.all.count == 1)
        try await relay.stop()
    }

    @Test func carriersAreTriedInTheirOrder() async throws {
        let closed = try #require(ClosedPort())
        defer { withExtendedLifetime(closed) {} }
        let (second, third) = (try await TestServer.start(), try await TestServer.start())
        let rig = CarrierRig([closed.number, second.port, third.port].map { .words(port: $0) })
        let asked = try await AskedStream(rig.outbound)
        try await second.next().send("reject\n")
        let peer = try await third.next()
        try await peer.send("ready\nover\nhello")
        try await peer.finish()
        let stream = try await asked.stream()
        try await stream.say("")
        #expect(try await stream.everything() == "hello")
        #expect(rig.reasons == ["cannot connect: refused", "rejected by the peer: no"])
        let ports = [closed.number, second.port]
        #expect(rig.log.lines.map { $0.metadata["peer"] } == ports.map { "127.0.0.1:\($0)" })
        for server in [second, third] { try await server.stop() }
    }

    @Test(
        "the stream hears what the last relay made of it",
        arguments: [
            ("reject\n", StreamFault.refused), ("late\n", .timedOut), ("end\n", .noServer), ("what\n", .noServer),
            ("elsewhere nowhere\n", .refused),
        ]
    )
    func failsWithTheLast(words: String, fault: StreamFault) async throws {
        let closed = try #require(ClosedPort())
        defer { withExtendedLifetime(closed) {} }
        let relay = try await TestServer.start()
        let rig = CarrierRig([closed.number, relay.port].map { .words(port: $0) })
        let asked = try await AskedStream(rig.outbound)
        let peer = try await relay.next()
        try await peer.send(words)
        #expect(await asked.fault() == fault)
        #expect(rig.reasons.count == 2)
        #expect(try await peer.everything().end == .finished)
        try await relay.stop()
    }

    @Test func followsAPeerThatSendsItOn() async throws {
        let (relay, other) = (try await TestServer.start(), try await TestServer.start())
        let rig = CarrierRig([.words(port: relay.port)], elsewhere: other.port)
        let asked = try await AskedStream(rig.outbound)
        try await relay.next().send("elsewhere other.example\n")
        let peer = try await other.next()
        try await peer.send("ready\nover\nhello")
        try await peer.finish()
        let stream = try await asked.stream()
        try await stream.say("")
        #expect(try await stream.everything() == "hello")
        #expect(rig.redirections.all == ["other.example"])
        #expect(rig.reasons == ["the peer sends us on to other.example"])
        for server in [relay, other] { try await server.stop() }
    }

    @Test("it is sent on once and only once, and hears the fault of the relay that it chose itself")
    func followsOnce() async throws {
        let (relay, other) = (try await TestServer.start(), try await TestServer.start())
        for words in ["elsewhere third.example\n", "late\n"] {
            let rig = CarrierRig([.words(port: relay.port)], elsewhere: other.port)
            let asked = try await AskedStream(rig.outbound)
            try await relay.next().send("elsewhere second.example\n")
            try await other.next().send(words)
            #expect(await asked.fault() == .refused)
            #expect(rig.redirections.all == ["second.example"])
            #expect(rig.reasons.count == 2)
        }
        for server in [relay, other] { try await server.stop() }
    }

    @Test("where it was sent on in vain, the next relay of its own is tried; a no of one that answered is what counts")
    func goesOnAfterTheDetour() async throws {
        let (relay, other, last) = (
            try await TestServer.start(), try await TestServer.start(), try await TestServer.start()
        )
        let rig = CarrierRig([relay.port, last.port].map { .words(port: $0) }, elsewhere: other.port)
        let asked = try await AskedStream(rig.outbound)
        try await relay.next().send("elsewhere second.example\n")
        try await other.next().send("reject\n")
        // A second one that sends on is not followed.
        try await last.next().send("late\n")
        #expect(await asked.fault() == .refused)
        let ports = [relay.port, other.port, last.port]
        #expect(rig.log.lines.map { $0.metadata["peer"] } == ports.map { "127.0.0.1:\($0)" })
        #expect(rig.redirections.all == ["second.example"])
        for server in [relay, other, last] { try await server.stop() }
    }
}

@Suite(.timeLimit(.minutes(1))) struct CarrierOutboundEndTests {
    @Test("a stream that the session refuses, or cannot carry, leaves no carrier open", arguments: [false, true])
    func closesAUselessCarrier(atOnce: Bool) async throws {
        let relay = try await TestServer.start()
        let rig = CarrierRig([.words(port: relay.port, refusal: atOnce ? .unsupported : nil)])
        let asked = try await AskedStream(rig.outbound)
        let peer = try await relay.next()
        try await peer.send("ready\n")
        if !atOnce {
            _ = try await peer.received(atLeast: 6)
            try await peer.send("refuse\n")
        }
        #expect(await asked.fault() == (atOnce ? .unsupported : .refused))
        #expect(try await peer.everything().end == .finished)
        #expect(rig.log.lines.isEmpty)
        try await relay.stop()
    }

    @Test func aCarrierThatIsLostAfterTheQuestionIsTheEndOfIt() async throws {
        let relay = try await TestServer.start()
        let rig = CarrierRig([relay.port, relay.port].map { .words(port: $0) })
        let asked = try await AskedStream(rig.outbound)
        let peer = try await relay.next()
        try await peer.send("ready\n")
        _ = try await peer.received(atLeast: 6)
        peer.reset()
        #expect(await asked.fault() == .noServer)
        #expect(asked.answers.all.count == 1)
        #expect(rig.log.lines.isEmpty)
        try await relay.stop()
    }

    @Test("giving it up closes what is open, and there is no answer", arguments: ["", "ready\n"])
    func cancels(words: String) async throws {
        let relay = try await TestServer.start()
        let rig = CarrierRig([relay.port, relay.port].map { .words(port: $0) })
        let asked = try await AskedStream(rig.outbound)
        let peer = try await relay.next()
        if !words.isEmpty {
            try await peer.send(words)
            _ = try await peer.received(atLeast: 6)
        }
        try await asked.cancel()
        #expect(try await peer.everything().end == .finished)
        try await asked.cancel()
        #expect(asked.answers.all.isEmpty)
        #expect(rig.log.lines.isEmpty)
        try await relay.stop()
    }

    @Test func givingUpADialEndsIt() async throws {
        let relay = try await TestServer.start(accepts: false)
        let rig = CarrierRig([.words(port: relay.port)])
        let loop = SocketLoop.manual()
        var answers = 0
        let attempt = rig.outbound.open(.named("far"), trusted: false, on: loop) { _ in answers += 1 }
        #expect(loop.timers.count == 2, "the connection's time, and when it is tried once more")
        attempt.cancel()
        #expect(loop.timers.count == 0)
        loop.advance(by: .minutes(1))
        #expect(answers == 0)
        try await relay.stop()
    }

    @Test func aRouteThatIsNotThereIsTheAnswer() {
        let outbound = PerStreamOutbound(name: "far", reporter: LogRecorder().reporter) { () throws(StreamFault) in
            throw .unreachable
        }
        var faults: [StreamFault] = []
        _ = outbound.open(.named("far"), trusted: false, on: .manual()) { result in
            if case .failure(let fault) = result { faults.append(fault) }
        }
        #expect(faults == [.unreachable])
        #expect(outbound.home == nil)
    }
}
