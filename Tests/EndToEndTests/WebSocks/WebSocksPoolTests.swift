// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOConcurrencyHelpers
import NIOCore
import Testing
import WarrenTesting

/// Connections that are upgraded before somebody wants them.
@Suite(.serialized, .timeLimit(.minutes(2))) struct WebSocksPoolTests {
    @Test("connections are upgraded before somebody wants them, and the next stream is asked for on one of them")
    func waits() async throws {
        let server = try await UpgradingServer.start()
        let folder = try Folder()
        folder.write("pw", "secret")
        let agent = try await WarrenProcess.start(
            yaml: """
                inbounds: [{ name: mixed, type: mixed, listen: "127.0.0.1:0", to: far }]
                outbounds:
                  - { name: far, type: websocks, server: "127.0.0.1:\(server.port)", user: alice, passwordFile: pw, pool: 2 }
                """, in: folder)
        try await eventually("every thread has its two") { server.hosts.count == 2 * System.coreCount }
        #expect(server.hosts.allSatisfy { $0 == "null" } && server.asked.isEmpty)
        let wire = try await Wire.socks5(agent.address("mixed"), to: 9)
        try await wire.send(ByteBuffer(string: "hello"))
        #expect(try await wire.read(5) == ByteBuffer(string: "hello"))
        #expect(server.asked == ["null"])
        try await eventually("another one has taken its place") { server.hosts.count == 2 * System.coreCount + 1 }
        wire.close()
        await agent.stop()
        try await eventually("none is left") { server.open == 0 }
        try await server.stop()
    }

    @Test(
        "streams come through while the pool is used up, and both ends of it", arguments: WebSocksSite.Carrier.allCases)
    func exchanges(carrier: WebSocksSite.Carrier) async throws {
        let far = try await Server.exchange()
        let site = try await WebSocksSite.start(carrier, far: ", pool: 3")
        let wrong = try await withThrowingTaskGroup(of: String?.self) { tasks in
            for seed in UInt64(0)..<100 {
                tasks.addTask { try await Exchange.run(seed, over: site.connect(to: far.port)) }
            }
            return try await tasks.reduce(into: [String]()) { if let line = $1 { $0.append(line) } }
        }
        #expect(wrong == [])
        for seed in UInt64(100)..<130 { #expect(try await Exchange.run(seed, over: site.connect(to: far.port)) == nil) }
        await site.stop()
        try await far.stop()
    }

    @Test("a server that lets nobody wait ends what waits, and no stream notices") func endedWhileWaiting() async throws
    {
        let far = try await Server.exchange()
        let site = try await WebSocksSite.start(door: ", idle: 50ms", far: ", pool: 2, poolAge: 1s")
        for seed in UInt64(0)..<40 {
            #expect(try await Exchange.run(seed, over: site.connect(to: far.port)) == nil)
            try await Task.sleep(for: .milliseconds(seed % 4 * 20))
        }
        await site.stop()
        try await far.stop()
    }

    @Test("a server that comes back finds its agents, whose pools held what is gone") func comesBack() async throws {
        let far = try await Server.exchange()
        let site = try await WebSocksSite.start(far: ", pool: 2")
        let port = try site.server.port("door")
        #expect(try await Exchange.run(1, over: site.connect(to: far.port)) == nil)
        await site.server.crash()
        let again = try await WarrenProcess.start(
            yaml: """
                inbounds: [{ name: door, type: websocks, listen: "127.0.0.1:\(port)", users: { alice: { passwordFile: server.pw } } }]
                egress: { allow: [loopback] }
                """, in: site.folder, name: "again")
        for seed in UInt64(2)..<12 { #expect(try await Exchange.run(seed, over: site.connect(to: far.port)) == nil) }
        await site.agent.stop()
        await again.stop()
        try await far.stop()
    }

    @Test(
        "connections that wait keep no server that ends", arguments: [WebSocksSite.Carrier.kcp, .tlsInKCP, .tls])
    func serverEnds(carrier: WebSocksSite.Carrier) async throws {
        let far = try await Server.exchange()
        let site = try await WebSocksSite.start(carrier, far: ", pool: 2", server: "drain: 1m")
        for seed in UInt64(0)..<4 { #expect(try await Exchange.run(seed, over: site.connect(to: far.port)) == nil) }
        let begin = ContinuousClock.now
        await site.server.stop()
        #expect(ContinuousClock.now - begin < .seconds(20))
        await site.agent.stop()
        try await far.stop()
    }

    @Test("connections that wait do not keep their tunnel at a unit that has left") func tunnelEnds() async throws {
        let far = try await Server.exchange()
        let site = try await WebSocksSite.start(.kcp, far: ", pool: 2", server: "drain: 1m")
        for seed in UInt64(0)..<4 { #expect(try await Exchange.run(seed, over: site.connect(to: far.port)) == nil) }
        let long = try await site.connect(to: far.port)
        try site.rewriteServer { $0.replacing("type: websocks,", with: "type: websocks, hold: 10ms,") }
        site.server.program.signal(SIGHUP)
        // That of another thread than the one with the stream.
        #expect(await site.server.program.errors.line(with: "session ended inbound=door") != nil)
        for seed in UInt64(4)..<8 { #expect(try await Exchange.run(seed, over: site.connect(to: far.port)) == nil) }
        #expect(try await Exchange.run(8, over: long) == nil)
        await site.stop()
        try await far.stop()
    }

    @Test("a pool whose login is refused says so once, and does not hammer the server") func refused() async throws {
        let site = try await WebSocksSite.start(far: ", pool: 2", password: "wrong")
        #expect(await site.agent.program.errors.line(with: "401") != nil)
        #expect(await site.server.program.errors.line(with: "login denied", number: 2 * System.coreCount) != nil)
        let outcome = await site.agent.stop()
        let told = outcome.errors.split(separator: "\n").count { $0.contains("carrier failed") }
        #expect((1...System.coreCount).contains(told))
        await site.server.stop()
    }
}

/// Upgrades everybody, says yes to every destination, and then says back what it hears.
private struct UpgradingServer: Sendable {
    struct State {
        var hosts: [String] = []
        var asked: [String] = []
        var open = 0
    }

    private let server: Server
    private let state: NIOLockedValueBox<State>
    var port: Int { self.server.port }
    /// What upgrades said in `Host`.
    var hosts: [String] { self.state.withLockedValue { $0.hosts } }
    /// The same of connections on which a stream was asked for.
    var asked: [String] { self.state.withLockedValue { $0.asked } }
    var open: Int { self.state.withLockedValue { $0.open } }

    static func start() async throws -> UpgradingServer {
        let state = NIOLockedValueBox(State())
        let server = try await Server.start { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(UpgradingHandler(state))
            }
        }
        return UpgradingServer(server: server, state: state)
    }

    func stop() async throws { try await self.server.stop() }
}

private final class UpgradingHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let state: NIOLockedValueBox<UpgradingServer.State>
    private var input = ByteBuffer()
    private var host: String?
    private var isOpen = false

    init(_ state: NIOLockedValueBox<UpgradingServer.State>) { self.state = state }

    func channelActive(context: ChannelHandlerContext) { self.state.withLockedValue { $0.open += 1 } }
    func channelInactive(context: ChannelHandlerContext) { self.state.withLockedValue { $0.open -= 1 } }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) { context.close(promise: nil) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !self.isOpen else { return context.writeAndFlush(data, promise: nil) }
        self.input.writeImmutableBuffer(self.unwrapInboundIn(data))
        guard let host else { return self.upgrade(context) }
        guard self.input.readableBytes >= 23 else { return }
        self.isOpen = true
        self.state.withLockedValue { $0.asked.append(host) }
        let frame: [UInt8] = [0x82, 0x7F, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]
        context.writeAndFlush(NIOAny(ByteBuffer(bytes: frame + [5, 0, 5, 0, 0, 1, 0, 0, 0, 0, 0, 9])), promise: nil)
    }

    private func upgrade(_ context: ChannelHandlerContext) {
        let text = String(buffer: self.input)
        guard text.hasSuffix("\r\n\r\n") else { return }
        self.input.clear()
        let line = text.split(separator: "\r\n").first { $0.hasPrefix("Host: ") } ?? ""
        let host = String(line.dropFirst(6))
        self.host = host
        self.state.withLockedValue { $0.hosts.append(host) }
        let answer = [
            "HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade",
            "Sec-Websocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "Sec-WebSocket-Protocol: socks5", "", "",
        ]
        context.writeAndFlush(NIOAny(ByteBuffer(string: answer.joined(separator: "\r\n"))), promise: nil)
    }
}
