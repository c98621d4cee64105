// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Testing
import WarrenAssembly
import WarrenTesting

/// Tunnels within tunnels and proxies of others on the way, as real processes.
@Suite(.serialized, .timeLimit(.minutes(2))) struct ChainTests {
    /// A way of several hops to an echo.
    enum Chain: String, CaseIterable, Sendable {
        case socks5 = "a SOCKS5 proxy with a login"
        case http = "an HTTP proxy with a login"
        case proxies = "an HTTP proxy through a SOCKS5 proxy"
        case jproxy = "jProxy in jProxy"
        case plain = "jProxy in jProxy, both as deployed"
        case three = "jProxy in jProxy in jProxy"
        case behind = "jProxy through a SOCKS5 proxy"
        case websocks = "WebSocks through a SOCKS5 proxy"
        case jet = "JET over jProxy"
        case exit = "an exit of zhwkproX that dials through a SOCKS5 proxy"
    }

    /// Everything that stands far away.
    private struct Far: Sendable {
        let process: WarrenProcess
        let folder: Folder

        static func start(target: Int) async throws -> Far {
            let folder = try Folder()
            try JProxyKeys.write(name: "alice", to: folder.path)
            _ = folder.write("password", "secret")
            let process = try await WarrenProcess.start(
                yaml: """
                    inbounds:
                      - { name: outer, type: jproxy, listen: "127.0.0.1:0", users: users }
                      - { name: inner, type: jproxy, listen: "127.0.0.1:0", users: users }
                      - { name: innermost, type: jproxy, listen: "127.0.0.1:0", users: users }
                      - { name: door, type: mixed, listen: "127.0.0.1:0", users: { alice: { passwordFile: password } } }
                      - { name: page, type: websocks, listen: "127.0.0.1:0", users: { alice: { passwordFile: password } } }
                      - { name: browser, type: mixed, listen: "127.0.0.1:0", to: exits }
                    outbounds: [{ name: exits, type: zhwkprox, listen: "127.0.0.1:0" }]
                    relays: [{ name: relay, type: jet, listen: ["tcp://127.0.0.1:0"] }]
                    egress: { allow: [loopback] }
                    """, in: folder, name: "far")
            return Far(process: process, folder: folder)
        }

        func near() async throws -> WarrenProcess {
            let port = { (name: String) in try "127.0.0.1:\(self.process.port(name))" }
            let login = "user: alice, passwordFile: password"
            return try await WarrenProcess.start(
                yaml: """
                    inbounds:
                      - { name: socks5, type: mixed, listen: "127.0.0.1:0", to: socks5 }
                      - { name: http, type: mixed, listen: "127.0.0.1:0", to: http }
                      - { name: proxies, type: mixed, listen: "127.0.0.1:0", to: proxies }
                      - { name: jproxy, type: mixed, listen: "127.0.0.1:0", to: inner }
                      - { name: plain, type: mixed, listen: "127.0.0.1:0", to: plainInner }
                      - { name: three, type: mixed, listen: "127.0.0.1:0", to: innermost }
                      - { name: behind, type: mixed, listen: "127.0.0.1:0", to: behind }
                      - { name: websocks, type: mixed, listen: "127.0.0.1:0", to: websocks }
                      - { name: jet, type: forward, listen: "127.0.0.1:0", to: jet }
                      - { name: exit, type: zhwkprox, dial: "\(port("exits"))", through: socks5 }
                    outbounds:
                      - { name: innermost, type: jproxy, server: "\(port("innermost"))", key: key.dat, through: inner }
                      - { name: inner, type: jproxy, server: "\(port("inner"))", key: key.dat, through: outer }
                      - { name: outer, type: jproxy, server: "\(port("outer"))", key: key.dat }
                      - { name: plainInner, type: jproxy, server: "\(port("inner"))", key: key.dat, extension: off,
                          through: plainOuter }
                      - { name: plainOuter, type: jproxy, server: "\(port("outer"))", key: key.dat, extension: off }
                      - { name: socks5, type: socks5, server: "\(port("door"))", \(login) }
                      - { name: http, type: http, server: "\(port("door"))", \(login) }
                      - { name: proxies, type: http, server: "\(port("door"))", \(login), through: socks5 }
                      - { name: behind, type: jproxy, server: "\(port("outer"))", key: key.dat, through: socks5 }
                      - { name: websocks, type: websocks, server: "\(port("page"))", \(login), through: socks5 }
                      - { name: jet, type: jet, relay: "\(port("relay"))", associationFile: at, through: outer }
                    egress: { allow: [loopback] }
                    """, in: self.folder, name: "near")
        }

        /// Waits at the relay.
        func device(target: Int) async throws -> WarrenProcess {
            let device = try await WarrenProcess.start(
                yaml: """
                    inbounds:
                      - { name: device, type: jet, relay: "127.0.0.1:\(self.process.port("relay"))", repeat: true,
                          target: "127.0.0.1:\(target)", announce: at }
                      - { name: unused, type: mixed, listen: "127.0.0.1:0" }
                    """, in: self.folder, name: "device")
            _ = await device.program.errors.line(with: "reachable")
            return device
        }

        func stop() async { await self.process.stop() }
    }

    private static func connect(_ chain: Chain, _ far: Far, _ near: WarrenProcess, to port: Int) async throws -> Wire {
        switch chain {
        case .jet: try await Wire.connect(to: near.address("jet"))
        case .exit: try await Wire.socks5(far.process.address("browser"), to: port)
        default: try await Wire.socks5(near.address("\(chain)"), to: port)
        }
    }

    @Test("every chain carries 40 exchanges at once, and ends of one side", arguments: Chain.allCases)
    func exchanges(chain: Chain) async throws {
        let server = try await Server.exchange()
        let far = try await Far.start(target: server.port)
        let device = chain == .jet ? try await far.device(target: server.port) : nil
        let near = try await far.near()
        if chain == .exit { _ = await far.process.program.errors.line(with: "tunnel up") }
        let wrong = try await withThrowingTaskGroup(of: String?.self) { tasks in
            // An association is good for one stream, and the next one is announced behind it.
            for seed in UInt64(0)..<(chain == .jet ? 3 : 40) {
                tasks.addTask {
                    try await Exchange.run(seed, over: Self.connect(chain, far, near, to: server.port))
                }
            }
            return try await tasks.reduce(into: [String]()) { if let line = $1 { $0.append(line) } }
        }
        #expect(wrong == [])
        await near.stop()
        await device?.stop()
        await far.stop()
        try await server.stop()
    }

    @Test(
        "a reader that stands still within two tunnels holds up nobody, and loses nothing",
        arguments: [Chain.jproxy, .behind])
    func stalledReaders(chain: Chain) async throws {
        let web = try await Web.start()
        let far = try await Far.start(target: web.port)
        let near = try await far.near()
        let slow = try await Self.connect(chain, far, near, to: web.port)
        try await slow.send(ByteBuffer(string: "GET /slow/20000000 HTTP/1.1\r\nConnection: close\r\n\r\n"))
        _ = try await slow.read(100_000)
        for number in 0..<20 {
            let quick = try await Self.connect(chain, far, near, to: web.port)
            try await quick.send(ByteBuffer(string: "GET /\(number)/10000 HTTP/1.1\r\nConnection: close\r\n\r\n"))
            let (bytes, end) = try await quick.readToEnd()
            #expect(bytes.readableBytes > 10_000 && end == .finished)
            quick.close()
        }
        let (rest, end) = try await slow.readToEnd()
        #expect(rest.readableBytes > 19_800_000 && end == .finished)
        slow.close()
        await near.stop()
        await far.stop()
        try await web.stop()
    }

    @Test("a hop that dies takes its streams with it, visibly, and the next stream finds it again")
    func hopsDie() async throws {
        let server = try await Server.echo()
        let far = try await Far.start(target: server.port)
        let near = try await far.near()
        let wire = try await Self.connect(.three, far, near, to: server.port)
        try await wire.send(ByteBuffer(string: "hello"))
        _ = try await wire.read(5)
        await far.process.crash()
        #expect(try await wire.readToEnd().end == .reset)
        wire.close()
        await near.stop()
        try await server.stop()
    }

    @Test("a proxy that wants another login is named, and its user is told")
    func refusedLogins() async throws {
        let far = try await Far.start(target: 1)
        _ = far.folder.write("password", "wrong")
        let near = try await far.near()
        for name in ["socks5", "http"] {
            let wire = try await Wire.connect(to: near.address(name))
            try await wire.send(ByteBuffer(string: "CONNECT 127.0.0.1:9 HTTP/1.1\r\n\r\n"))
            let (answer, _) = try await wire.readToEnd()
            #expect(String(buffer: answer).hasPrefix("HTTP/1.1 403 "))
            let line = await near.program.errors.line(with: "outbound=\(name) reason=\"rejected")
            #expect(line?.contains("it does not know this login") == true)
            wire.close()
        }
        await near.stop()
        await far.stop()
    }
}
