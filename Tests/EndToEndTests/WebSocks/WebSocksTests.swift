// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Testing
import WarrenTesting

/// Streams through an agent and a server of WebSocks.
@Suite(.serialized, .timeLimit(.minutes(2))) struct WebSocksTests {
    @Test(
        "curl fetches through both ends", .enabled(if: Curl.isThere, "\(Curl.absence)"),
        arguments: WebSocksSite.Carrier.allCases)
    func curl(carrier: WebSocksSite.Carrier) async throws {
        let web = try await Web.start()
        let site = try await WebSocksSite.start(carrier)
        for scheme in ["socks5h", "http"] {
            let file = "\(site.folder.path)/\(scheme)"
            let proxy = "\(scheme)://127.0.0.1:\(try site.agent.port("mixed"))"
            let outcome = try await Curl.run(["-x", proxy, "-o", file, web.url("300000")])
            #expect(outcome.code == 0, "\(outcome.errors)")
            #expect(try contents(of: file) == Web.content(300_000))
        }
        let line = try #require(await site.server.program.errors.line(with: "stream inbound=door"))
        #expect(
            line.contains(" protocol=websocks ") && line.contains(" user=alice ") && line.contains(" outbound=direct "))
        await site.stop()
        try await web.stop()
    }

    @Test("100 fetches at once of several hundred kB each", arguments: WebSocksSite.Carrier.allCases)
    func parallel(carrier: WebSocksSite.Carrier) async throws {
        let web = try await Web.start()
        let site = try await WebSocksSite.start(carrier)
        let wrong = try await withThrowingTaskGroup(of: String?.self) { tasks in
            for number in 0..<100 {
                tasks.addTask {
                    let count = 200_000 + 4001 * number
                    let wire = try await site.connect(to: web.port)
                    try await wire.send(ByteBuffer(string: "GET /\(count) HTTP/1.1\r\n\r\n"))
                    var (bytes, end) = try await wire.readToEnd()
                    wire.close()
                    bytes.moveReaderIndex(to: max(0, bytes.writerIndex - count))
                    return bytes == Web.content(count) && end == .finished
                        ? nil : "\(number): \(bytes.readableBytes) \(end)"
                }
            }
            return try await tasks.reduce(into: [String]()) { if let line = $1 { $0.append(line) } }
        }
        #expect(wrong == [])
        await site.stop()
        try await web.stop()
    }

    @Test("100 streams both ways at once, waiting for each answer or not", arguments: [true, false])
    func exchanges(strict: Bool) async throws {
        let far = try await Server.exchange()
        let site = try await WebSocksSite.start(far: ", strict: \(strict)")
        let wrong = try await withThrowingTaskGroup(of: String?.self) { tasks in
            for seed in UInt64(0)..<100 {
                tasks.addTask { try await Exchange.run(seed, over: site.connect(to: far.port)) }
            }
            return try await tasks.reduce(into: [String]()) { if let line = $1 { $0.append(line) } }
        }
        #expect(wrong == [])
        await site.stop()
        try await far.stop()
    }

    @Test(
        "a target that speaks first is heard, at once and by an agent that says nothing",
        arguments: ["deployed", "connectFirst"], WebSocksSite.Carrier.allCases)
    func bannersAreHeard(dialect: String, carrier: WebSocksSite.Carrier) async throws {
        let far = try await Server.greeting(ByteBuffer(string: "220 welcome\r\n"))
        let site = try await WebSocksSite.start(carrier, door: ", dialect: \(dialect)")
        for _ in 0..<20 {
            let wire = try await site.connect(to: far.port)
            #expect(try await wire.read(13) == ByteBuffer(string: "220 welcome\r\n"))
            try await wire.send(ByteBuffer(string: "QUIT"))
            #expect(try await wire.read(4) == ByteBuffer(string: "QUIT"))
            wire.close()
        }
        await site.stop()
        try await far.stop()
    }

    @Test("the user of a target that refuses sees an end in the deployed dialect, and the reason in the other")
    func refusals() async throws {
        let closed = try #require(ClosedPort())
        defer { withExtendedLifetime(closed) {} }
        let deployed = try await WebSocksSite.start()
        let wire = try await deployed.connect(to: Int(closed.number))
        let (bytes, end) = try await wire.readToEnd()
        #expect(bytes.readableBytes == 0 && end == .finished)
        wire.close()
        let line = await deployed.server.program.errors.line(with: "stream inbound=door")
        #expect(line?.hasSuffix("reason=refused") == true)
        await deployed.stop()
        let connectFirst = try await WebSocksSite.start(door: ", dialect: connectFirst")
        await #expect(throws: HarnessError.self) {
            _ = try await connectFirst.connect(to: Int(closed.number))
        }
        let told = await connectFirst.agent.program.errors.line(with: "stream inbound=mixed")
        #expect(told?.hasSuffix("reason=refused") == true)
        await connectFirst.stop()
    }

    @Test("what egress refuses is told in both dialects", arguments: ["deployed", "connectFirst"])
    func egress(dialect: String) async throws {
        let site = try await WebSocksSite.start(door: ", dialect: \(dialect)")
        let wire = try await Wire.connect(to: site.agent.address("mixed"))
        try await wire.send(ByteBuffer(string: "CONNECT 169.254.169.254:80 HTTP/1.1\r\n\r\n"))
        let (answer, _) = try await wire.readToEnd()
        #expect(String(buffer: answer).hasPrefix("HTTP/1.1 403 "))
        wire.close()
        await site.stop()
    }

    @Test("a user that ends its own side first gets every byte back", arguments: WebSocksSite.Carrier.allCases)
    func halfClosedByTheUser(carrier: WebSocksSite.Carrier) async throws {
        let echo = try await Server.echo()
        let site = try await WebSocksSite.start(carrier)
        for seed in UInt64(0)..<30 {
            var random = SeededRandom(seed)
            let content = random.bytes(seed < 3 ? 0 : Int.random(in: 1...150_000, using: &random))
            let wire = try await site.connect(to: echo.port)
            if content.readableBytes > 0 { try await wire.send(content) }
            try await wire.finish()
            let (bytes, end) = try await wire.readToEnd()
            #expect(bytes == content && end == .finished)
            wire.close()
        }
        await site.stop()
        try await echo.stop()
    }

    @Test("a target that ends its own side first still gets every byte", arguments: WebSocksSite.Carrier.allCases)
    func halfClosedByTheTarget(carrier: WebSocksSite.Carrier) async throws {
        let far = try await Server.listening()
        let site = try await WebSocksSite.start(carrier)
        let wire = try await site.connect(to: far.port)
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

    @Test("an agent with a wrong password is told so, and its user that it may not")
    func wrongPassword() async throws {
        let site = try await WebSocksSite.start(password: "wrong")
        let wire = try await Wire.connect(to: site.agent.address("mixed"))
        try await wire.send(ByteBuffer(string: "CONNECT 127.0.0.1:9 HTTP/1.1\r\n\r\n"))
        let (answer, _) = try await wire.readToEnd()
        #expect(String(buffer: answer).hasPrefix("HTTP/1.1 403 "))
        wire.close()
        let line = try #require(await site.agent.program.errors.line(with: "carrier failed"))
        #expect(line.contains("outbound=far") && line.contains("401") && line.contains("clocks"))
        let denied = try #require(await site.server.program.errors.line(with: "login denied"))
        #expect(denied.contains("inbound=door") && denied.contains("alice"))
        #expect(!(await site.server.stop().errors.contains("pasSw0rD")))
        #expect(!(await site.agent.stop().errors.contains("wrong")))
    }

    @Test("an agent whose server is not there tells its user that the server is not, and finds it again")
    func noServer() async throws {
        let web = try await Web.start()
        let site = try await WebSocksSite.start()
        let port = try site.server.port("door")
        await site.server.stop()
        let wire = try await Wire.connect(to: site.agent.address("mixed"))
        try await wire.send(ByteBuffer(string: "CONNECT 127.0.0.1:\(web.port) HTTP/1.1\r\n\r\n"))
        #expect(String(buffer: try await wire.readToEnd().bytes).hasPrefix("HTTP/1.1 503 "))
        wire.close()
        let again = try await WarrenProcess.start(
            yaml: """
                inbounds: [{ name: door, type: websocks, listen: "127.0.0.1:\(port)", users: { alice: { passwordFile: server.pw } } }]
                egress: { allow: [loopback] }
                """, in: site.folder, name: "again")
        let next = try await site.connect(to: web.port)
        try await next.send(ByteBuffer(string: "GET /10 HTTP/1.1\r\n\r\n"))
        #expect(try await next.readToEnd().bytes.readableBytes > 10)
        next.close()
        await site.agent.stop()
        await again.stop()
        try await web.stop()
    }

    @Test("a login is not taken from a second address where the server says so") func oneAddress() async throws {
        // Within one minute both agents show the same one.
        var (begun, wasRefused) = (0, false)
        repeat {
            begun = Int(Date().timeIntervalSince1970) / 60
            let site = try await WebSocksSite.start(door: ", logins: oneAddress")
            let other = try await WarrenProcess.start(
                yaml: """
                    inbounds: [{ name: mixed, type: mixed, listen: "127.0.0.1:0", to: far }]
                    outbounds:
                      - { name: other, type: direct, bind: 127.0.0.2 }
                      - { name: far, type: websocks, server: "127.0.0.1:\(site.server.port("door"))", user: alice,
                          passwordFile: agent.pw, through: other }
                    """, in: site.folder, name: "other")
            let echo = try await Server.echo()
            let wire = try await site.connect(to: echo.port)
            try await wire.send(ByteBuffer(string: "hello"))
            #expect(try await wire.read(5) == ByteBuffer(string: "hello"))
            wire.close()
            wasRefused = (try? await Wire.socks5(other.address("mixed"), to: echo.port))?.close() == nil
            await other.stop()
            await site.stop()
            try await echo.stop()
        } while begun != Int(Date().timeIntervalSince1970) / 60
        #expect(wasRefused)
    }
}
