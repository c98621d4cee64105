// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Testing
import WarrenTesting

/// An exit that dials and the inter-server that it dials, as two real processes.
@Suite(.serialized, .timeLimit(.minutes(2))) struct ZhwkproXTests {
    private struct Tunnel: Sendable {
        let inter: WarrenProcess
        let folder: Folder
        let port: Int
        private let exits: String

        /// - Parameter keys: further keys of the inter-server's outbound.
        static func start(extended: Bool = true, keys: String = "", shared: Bool = false) async throws -> Tunnel {
            let folder = try Folder()
            let state = extended ? "on" : "off"
            let place = shared ? "sharedWith: browser" : "listen: \"127.0.0.1:0\""
            let inter = try await WarrenProcess.start(
                yaml: """
                    log: { level: debug }
                    inbounds: [{ name: browser, type: mixed, listen: "127.0.0.1:0", to: far }]
                    outbounds: [{ name: far, type: zhwkprox, \(place), extension: \(state)\(keys) }]
                    """, in: folder, name: "inter")
            let port = try inter.port(shared ? "browser" : "far")
            return Tunnel(inter: inter, folder: folder, port: port, exits: state)
        }

        /// - Parameter number: how many have come, with this one.
        /// - Returns: an exit that has logged in.
        func exit(_ name: String = "exit", keys: String = "", number: Int = 1) async throws -> WarrenProcess {
            let process = try await WarrenProcess.start(
                yaml: """
                    inbounds:
                      - { name: \(name), type: zhwkprox, dial: "127.0.0.1:\(self.port)", extension: \(self.exits)\(keys) }
                      - { name: idle, type: mixed, listen: "127.0.0.1:0" }
                    egress: { allow: [loopback] }
                    """, in: self.folder, name: name)
            _ = await self.inter.program.errors.line(with: "tunnel up", number: number)
            return process
        }

        func wire(to port: Int) async throws -> Wire {
            try await Wire.socks5(self.inter.address("browser"), to: port)
        }
    }

    @Test("200 short streams both ways at once, all to one destination") func exchanges() async throws {
        let tunnel = try await Tunnel.start()
        let exit = try await tunnel.exit()
        let far = try await Server.exchange()
        let wrong = try await withThrowingTaskGroup(of: String?.self) { tasks in
            for seed in UInt64(0)..<200 {
                tasks.addTask { try await Exchange.run(seed, over: tunnel.wire(to: far.port)) }
            }
            return try await tasks.reduce(into: [String]()) { if let line = $1 { $0.append(line) } }
        }
        #expect(wrong == [])
        await exit.stop()
        await tunnel.inter.stop()
        try await far.stop()
    }

    @Test("without the extension users of one destination wait for each other, and get only what is theirs")
    func oneAfterTheOther() async throws {
        let tunnel = try await Tunnel.start(extended: false)
        let exit = try await tunnel.exit()
        let web = try await Web.start()
        let wrong = try await withThrowingTaskGroup(of: Int?.self) { tasks in
            for size in 1...12 {
                tasks.addTask {
                    let wire = try await tunnel.wire(to: web.port)
                    try await wire.send("GET /\(size * 7000) HTTP/1.1\r\n\r\n")
                    let answer = try await wire.readToEnd().bytes
                    wire.close()
                    let content = Web.content(size * 7000).readableBytesView
                    return answer.readableBytesView.suffix(content.count) == content ? nil : size
                }
            }
            return try await tasks.reduce(into: [Int]()) { if let size = $1 { $0.append(size) } }
        }
        #expect(wrong == [])
        await exit.stop()
        await tunnel.inter.stop()
        try await web.stop()
    }

    @Test("the extension passes half-closes, both ends share one port, and names are resolved")
    func halfClosesOverASharedPort() async throws {
        let tunnel = try await Tunnel.start(shared: true)
        let exit = try await tunnel.exit()
        let echo = try await Server.echo()
        for seed in UInt64(0)..<20 {
            var random = SeededRandom(seed)
            let content = random.bytes(Int.random(in: 1...200_000, using: &random))
            let wire = try await tunnel.wire(to: echo.port)
            try await wire.send(content)
            try await wire.finish()
            let (bytes, end) = try await wire.readToEnd()
            wire.close()
            #expect(bytes == content && end == .finished)
        }
        await exit.stop()
        await tunnel.inter.stop()
        try await echo.stop()
    }

    @Test(.enabled(if: Curl.isThere, "\(Curl.absence)"), arguments: [true, false])
    func curlGetsAndPuts(extended: Bool) async throws {
        let tunnel = try await Tunnel.start(extended: extended, keys: ", iv: \"000102030405060708090a0b0c0d0e0f\"")
        let exit = try await tunnel.exit()
        let web = try await Web.start()
        let front = "socks5h://127.0.0.1:\(try tunnel.inter.port("browser"))"
        let file = "\(tunnel.folder.path)/got"
        let got = try await Curl.run(["-x", front, "-o", file, web.url("3000000")])
        #expect(got.code == 0, "\(got.errors)")
        let content = try Data(contentsOf: URL(filePath: file))
        #expect(content == Data(Web.content(3_000_000).readableBytesView))
        let put = try await Curl.run(["-x", front, "-T", file, web.url("put")])
        #expect(put.code == 0 && put.output.count == 64, "\(put.errors)")
        let closed = try #require(ClosedPort())
        let refused = try await Curl.run(["-x", front, "http://127.0.0.1:\(closed.number)/"])
        #expect(refused.code != 0)
        withExtendedLifetime(closed) {}
        await exit.stop()
        await tunnel.inter.stop()
        try await web.stop()
    }

    @Test(
        "an exit that dies takes its streams with it; without one users are refused at once, and served again after it")
    func exitDies() async throws {
        let tunnel = try await Tunnel.start()
        let web = try await Web.start()
        let exit = try await tunnel.exit()
        let wire = try await tunnel.wire(to: web.port)
        try await wire.send("GET /held/100000 HTTP/1.1\r\n\r\n")
        _ = try await wire.read(1000)
        await exit.crash()
        #expect(try await wire.readToEnd().end == .reset)
        _ = await tunnel.inter.program.errors.line(with: "no exit is left")
        await #expect(throws: HarnessError.self) { _ = try await tunnel.wire(to: web.port) }
        let again = try await tunnel.exit("again", number: 2)
        let after = try await tunnel.wire(to: web.port)
        try await after.send("GET /10 HTTP/1.1\r\n\r\n")
        #expect(String(buffer: try await after.readToEnd().bytes).hasPrefix("HTTP/1.1 200"))
        after.close()
        await again.stop()
        await tunnel.inter.stop()
        try await web.stop()
    }

    @Test("an inter-server that comes back finds its exit dialling") func interReturns() async throws {
        let tunnel = try await Tunnel.start()
        let exit = try await tunnel.exit()
        await tunnel.inter.crash()
        _ = await exit.program.errors.line(with: "tunnel down")
        let back = try await WarrenProcess.start(
            yaml: """
                inbounds: [{ name: browser, type: mixed, listen: "127.0.0.1:0", to: far }]
                outbounds: [{ name: far, type: zhwkprox, listen: "127.0.0.1:\(tunnel.port)" }]
                """, in: tunnel.folder, name: "back")
        _ = await back.program.errors.line(with: "tunnel up")
        let echo = try await Server.echo()
        let wire = try await Wire.socks5(back.address("browser"), to: echo.port)
        try await wire.send("there again")
        #expect(try await wire.text(11) == "there again")
        wire.close()
        await exit.stop()
        await back.stop()
        try await echo.stop()
    }

    @Test("pool: two exits share, and what one had goes to the other when it dies") func pool() async throws {
        let tunnel = try await Tunnel.start(keys: ", exits: pool")
        let (one, two) = (try await tunnel.exit("one"), try await tunnel.exit("two", number: 2))
        let servers = try await withThrowingTaskGroup(of: Server.self) { tasks in
            for _ in 0..<12 { tasks.addTask { try await Server.exchange() } }
            return try await tasks.reduce(into: [Server]()) { $0.append($1) }
        }
        for server in servers { #expect(try await Exchange.run(1, over: tunnel.wire(to: server.port)) == nil) }
        await one.crash()
        _ = await tunnel.inter.program.errors.line(with: "other exits are left")
        for server in servers { #expect(try await Exchange.run(2, over: tunnel.wire(to: server.port)) == nil) }
        let used = await two.stop().errors.split(separator: "\n").filter { $0.contains("info stream") }.count
        #expect(used > servers.count && used < 2 * servers.count, "both had a share: \(used)")
        await tunnel.inter.stop()
        for server in servers { try await server.stop() }
    }

    @Test("strangers with another key, or from elsewhere, are no exits") func strangers() async throws {
        let tunnel = try await Tunnel.start(keys: ", allow: [192.0.2.0/24]")
        // It may be over before it has begun.
        let wire = try? await Wire.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: tunnel.port))
        try? await wire?.send(ByteBuffer(bytes: [0x80, 1, 0]))
        if let wire { #expect(try await wire.readToEnd().bytes.readableBytes == 0) }
        let refusal = await tunnel.inter.program.errors.line(with: "an address that allow: does not name")
        #expect(refusal != nil)
        await tunnel.inter.stop()
        let folder = try Folder()
        let key = folder.write("key", "another 16 bytes\n")
        let guarded = try await Tunnel.start(keys: ", secretKeyFile: \(key)")
        let exit = try await WarrenProcess.start(
            yaml: """
                inbounds:
                  - { name: exit, type: zhwkprox, dial: "127.0.0.1:\(guarded.port)" }
                  - { name: idle, type: mixed, listen: "127.0.0.1:0" }
                """, in: folder)
        #expect(await exit.program.errors.line(with: "tunnel not up") != nil)
        await exit.stop()
        let right = try await guarded.exit(keys: ", secretKeyFile: \(key)")
        await right.stop()
        await guarded.inter.stop()
    }
}
