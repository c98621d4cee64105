// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Testing
import WarrenAssembly
import WarrenTesting

/// Streams through both ends of a vproxy tunnel, over each carrier.
@Suite(.serialized, .timeLimit(.minutes(2))) struct VProxyTests {
    @Test("100 streams both ways at once", arguments: VProxySite.Carrier.allCases)
    func exchanges(carrier: VProxySite.Carrier) async throws {
        let far = try await Server.exchange()
        let site = try await VProxySite.start(carrier, to: far.port)
        let wrong = try await withThrowingTaskGroup(of: String?.self) { tasks in
            for seed in UInt64(0)..<100 { tasks.addTask { try await Exchange.run(seed, over: site.connect()) } }
            return try await tasks.reduce(into: [String]()) { if let line = $1 { $0.append(line) } }
        }
        #expect(wrong == [])
        let line = try #require(await site.server.program.errors.line(with: "stream inbound=in"))
        #expect(line.contains(" protocol=vproxy ") && line.contains(" destination=127.0.0.1:\(far.port) "))
        await site.stop()
        try await far.stop()
    }

    @Test(
        "a user that ends its own side first gets every byte back",
        arguments: [VProxySite.Carrier.kcp, .plain, .tls, .pair])
    func halfClosedByTheUser(carrier: VProxySite.Carrier) async throws {
        let echo = try await Server.echo()
        let site = try await VProxySite.start(carrier, to: echo.port)
        for seed in UInt64(0)..<30 {
            var random = SeededRandom(seed)
            let content = random.bytes(Int.random(in: 0...150_000, using: &random))
            let wire = try await site.connect()
            if content.readableBytes > 0 { try await wire.send(content) }
            try await wire.finish()
            let (bytes, end) = try await wire.readToEnd()
            #expect(bytes == content && end == .finished, "\(seed): \(bytes.readableBytes) of \(content.readableBytes)")
            wire.close()
        }
        await site.stop()
        try await echo.stop()
    }

    @Test("a target that ends its own side first still gets every byte", arguments: [VProxySite.Carrier.kcp, .plain])
    func halfClosedByTheTarget(carrier: VProxySite.Carrier) async throws {
        let far = try await Server.listening()
        let site = try await VProxySite.start(carrier, to: far.port)
        let wire = try await site.connect()
        let (bytes, end) = try await wire.readToEnd()
        #expect(String(buffer: bytes) == "I only listen" && end == .finished)
        for number in 0..<20 { try await wire.send(Web.content(10_000 + number)) }
        try await wire.finish()
        let all = (0..<20).reduce(into: ByteBuffer()) { $0.writeImmutableBuffer(Web.content(10_000 + $1)) }
        #expect(try await far.heard() == all)
        wire.close()
        await site.stop()
        try await far.stop()
    }

    @Test(
        "between two Warrens a reader that takes nothing holds up nobody else",
        arguments: [VProxySite.Carrier.kcp, .tcp])
    func stalledReader(carrier: VProxySite.Carrier) async throws {
        let target = try await Server.endless()
        let site = try await VProxySite.start(carrier, to: target.port)
        let stalled = try await site.connect()
        try await stalled.channel.setOption(.autoRead, value: false).get()
        try await stalled.send(ByteBuffer(string: "go"))
        let lively = try await site.connect()
        try await lively.send(ByteBuffer(string: "go"))
        for turn in 0..<24 { #expect(Endless.matches(try await lively.read(1 << 20), at: turn << 20)) }
        try await lively.reset()
        // It finds every byte in its place when it reads on.
        try await stalled.channel.setOption(.autoRead, value: true).get()
        for turn in 0..<8 { #expect(Endless.matches(try await stalled.read(1 << 20), at: turn << 20)) }
        try await stalled.reset()
        await site.stop()
        try await target.stop()
    }

    @Test("a jProxy tunnel through it, as its server is where all streams go") func carriesATunnel() async throws {
        let far = try await Server.exchange()
        let folder = try Folder()
        try JProxyKeys.write(name: "alice", to: folder.path)
        let server = try await WarrenProcess.start(
            yaml: """
                inbounds: [{ name: tunnel, type: jproxy, listen: "127.0.0.1:0", users: users }]
                egress: { allow: [loopback] }
                """, in: folder, name: "far")
        let lossy = try await VProxySite.start(to: server.port("tunnel"))
        let client = try await WarrenProcess.start(
            yaml: """
                inbounds: [{ name: mixed, type: mixed, listen: "127.0.0.1:0", to: far }]
                outbounds:
                  - { name: far, type: jproxy, server: "127.0.0.1:9", key: key.dat, through: lossy }
                  - { name: lossy, type: vproxy, server: "127.0.0.1:\(lossy.server.port("in"))" }
                """, in: folder, name: "near")
        let wrong = try await withThrowingTaskGroup(of: String?.self) { tasks in
            for seed in UInt64(0)..<40 {
                tasks.addTask {
                    try await Exchange.run(seed, over: Wire.socks5(client.address("mixed"), to: far.port))
                }
            }
            return try await tasks.reduce(into: [String]()) { if let line = $1 { $0.append(line) } }
        }
        #expect(wrong == [])
        await client.stop()
        await lossy.stop()
        await server.stop()
        try await far.stop()
    }

    @Test("a target that refuses resets the user's connection, and the log says why")
    func refused() async throws {
        let closed = try #require(ClosedPort())
        defer { withExtendedLifetime(closed) {} }
        let site = try await VProxySite.start(to: Int(closed.number))
        let wire = try await site.connect()
        let (bytes, end) = try await wire.readToEnd()
        #expect(bytes.readableBytes == 0 && end == .reset)
        wire.close()
        for (warren, inbound) in [(site.server, "in"), (site.client, "door")] {
            let line = try #require(await warren.program.errors.line(with: "stream inbound=\(inbound)"))
            #expect(line.hasSuffix("reason=refused"))
        }
        await site.stop()
    }

    @Test(
        "a server that died and came back is found, and the streams of the first one have ended with a fault",
        arguments: [VProxySite.Carrier.kcp, .pair])
    func serverDies(carrier: VProxySite.Carrier) async throws {
        let target = try await Server.endless()
        let site = try await VProxySite.start(carrier, to: target.port, client: ", lanes: 1")
        let first = try await site.connect()
        try await first.send(ByteBuffer(string: "go"))
        #expect(Endless.matches(try await first.read(1 << 20), at: 0))
        await site.server.crash()
        let again = try await site.serverAgain()
        #expect(try await first.readToEnd().end == .reset)
        first.close()
        let second = try await site.connect()
        try await second.send(ByteBuffer(string: "go"))
        #expect(Endless.matches(try await second.read(1 << 20), at: 0))
        second.close()
        await site.client.stop()
        await again.stop()
        try await target.stop()
    }

    @Test("a reload changes how a tunnel runs on its own port, and what is accepted through one goes on")
    func reloads() async throws {
        let web = try await Web.start()
        let site = try await WebSocksSite.start(.kcp, server: "drain: 0s")
        let fetch = {
            let wire = try await site.connect(to: web.port)
            try await wire.send(ByteBuffer(string: "GET /1000 HTTP/1.1\r\n\r\n"))
            let bytes = try await wire.readToEnd().bytes
            wire.close()
            return bytes.readableBytes > 1000
        }
        #expect(try await fetch())
        try site.rewriteServer { $0.replacing("carrier: kcp", with: "carrier: kcp, profile: fast2, hold: 10ms") }
        site.server.program.signal(SIGHUP)
        #expect(await site.server.program.errors.line(with: "configuration applied") != nil)
        // The old tunnel ends with its unit: one that stayed would refuse every stream.
        try await eventually("streams go through the new one") { (try? await fetch()) == true }
        await site.stop()
        try await web.stop()
    }

    @Test("TCP and UDP may have one port number, and a tunnel is dialled from the address that its outbound says")
    func onePort() async throws {
        let echo = try await Server.echo()
        let folder = try Folder()
        let free = try await Server.freePort()
        let server = try await WarrenProcess.start(
            yaml: """
                log: { level: debug }
                inbounds:
                  - { name: tcp, type: vproxy, carrier: tcp, listen: "127.0.0.1:\(free)", target: "127.0.0.1:\(echo.port)" }
                  - { name: udp, type: vproxy, listen: "127.0.0.1:\(free)", target: "127.0.0.1:\(echo.port)" }
                egress: { allow: [loopback] }
                """, in: folder, name: "server")
        let client = try await WarrenProcess.start(
            yaml: """
                inbounds:
                  - { name: tcp, type: forward, listen: "127.0.0.1:0", to: tcp }
                  - { name: udp, type: forward, listen: "127.0.0.1:0", to: udp }
                outbounds:
                  - { name: tcp, type: vproxy, carrier: tcp, server: "127.0.0.1:\(free)" }
                  - { name: udp, type: vproxy, server: "127.0.0.1:\(free)", through: direct }
                  - { name: direct, type: direct, bind: 127.0.0.2 }
                """, in: folder, name: "client")
        for name in ["tcp", "udp"] {
            #expect(try await Exchange.halfClosed(1, over: Wire.connect(to: client.address(name))) == nil)
        }
        let line = try #require(await server.program.errors.line(with: "session started inbound=udp"))
        #expect(line.contains("peer=127.0.0.2:"))
        await client.stop()
        await server.stop()
        try await echo.stop()
    }

    @Test("where nobody listens, the user is told soon and the log says so")
    func nobodyThere() async throws {
        let folder = try Folder()
        let closed = try #require(ClosedPort())
        defer { withExtendedLifetime(closed) {} }
        let client = try await WarrenProcess.start(
            yaml: """
                inbounds: [{ name: door, type: forward, listen: "127.0.0.1:0", to: far }]
                outbounds: [{ name: far, type: vproxy, server: "127.0.0.1:\(closed.number)" }]
                """, in: folder)
        // The reset may come while the connection is being set up.
        if let wire = try? await Wire.connect(to: client.address("door")) {
            #expect(try await wire.readToEnd().end == .reset)
        }
        #expect(try #require(await client.program.errors.line(with: "tunnel not up")).contains("refused"))
        await client.stop()
    }
}
