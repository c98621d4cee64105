// SPDX-License-Identifier: Apache-2.0

import Logging
import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenRuntime

/// What follows a session that is for one stream.
@Suite(.timeLimit(.minutes(1))) struct SuccessionTests {
    @Test("the next session is made at the hand-over, but waits while as many streams run as may")
    func makesTheNextSession() async throws {
        let (relay, target) = (try await TestServer.start(), try await TestServer.start())
        let rig = DialledRig(relays: [relay.port], target: target.port, .always(most: 2))
        _ = rig.inbound.start()
        let first = try await relay.next()
        try await first.handOver()
        let firstFar = try await target.next()
        let second = try await relay.next()
        try await second.handOver(saying: "second")
        let secondFar = try await target.next()
        _ = try await secondFar.received(atLeast: 6)
        try await rig.letPass()
        #expect(rig.sessions.all.count == 2)
        try await second.finish()
        try await secondFar.finish()
        let third = try await relay.next()
        try await first.send("still here")
        #expect(String(buffer: try await firstFar.received(atLeast: 10)) == "still here")
        try await third.handOver(saying: "third")
        #expect(String(buffer: try await target.next().received(atLeast: 5)) == "third")
        #expect(rig.warnings.isEmpty)
        rig.inbound.stop()
        for server in [relay, target] { try await server.stop() }
    }

    @Test("a stream that could not be opened does not count as one that runs")
    func failuresDoNotCount() async throws {
        let (relay, target) = (try await TestServer.start(), try await TestServer.start())
        let outbound = FailingOutbound(port: target.port, after: [.refused, .timedOut])
        let rig = DialledRig(relays: [relay.port], .always(most: 1), outbound: outbound)
        _ = rig.inbound.start()
        for fault in [StreamFault.refused, .timedOut] {
            try await relay.next().send("ready\nopen\n")
            #expect(await rig.log.next("stream")?.metadata["reason"] == fault.rawValue)
        }
        let peer = try await relay.next()
        try await peer.handOver(saying: "at last")
        let far = try await target.next()
        _ = try await far.received(atLeast: 7)
        try await rig.letPass()
        #expect(rig.sessions.all.count == 3)
        for end in [peer, far] { try await end.finish() }
        #expect(await rig.log.next("stream")?.metadata["reason"] == "finished")
        _ = try await relay.next()
        rig.inbound.stop()
        for server in [relay, target] { try await server.stop() }
    }

    @Test("one that is done with a stream of use says so once and makes no other session")
    func endsAfterAStreamOfUse() async throws {
        let (relay, target) = (try await TestServer.start(), try await TestServer.start())
        let rig = DialledRig(relays: [relay.port], target: target.port, .never)
        _ = rig.inbound.start()
        let idle = try await relay.next()
        try await idle.handOver()
        let idleFar = try await target.next()
        try await rig.letPass()
        #expect(rig.sessions.all.count == 1)
        // It brought nothing: the inbound goes on.
        for end in [idle, idleFar] { try await end.finish() }
        let useful = try await relay.next()
        #expect(rig.ends.all.isEmpty)
        try await useful.handOver(saying: "use")
        let far = try await target.next()
        _ = try await far.received(atLeast: 3)
        for end in [useful, far] { try await end.finish() }
        #expect(await rig.ends.next() == true)
        try await rig.letPass()
        #expect(rig.ends.all.count == 1)
        #expect(rig.sessions.all.count == 2)
        #expect(rig.warnings.isEmpty)
        for server in [relay, target] { try await server.stop() }
    }

    @Test("a peer that says nothing was of use if it took something, and the end was in order", arguments: [0, 1])
    func countsWhatThePeerTook(more: Int) async throws {
        let (relay, target) = (try await TestServer.start(), try await TestServer.start())
        let rig = DialledRig(relays: [relay.port], target: target.port, .never)
        _ = rig.inbound.start()
        let peer = try await relay.next()
        try await peer.handOver()
        let far = try await target.next()
        try await far.send(ByteBuffer(repeating: 1, count: more))
        for end in [far, peer] { try await end.finish() }
        if more == 0 {
            _ = try await relay.next()
            #expect(rig.ends.all.isEmpty)
        } else {
            #expect(await rig.ends.next() == true)
        }
        rig.inbound.stop()
        for server in [relay, target] { try await server.stop() }
    }

    @Test(
        "a session that nobody came to in its time, or that ended in order without a stream, is followed without a word",
        arguments: ["late\n", "end\n"], [false, true]
    )
    func goesOnInSilence(word: String, isForOne: Bool) async throws {
        let relay = try await TestServer.start()
        let rig = DialledRig(relays: [relay.port], isForOne ? .never : .always(most: 1))
        let started = NIODeadline.now()
        _ = rig.inbound.start()
        for _ in 0..<5 { try await relay.next().send("ready\n" + word) }
        _ = try await relay.next()
        // Never more often than every 5 ms.
        #expect(NIODeadline.now() - started >= .milliseconds(25))
        #expect(rig.messages.isEmpty)
        #expect(rig.ends.all.isEmpty)
        rig.inbound.stop()
        try await relay.stop()
    }

    @Test("a time out before the session is ready is a failure") func anEarlyTimeOutIsAFailure() async throws {
        let relay = try await TestServer.start()
        let rig = DialledRig(relays: [relay.port], .always(most: 1))
        _ = rig.inbound.start()
        try await relay.next().send("late\n")
        let line = await rig.log.next("tunnel not up; trying again")
        #expect(line?.metadata["reason"] == "timed out in waiting")
        rig.inbound.stop()
        try await relay.stop()
    }

    @Test("a loss while it waits for its stream is a loss, with a pause after it") func aLossIsALoss() async throws {
        let relay = try await TestServer.start()
        let rig = DialledRig(relays: [relay.port], .always(most: 1))
        _ = rig.inbound.start()
        let peer = try await relay.next()
        try await peer.send("grant key\n")
        _ = await rig.log.next("reachable")
        peer.reset()
        #expect(await rig.log.next("tunnel down; trying again")?.metadata["retryMs"] == "250")
        rig.inbound.stop()
        try await relay.stop()
    }

    @Test("retiring ends a session that waits, and lets streams that run come to their end")
    func retires() async throws {
        let (relay, target) = (try await TestServer.start(), try await TestServer.start())
        let rig = DialledRig(relays: [relay.port], target: target.port, .always(most: 2))
        _ = rig.inbound.start()
        let running = try await relay.next()
        try await running.handOver()
        let far = try await target.next()
        let waiting = try await relay.next()
        try await waiting.send("grant key\n")
        _ = await rig.log.next("reachable")
        rig.inbound.retire()
        #expect(try await waiting.everything().end == .finished)
        try await running.send("question")
        try await running.finish()
        #expect(String(buffer: try await far.everything().bytes) == "question")
        try await far.send("answer")
        try await far.finish()
        #expect(String(buffer: try await running.everything().bytes) == "accepted\nanswer")
        #expect(await rig.log.next("stream")?.metadata["reason"] == "finished")
        try await rig.letPass()
        #expect(rig.sessions.all.count == 2)
        #expect(rig.warnings.isEmpty)
        for server in [relay, target] { try await server.stop() }
    }
}
