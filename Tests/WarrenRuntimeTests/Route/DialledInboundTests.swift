// SPDX-License-Identifier: Apache-2.0

import Logging
import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenRuntime

private let notUp = "tunnel not up; trying again"
private let down = "tunnel down; trying again"

@Suite(.timeLimit(.minutes(1))) struct DialledInboundTests {
    @Test func aSessionForManyStreamsIsMadeAgainWhenItIsLost() async throws {
        let relay = try await TestServer.start()
        let rig = DialledRig(relays: [relay.port], .whenLost)
        let tried = rig.inbound.start()
        let first = try await relay.next()
        try await first.send("ready\n")
        try await tried.get()
        try await first.finish()
        let line = await rig.log.next(down)
        #expect(line?.metadata["inbound"] == "in")
        #expect(line?.metadata["peer"] == "127.0.0.1:\(relay.port)")
        #expect(line?.metadata["reason"] == "closed by the peer")
        let second = try await relay.next()
        try await second.send("ready\n")
        #expect(await rig.log.next("tunnel up") != nil)
        #expect(rig.messages == ["tunnel up", down, "tunnel up"])
        rig.inbound.stop()
        #expect(try await second.everything().end == .finished)
        try await relay.stop()
    }

    @Test("the first relay refuses, the second says no, the third serves")
    func triesItsRelaysInOrder() async throws {
        let closed = try #require(ClosedPort())
        defer { withExtendedLifetime(closed) {} }
        let (second, third) = (try await TestServer.start(), try await TestServer.start())
        let rig = DialledRig(relays: [closed.number, second.port, third.port], .whenLost)
        let tried = rig.inbound.start()
        try await second.next().send("reject\n")
        let peer = try await third.next()
        try await peer.send("ready\n")
        try await tried.get()
        #expect(await rig.log.next("tunnel up") != nil)
        #expect(rig.messages == ["carrier failed", "carrier failed", "tunnel up"])
        let reasons = ["cannot connect: refused", "rejected by the peer: no", nil]
        #expect(rig.log.lines.map { $0.metadata["reason"] } == reasons)
        let ports = [closed.number, second.port, third.port]
        #expect(rig.log.lines.map { $0.metadata["peer"] } == ports.map { "127.0.0.1:\($0)" })
        rig.inbound.stop()
        #expect(try await peer.everything().end == .finished)
        for server in [second, third] { try await server.stop() }
    }

    @Test func whatTheRelayGrantsIsLoggedAndTold() async throws {
        let relay = try await TestServer.start()
        let rig = DialledRig(relays: [relay.port], .always(most: 1))
        _ = rig.inbound.start()
        let peer = try await relay.next()
        try await peer.send("grant key\nready\n")
        let line = await rig.log.next("reachable")
        #expect(line?.level == .info)
        let words = [
            "inbound": "in", "peer": "127.0.0.1:\(relay.port)", "destination": "meeting key",
            "instance": "relay.example", "lifetimeS": "300",
        ]
        #expect(line?.metadata == words)
        let grant = Grant(.meeting("key"), instance: "relay.example", lifetime: .seconds(300))
        #expect(await rig.grants.next() == grant)
        rig.inbound.stop()
        _ = try await peer.everything()
        try await relay.stop()
    }

    @Test("the plan's target replaces what the peer asks for, and bytes and half-closes pass both ways")
    func reachesItsTarget() async throws {
        let (relay, target) = (try await TestServer.start(), try await TestServer.start())
        let rig = DialledRig(relays: [relay.port], target: target.port, .always(most: 1))
        _ = rig.inbound.start()
        let peer = try await relay.next()
        try await peer.handOver(saying: "early ")
        let far = try await target.next()
        try await peer.send("question")
        try await peer.finish()
        #expect(String(buffer: try await far.everything().bytes) == "early question")
        try await far.send("answer")
        try await far.finish()
        #expect(String(buffer: try await peer.everything().bytes) == "accepted\nanswer")
        let line = await rig.log.next("stream")
        // What the peer asked for: that it went elsewhere stands in the configuration.
        #expect(line?.metadata["destination"] == "inside:1")
        #expect(line?.metadata["bytesIn"] == "14")
        #expect(line?.metadata["bytesOut"] == "6")
        #expect(line?.metadata["reason"] == "finished")
        rig.inbound.stop()
        for server in [relay, target] { try await server.stop() }
    }

    @Test func aTargetThatRefusesIsReportedOnceAndFollowedByAPause() async throws {
        let closed = try #require(ClosedPort())
        defer { withExtendedLifetime(closed) {} }
        let relay = try await TestServer.start()
        let rig = DialledRig(relays: [relay.port], target: closed.number, .always(most: 1))
        _ = rig.inbound.start()
        let peer = try await relay.next()
        try await peer.send("ready\nopen\n")
        // A carrier that did not become what it was for must not look like one that came to its end.
        #expect(try await peer.everything().end == .reset)
        let line = await rig.log.next("stream")
        #expect(line?.metadata["reason"] == "refused")
        let warning = await rig.log.next(down)
        #expect(warning?.metadata["reason"] == "carrier lost: the target: refused")
        #expect(warning?.metadata["retryMs"] == "250")
        _ = try await relay.next()
        let told = "in: the target 127.0.0.1:\(closed.number) cannot be reached: refused"
        #expect(rig.messages == [told, "stream", down])
        rig.inbound.stop()
        try await relay.stop()
    }

    @Test(
        "peers that will not have us are the end where that is asked for, and one that will is not",
        arguments: [true, false])
    func refusalsEndIt(isLast: Bool) async throws {
        let (one, two) = (try await TestServer.start(), try await TestServer.start())
        let rig = DialledRig(relays: [one.port, two.port], .never, endsWhenRefused: true)
        _ = rig.inbound.start()
        try await one.next().send("reject\n")
        let peer = try await two.next()
        if isLast {
            try await peer.send("end\n")
            #expect(await rig.refusals.next() == "rejected by the peer: no")
            #expect(try await peer.everything().end == .finished)
        } else {
            try await peer.send("grant key\n")
            _ = await rig.log.next("reachable")
            #expect(rig.refusals.all.isEmpty)
        }
        rig.inbound.stop()
        try await rig.letPass()
        #expect(rig.refusals.all.count == (isLast ? 1 : 0))
        for server in [one, two] { try await server.stop() }
    }

    @Test("a session that ends in order before it is ready is a failure all the same")
    func anEarlyEndIsAFailure() async throws {
        let relay = try await TestServer.start()
        let rig = DialledRig(relays: [relay.port], .always(most: 1))
        let tried = rig.inbound.start()
        try await relay.next().send("end\n")
        try await tried.get()
        #expect(rig.messages == [notUp])
        _ = try await relay.next()
        rig.inbound.stop()
        try await relay.stop()
    }

    @Test func stopEndsASessionThatIsBeingMadeAndOneThatIsUp() async throws {
        let relay = try await TestServer.start()
        for words in ["", "ready\n"] {
            let rig = DialledRig(relays: [relay.port], .whenLost)
            let tried = rig.inbound.start()
            let peer = try await relay.next()
            if !words.isEmpty {
                try await peer.send(words)
                try await tried.get()
            }
            rig.inbound.stop()
            #expect(try await peer.everything().end == .finished)
            try await tried.get()
            #expect(rig.messages == (words.isEmpty ? [] : ["tunnel up"]))
            #expect(rig.sessions.all.count == 1)
        }
        try await relay.stop()
    }

    @Test func aLostSessionIsNotMadeAgainOnceItRetires() async throws {
        let relay = try await TestServer.start()
        let rig = DialledRig(relays: [relay.port], .whenLost)
        let tried = rig.inbound.start()
        let peer = try await relay.next()
        try await peer.send("ready\n")
        try await tried.get()
        rig.inbound.retire()
        // It still serves.
        try await peer.send("grant key\n")
        #expect(await rig.log.next("reachable") != nil)
        try await peer.finish()
        #expect(try await peer.everything().end == .finished)
        try await rig.letPass()
        #expect(rig.messages == ["tunnel up", "reachable"])
        #expect(rig.sessions.all.count == 1)
        rig.inbound.stop()
        try await relay.stop()
    }
}
