// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Testing
import WarrenAssembly
import WarrenTesting

/// Reloads of one end of a tunnel on which a stream runs on.
@Suite(.serialized, .timeLimit(.minutes(2))) struct DrainTests {
    /// A tunnel's inbound, before and after.
    enum Tunnel: String, CaseIterable, Sendable {
        case jproxy, vproxy, webSocks

        func server(_ target: Int, _ changed: Bool) -> String {
            switch self {
            case .jproxy: "type: jproxy, users: users\(changed ? ", linger: 9s" : "")"
            case .vproxy: "type: vproxy, target: \"127.0.0.1:\(target)\"\(changed ? ", mtu: 1200" : "")"
            case .webSocks:
                "type: websocks, carrier: kcp, users: { alice: { passwordFile: good } }\(changed ? ", hold: 10ms" : "")"
            }
        }

        func client(_ port: Int) -> String {
            switch self {
            case .jproxy: "type: jproxy, server: \"127.0.0.1:\(port)\", key: key.dat, lanes: 1"
            case .vproxy: "type: vproxy, server: \"127.0.0.1:\(port)\", lanes: 1"
            case .webSocks:
                "type: websocks, server: \"127.0.0.1:\(port)\", carrier: kcp, user: alice, passwordFile: good"
            }
        }
    }

    private static func server(_ entry: String, drain: String) -> String {
        """
        inbounds: [{ name: in, listen: "127.0.0.1:0", \(entry) }]
        egress: { allow: [loopback] }
        drain: \(drain)
        """
    }

    private static func client(_ tunnel: Tunnel, at port: Int, target: Int) -> String {
        let place = tunnel == .vproxy ? "" : ", target: \"127.0.0.1:\(target)\""
        return """
            inbounds: [{ name: door, type: forward, listen: "127.0.0.1:0", to: far\(place) }]
            outbounds: [{ name: far, \(tunnel.client(port)) }]
            """
    }

    private static func folder() throws -> Folder {
        let folder = try Folder()
        try JProxyKeys.write(name: "alice", to: folder.path)
        for word in ["good", "better", "best", "other"] { folder.write(word, word) }
        return folder
    }

    private static func echoes(_ wire: Wire, _ text: String) async throws -> Bool {
        try await wire.send(ByteBuffer(string: text))
        return try await wire.read(text.utf8.count) == ByteBuffer(string: text)
    }

    /// Whether a new stream works.
    private static func echoes(through front: SocketAddress) async throws -> Bool {
        let wire = try await Wire.connect(to: front)
        defer { wire.close() }
        return try await self.echoes(wire, "new")
    }

    /// Whether a new stream is refused.
    private static func refuses(_ front: SocketAddress) async throws -> Bool {
        do {
            let wire = try await Wire.connect(to: front)
            defer { wire.close() }
            return try await wire.readToEnd().bytes.readableBytes == 0
        } catch let error as IOError where error.errnoCode == ECONNRESET {
            // The reset may be there before the client has looked at its connection.
            return true
        }
    }

    private static func reload(_ process: WarrenProcess, number: Int = 1) async {
        process.program.signal(SIGHUP)
        _ = await process.program.errors.line(with: "configuration applied", number: number)
    }

    @Test(
        "whose stream goes on gets new ones from the new unit, and a new tunnel when it ends",
        arguments: Tunnel.allCases)
    func opensStreams(tunnel: Tunnel) async throws {
        let (echo, folder) = (try await Server.echo(), try Self.folder())
        let before = Self.server(tunnel.server(echo.port, false), drain: "1m")
        let server = try await WarrenProcess.start(yaml: before, in: folder, name: "server")
        let client = try await WarrenProcess.start(
            yaml: Self.client(tunnel, at: server.port("in"), target: echo.port), in: folder, name: "client")
        let long = try await Wire.connect(to: client.address("door"))
        #expect(try await Self.echoes(long, "long"))
        folder.write("server.yaml", Self.server(tunnel.server(echo.port, true), drain: "1m"))
        await Self.reload(server)
        for _ in 0..<5 { #expect(try await Self.echoes(through: client.address("door"))) }
        // And once more, as the one that came is on its way out, too.
        folder.write("server.yaml", before)
        await Self.reload(server, number: 2)
        #expect(try await Self.echoes(through: client.address("door")))
        #expect(try await Self.echoes(long, "still"))
        long.close()
        // Each thread has a tunnel of its own, where it is not bound to one.
        if tunnel != .webSocks { #expect(await client.program.errors.line(with: "tunnel up", number: 2) != nil) }
        #expect(try await Self.echoes(through: client.address("door")))
        await client.stop()
        await server.stop()
        try await echo.stop()
    }

    @Test("when the time is up, what is left is reset", arguments: Tunnel.allCases)
    func ends(tunnel: Tunnel) async throws {
        let (echo, folder) = (try await Server.echo(), try Self.folder())
        let before = Self.server(tunnel.server(echo.port, false), drain: "1s")
        let server = try await WarrenProcess.start(yaml: before, in: folder, name: "server")
        let client = try await WarrenProcess.start(
            yaml: Self.client(tunnel, at: server.port("in"), target: echo.port), in: folder, name: "client")
        let long = try await Wire.connect(to: client.address("door"))
        #expect(try await Self.echoes(long, "long"))
        folder.write("server.yaml", Self.server(tunnel.server(echo.port, true), drain: "1s"))
        await Self.reload(server)
        #expect(try await long.readToEnd().end == .reset)
        #expect(try await Self.echoes(through: client.address("door")))
        await client.stop()
        await server.stop()
        try await echo.stop()
    }

    @Test(
        "whose unit goes and comes back is let run on, and the port serves others again at once",
        arguments: Tunnel.allCases, [false, true])
    func comesBack(tunnel: Tunnel, changed: Bool) async throws {
        let (echo, folder) = (try await Server.echo(), try Self.folder())
        let first = Self.server(tunnel.server(echo.port, false), drain: "1m")
        let finder = try await WarrenProcess.start(yaml: first, in: folder, name: "finder")
        let port = try finder.port("in")
        await finder.stop()
        let before = first.replacing("127.0.0.1:0", with: "127.0.0.1:\(port)")
        let server = try await WarrenProcess.start(yaml: before, in: folder, name: "server")
        let yaml = Self.client(tunnel, at: port, target: echo.port)
        let client = try await WarrenProcess.start(yaml: yaml, in: folder, name: "client")
        let long = try await Wire.connect(to: client.address("door"))
        #expect(try await Self.echoes(long, "long"))
        folder.write("server.yaml", Self.server("type: mixed", drain: "1m"))
        await Self.reload(server)
        #expect(try await Self.echoes(long, "alone"))
        let entry = tunnel.server(echo.port, changed)
        let back = Self.server(entry, drain: "1m").replacing("127.0.0.1:0", with: "127.0.0.1:\(port)")
        folder.write("server.yaml", back)
        await Self.reload(server, number: 2)
        #expect(!server.program.errors.text.contains("not applied"))
        // Others meet the new unit on every thread, and the stream is that of the old one.
        for number in 0..<4 {
            let other = try await WarrenProcess.start(yaml: yaml, in: folder, name: "other\(number)")
            #expect(try await Self.echoes(through: other.address("door")))
            await other.stop()
        }
        #expect(try await Self.echoes(long, "still"))
        long.close()
        try await eventually("the client has come to the new unit") {
            (try? await Self.echoes(through: client.address("door"))) == true
        }
        await client.stop()
        await server.stop()
        try await echo.stop()
    }

    @Test("who is no user any more gets no new stream, and everybody else does")
    func removedUser() async throws {
        let (echo, folder) = (try await Server.echo(), try Self.folder())
        func server(_ users: String) -> String {
            Self.server("type: websocks, carrier: kcp, users: { \(users) }", drain: "1m")
        }
        let all = "alice: { passwordFile: good }, bob: { passwordFile: better }, eve: { passwordFile: best }"
        let process = try await WarrenProcess.start(yaml: server(all), in: folder, name: "server")
        let port = try process.port("in")
        let users = [("alice", "good"), ("bob", "better"), ("eve", "best")]
        let client = try await WarrenProcess.start(
            yaml: """
                inbounds:
                \(users.map { "  - { name: \($0.0), type: forward, listen: \"127.0.0.1:0\", target: \"127.0.0.1:\(echo.port)\", to: to-\($0.0) }" }.joined(separator: "\n"))
                outbounds:
                \(users.map { "  - { name: to-\($0.0), type: websocks, server: \"127.0.0.1:\(port)\", carrier: kcp, user: \($0.0), passwordFile: \($0.1) }" }.joined(separator: "\n"))
                """, in: folder, name: "client")
        var long: [Wire] = []
        for (user, _) in users {
            let wire = try await Wire.connect(to: client.address(user))
            #expect(try await Self.echoes(wire, user))
            long.append(wire)
        }
        // One is gone, and one has another password.
        folder.write("server.yaml", server("alice: { passwordFile: good }, eve: { passwordFile: other }"))
        await Self.reload(process)
        // On every thread of both.
        for _ in 0..<8 {
            #expect(try await Self.echoes(through: client.address("alice")))
            for user in ["bob", "eve"] { #expect(try await Self.refuses(client.address(user)), "\(user)") }
        }
        for (wire, user) in zip(long, users) { #expect(try await Self.echoes(wire, user.0)) }
        for wire in long { wire.close() }
        await client.stop()
        await process.stop()
        try await echo.stop()
    }

    @Test("visitors of a device whose tunnel drains find it, unless its token counts no more")
    func visitors() async throws {
        let relay = try await PublicRelay.start { raw, _ in PublicRelay.yaml(raw) + "\ndrain: 1m\n" }
        let (page, echo) = (try await Server.page("hello"), try await Server.echo())
        try await relay.token("dev", "--name", "dev.test", "--port", "\(relay.raw)")
        let device = try await relay.device(
            serving: "dev.test: \"127.0.0.1:\(page.port)\", \"\(relay.raw)\": \"127.0.0.1:\(echo.port)\"")
        let long = try await relay.visitor()
        #expect(try await Self.echoes(long, "long"))
        let raw = try SocketAddress(ipAddress: "127.0.0.1", port: relay.raw)
        // The outbound, the inbound, both.
        let changes = [("", ", linger: 9s"), (", mode: http", ", linger: 9s"), ("", "")]
        for (number, (inbound, outbound)) in changes.enumerated() {
            relay.folder.write(
                "relay.yaml", PublicRelay.yaml(relay.raw, inbound: inbound, outbound: outbound) + "\ndrain: 1m\n")
            await Self.reload(relay.process, number: number + 1)
            #expect(try await relay.ask("dev.test").hasSuffix("hello"))
            #expect(try await Self.echoes(through: raw))
            #expect(try await Self.echoes(long, "still"))
        }
        // When the session has drained, its device comes again.
        long.close()
        #expect(await device.program.errors.line(with: "tunnel up", number: 2) != nil)
        #expect(try await relay.ask("dev.test").hasSuffix("hello"))
        let next = try await relay.visitor()
        #expect(try await Self.echoes(next, "long"))
        relay.folder.write("other", "another secret, with which no token was signed\n")
        relay.folder.write(
            "relay.yaml",
            PublicRelay.yaml(relay.raw).replacing("secretFile: secret", with: "secretFile: other") + "\ndrain: 1m\n")
        await Self.reload(relay.process, number: changes.count + 1)
        #expect(try await relay.ask("dev.test").hasPrefix("HTTP/1.1 404 "))
        #expect(try await Self.echoes(next, "at last"))
        next.close()
        await device.stop()
        await relay.process.stop()
        try await page.stop()
        try await echo.stop()
    }

    @Test("an exit whose tunnel drains takes new streams, unless it may not come any more")
    func exits() async throws {
        let (echo, folder) = (try await Server.echo(), try Folder())
        func inter(_ keys: String) -> String {
            """
            inbounds: [{ name: browser, type: forward, listen: "127.0.0.1:0", target: "127.0.0.1:\(echo.port)", to: far }]
            outbounds: [{ name: far, type: zhwkprox, listen: "127.0.0.1:0"\(keys) }]
            drain: 1m
            """
        }
        let process = try await WarrenProcess.start(yaml: inter(""), in: folder, name: "inter")
        let exit = try await WarrenProcess.start(
            yaml: """
                inbounds:
                  - { name: exit, type: zhwkprox, dial: "127.0.0.1:\(process.port("far"))" }
                  - { name: idle, type: mixed, listen: "127.0.0.1:0" }
                egress: { allow: [loopback] }
                """, in: folder, name: "exit")
        _ = await process.program.errors.line(with: "tunnel up")
        let long = try await Wire.connect(to: process.address("browser"))
        #expect(try await Self.echoes(long, "long"))
        folder.write("inter.yaml", inter(", exits: pool"))
        await Self.reload(process)
        for _ in 0..<5 { #expect(try await Self.echoes(through: process.address("browser"))) }
        folder.write("inter.yaml", inter(", allow: [192.0.2.1]"))
        await Self.reload(process, number: 2)
        #expect(try await Self.refuses(process.address("browser")))
        #expect(try await Self.echoes(long, "still"))
        long.close()
        await exit.stop()
        await process.stop()
        try await echo.stop()
    }
}
