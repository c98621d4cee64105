// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOPosix
import Testing
import WarrenCore

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
        let channel = try await Dialed(dialer(noNames), Host("127.0.0.1"), port: server.port).answer.get()
        #expect(channel.isActive)
        #expect(try await channel.getOption(.autoRead).get() == false)
        #expect(try await channel.getOption(.allowRemoteHalfClosure).get())
        try await channel.close()
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
        dialer.onRefusal = { told.yield($0) }
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

    @Test("localhost is never a question for the network", arguments: ["localhost", "LocalHost", "a.localhost"])
    func answersLocalhostItself(name: String) async throws {
        let resolver = SystemResolver(threads: 1, limit: 0)
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        #expect(try await resolver.resolve(name, .v4, on: loop).get() == [IPAddress(v4: 0x7F00_0001)])
        #expect(try await resolver.resolve(name, .v6, on: loop).get() == [IPAddress(high: 0, low: 1)])
        await resolver.shutDown()
    }

    @Test func saysLimitWhereTheResolverIsFull() async throws {
        let resolver = SystemResolver(threads: 1, limit: 0)
        #expect(await Dialed(dialer(resolver), .name("far.invalid"), port: 1).fault() == .limit)
        await resolver.shutDown()
    }

    @Test func theSystemsResolverKnowsLocalhost() async throws {
        let server = try await TestServer.start()
        let resolver = SystemResolver(threads: 2, limit: 64)
        for _ in 0..<5 {
            #expect(
                try await Dialed(dialer(resolver), .name("localhost"), port: server.port).reached() == server.address)
        }
        await resolver.shutDown()
        try await server.stop()
    }

    @Test func aCancelledAttemptClosesWhatItReaches() async throws {
        let server = try await TestServer.start()
        let resolver = ScriptedResolver(v4: ["127.0.0.1"], v6: [])
        let dialed = Dialed(dialer(resolver), .name("far"), port: server.port)
        try await dialed.cancel()
        await #expect(throws: CancellationError.self) { try await dialed.answer.get() }
        // The connection was under way: the server sees it come and go.
        let peer = try await server.next()
        #expect(try await peer.everything().bytes.readableBytes == 0)
        peer.close()
        try await server.stop()
    }

    @Test("an address that answers nothing gives way to the next one")
    func racesPastASilentAddress() async throws {
        let silent = try await SilentServer.start()
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .bind(host: "127.0.0.1", port: Int(silent.port)).get()
        let resolver = ScriptedResolver(v4: [SilentServer.host, "127.0.0.1"], v6: [])
        let dialed = Dialed(dialer(resolver), .name("far"), port: silent.port)
        #expect(try await dialed.reached() == server.localAddress)
        try await server.close()
        try await silent.stop()
    }

    @Test("an answer that comes while the first address is silent is tried at once, not after its time-out")
    func racesPastASilentAddressWithALateAnswer() async throws {
        let silent = try await SilentServer.start()
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .bind(host: "127.0.0.1", port: Int(silent.port)).get()
        // The families stand for "first" and "late" only: the resolver may say what it likes.
        let resolver = ScriptedResolver(v4: [SilentServer.host], v6: nil)
        var dialer = dialer(resolver)
        dialer.connectTimeout = .seconds(8)
        let dialed = Dialed(dialer, .name("far"), port: silent.port)
        // Later than both delays of the race, and far sooner than the time-out.
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        try await loop.scheduleTask(in: .milliseconds(600)) { resolver.answer(.v6, ["127.0.0.1"]) }.futureResult.get()
        let started = NIODeadline.now()
        _ = try? await dialed.reached()
        #expect(NIODeadline.now() - started < .seconds(4))
        try await server.close()
        try await silent.stop()
    }
}

/// A listening socket whose queue is full: connections to it get no answer.
private struct SilentServer: Sendable {
    static let host = "127.0.0.4"
    let port: UInt16
    private let channel: any Channel
    private let fillers: [any Channel]

    static func start() async throws -> SilentServer {
        let server = try await TestServer.start(host: Self.host, accepts: false, backlog: 1)
        var fillers: [any Channel] = []
        // As soon as one gets no answer in this time, the queue is full.
        while fillers.count < 16 {
            do {
                let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                    .connectTimeout(.milliseconds(100))
                    .connect(to: server.address).get()
                fillers.append(channel)
            } catch {
                return SilentServer(port: server.port, channel: server.channel, fillers: fillers)
            }
        }
        throw ChannelError.operationUnsupported
    }

    func stop() async throws {
        for filler in self.fillers { try await filler.close() }
        try await self.channel.close()
    }
}
