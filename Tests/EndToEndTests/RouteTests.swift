// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenAssembly

/// `routes:` in a real process.
@Suite(.serialized, .timeLimit(.minutes(1))) struct RouteTests {
    /// What the inbound answers to a CONNECT, its first line.
    private static func connect(_ near: WarrenProcess, to target: String) async throws -> String {
        let wire = try await Wire.connect(to: near.address("front"))
        try await wire.send(ByteBuffer(string: "CONNECT \(target) HTTP/1.1\r\n\r\n"))
        let answer = try await wire.read(30)
        wire.close()
        return String(String(buffer: answer).prefix { $0 != "\r" })
    }

    @Test("each stream goes where its rule leads, and past what is down")
    func routes() async throws {
        let echo = try await Server.echo()
        let folder = try Folder()
        try JProxyKeys.write(name: "alice", to: folder.path)
        let far = try await WarrenProcess.start(
            yaml: """
                inbounds:
                  - { name: proxy, type: mixed, listen: "127.0.0.1:0" }
                  - { name: tunnel, type: jproxy, listen: "127.0.0.1:0", users: users }
                egress: { allow: [loopback] }
                """, in: folder, name: "far")
        // Nobody listens there, and no other test can be given it meanwhile.
        let closed = 1
        let near = try await WarrenProcess.start(
            yaml: """
                inbounds: [{ name: front, type: mixed, listen: "127.0.0.1:0" }]
                outbounds:
                  - { name: proxy, type: socks5, server: "127.0.0.1:\(try far.port("proxy"))" }
                  - { name: tunnel, type: jproxy, server: "127.0.0.1:\(try far.port("tunnel"))", key: key.dat }
                  - { name: gone, type: http, server: "127.0.0.1:\(closed)" }
                  - { name: lost, type: jproxy, server: "127.0.0.1:\(closed)", key: key.dat }
                routes:
                  - { host: blocked.test, to: block }
                  - { host: localhost, port: \(echo.port), to: [gone, lost, proxy] }
                  - { cidr: 127.0.0.1, to: tunnel }
                """, in: folder, name: "near")
        #expect(try await Self.connect(near, to: "blocked.test:80").contains("403"))
        #expect(try await Self.connect(near, to: "localhost:\(echo.port)").contains("200"))
        #expect(try await Self.connect(near, to: "127.0.0.1:\(echo.port)").contains("200"))
        // Its inbound's own way is direct, which may reach public addresses only.
        #expect(try await Self.connect(near, to: "127.0.0.2:\(echo.port)").contains("403"))
        for way in ["block", "proxy", "tunnel", "direct"] {
            let line = await near.program.errors.line(with: "outbound=\(way) \(way == "direct" ? "bytesIn" : "")")
            #expect(line?.contains("inbound=front") == true)
            #expect(line?.contains(" rule=") == (way != "direct"), "\(line ?? "-")")
        }
        await near.stop()
        await far.stop()
        try await echo.stop()
    }
}
