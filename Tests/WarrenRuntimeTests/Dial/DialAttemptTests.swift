// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOPosix
import Testing
import WarrenCore
import WarrenLoop

@testable import WarrenRuntime

private func dialer(_ resolver: any AddressResolver, policy: EgressPolicy = .everything) -> Dialer {
    Dialer(resolver: resolver, policy: policy)
}

private let noNames = ScriptedResolver(v4: [], v6: [])
/// On the loopback network, where a test's server on 127.0.0.1 does not listen.
private let deaf = "127.0.0.2"
private let hasIPv6 =
    (try? SocketAddress(ipAddress: "::1", port: 0)).map { address in
        (try? ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton).bind(to: address).wait())
            .map { $0.close(promise: nil) } != nil
    } ?? false

@Suite(.timeLimit(.minutes(1))) struct DialAttemptTests {
    @Test func reachesALiteralWithoutTheResolver() async throws {
        let server = try await TestServer.start()
        let dialed = Dialed(dialer(noNames), Host("127.0.0.1"), port: server.port)
        #expect(try await dialed.reached() == server.address)
        try await server.stop()
    }

    @Test func whatComesBackReadsNothingByItself() async throws {
        let server = try await TestServer.start()
        let dialed = Dialed(dialer(noNames), Host("127.0.0.1"), port: server.port)
        let (leg, loop) = (try await dialed.answer.get(), dialed.loop)
        let peer = try await server.next()
        try await peer.send("early")
        let probe = try await loop.submit {
            let probe = LegProbe(loop)
            leg.value.events = probe
            return NIOLoopBound(probe, eventLoop: loop)
        }.get()
        #expect(try await loop.submit { probe.value.bytes.readableBytes }.get() == 0)
        try await loop.submit { leg.value.begin() }.get()
        try await peer.finish()
        // The peer's end leaves our direction open.
        try await loop.flatSubmit { probe.value.finished.futureResult }.get()
        #expect(try await loop.submit { String(buffer: probe.value.bytes) }.get() == "early")
        try await loop.submit {
            #expect(probe.value.ends.isEmpty)
            leg.value.write(ByteBuffer(string: "answer"))
            leg.value.end(nil)
        }.get()
        #expect(String(buffer: try await peer.everything().bytes) == "answer")
        try await server.stop()
    }

    @Test func reachesTheOnlyFamilyThereIs() async throws {
        let server = try await TestServer.start()
        let resolver = ScriptedResolver(v4: ["127.0.0.1"], v6: [])
        #expect(try await Dialed(dialer(resolver), .name("far"), port: server.port).reached() == server.address)
        try await server.stop()
    }

    @Test("the preferred family goes first where both answer", .enabled(if: hasIPv6, "there is no IPv6 loopback"))
    func prefersIPv6() async throws {
        let server = try await TestServer.start(host: "::1")
        let resolver = ScriptedResolver(v4: [deaf], v6: ["::1"])
        #expect(try await Dialed(dialer(resolver), .name("far"), port: server.port).reached() == server.address)
        try await server.stop()
    }

    @Test("the other family is taken where the first one fails", .enabled(if: hasIPv6, "there is no IPv6 loopback"))
    func fallsBackToIPv4() async throws {
        let server = try await TestServer.start()
        let resolver = ScriptedResolver(v4: ["127.0.0.1"], v6: ["::1"])
        #expect(try await Dialed(dialer(resolver), .name("far"), port: server.port).reached() == server.address)
        try await server.stop()
    }

    @Test("an answer that never comes holds nobody up")
    func doesNotWaitForASlowAAAA() async throws {
        let server = try await TestServer.start()
        let resolver = ScriptedResolver(v4: ["127.0.0.1"], v6: nil)
        let dialed = Dialed(dialer(resolver), .name("far"), port: server.port)
        #expect(try await dialed.reached() == server.address)
        resolver.answer(.v6, ["::1"])
        try await server.stop()
    }

    @Test("an answer that comes late is still tried when the first family fails")
    func triesALateAnswer() async throws {
        let server = try await TestServer.start()
        let resolver = ScriptedResolver(v4: nil, v6: [])
        let dialed = Dialed(dialer(resolver), .name("far"), port: server.port)
        // The query is there as soon as the attempt has begun.
        try await dialed.hasBegun()
        resolver.answer(.v4, [deaf, "127.0.0.1"])
        #expect(try await dialed.reached() == server.address)
        try await server.stop()
    }

    @Test func takesTheSecondWhereTheFirstRefuses() async throws {
        let server = try await TestServer.start()
        let resolver = ScriptedResolver(v4: [deaf, "127.0.0.3", "127.0.0.1"], v6: [])
        #expect(try await Dialed(dialer(resolver), .name("far"), port: server.port).reached() == server.address)
        try await server.stop()
    }

    @Test func saysRefusedWhereAllRefuse() async throws {
        let server = try await TestServer.start()
        let resolver = ScriptedResolver(v4: [deaf, "127.0.0.3"], v6: [])
        #expect(await Dialed(dialer(resolver), .name("far"), port: server.port).fault() == .refused)
        try await server.stop()
    }

    @Test func saysNotAllowedWhereThePolicyRefusesAll() async throws {
        let resolver = ScriptedResolver(v4: ["127.0.0.1", "10.0.0.1"], v6: ["::1"])
        var dialer = dialer(resolver, policy: EgressPolicy())
        let (refusals, told) = AsyncStream<EgressRefusal>.makeStream()
        dialer.onRefusal = { refusals, _ in for refusal in refusals { told.yield(refusal) } }
        #expect(await Dialed(dialer, .name("far"), port: 1).fault() == .notAllowed)
        told.finish()
        var addresses: [String] = []
        for await refusal in refusals { addresses.append(refusal.address.description) }
        #expect(addresses.sorted() == ["10.0.0.1", "127.0.0.1", "::1"])
    }

    @Test func triesOnlyWhatThePolicyAllows() async throws {
        let server = try await TestServer.start()
        let resolver = ScriptedResolver(v4: ["127.0.0.2", "127.0.0.1"], v6: [])
        let policy = EgressPolicy(allow: [try EgressRule("127.0.0.1/32")], deny: [])
        #expect(
            try await Dialed(dialer(resolver, policy: policy), .name("far"), port: server.port).reached()
                == server.address)
        try await server.stop()
    }

    @Test func saysUnknownHostWhereThereIsNoAddress() async throws {
        #expect(await Dialed(dialer(noNames), .name("nowhere"), port: 1).fault() == .unknownHost)
    }

    @Test func saysTimedOutWhereTheResolverIsSilent() async throws {
        var dialer = dialer(ScriptedResolver(v4: nil, v6: nil))
        dialer.connectTimeout = .milliseconds(50)
        #expect(await Dialed(dialer, .name("far"), port: 1).fault() == .timedOut)
    }

    @Test func theSystemsResolverKnowsLocalhost() async throws {
        let server = try await TestServer.start()
        let resolver = SystemResolver()
        for _ in 0..<5 {
            #expect(
                try await Dialed(dialer(resolver), .name("localhost"), port: server.port).reached() == server.address)
        }
        try await server.stop()
    }

    @Test func aCancelledAttemptClosesWhatItReaches() async throws {
        let server = try await TestServer.start()
        let resolver = ScriptedResolver(v4: ["127.0.0.1"], v6: [])
        // On a loop that never hears of the connection, so that the answer cannot come first.
        let loop = SocketLoop.manual()
        var answers = 0
        let attempt = dialer(resolver).dial(.name("far"), port: server.port, for: .unknown, on: loop) { _ in
            answers += 1
        }
        // The connection was under way: the server sees it come and go.
        let peer = try await server.next()
        attempt.cancel()
        loop.runOnce()
        #expect(try await peer.everything().bytes.readableBytes == 0)
        #expect(answers == 0)
        #expect(loop.timers.count == 0)
        peer.close()
        try await server.stop()
    }
}
