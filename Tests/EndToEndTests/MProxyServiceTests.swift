// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import NIOPosix
import Testing
import WarrenTesting

/// What a device does on the way to a target, seen by raw clients and targets.
@Suite(.serialized, .timeLimit(.minutes(2))) struct MProxyServiceTests {
    /// A visitor of dev.test who says something and reads to the end.
    private func visit(_ relay: PublicRelay, _ text: String) async throws -> String {
        let wire = try await Wire.connect(to: relay.process.address("visitors"))
        try await wire.send(ByteBuffer(string: text))
        defer { wire.close() }
        return String(buffer: try await wire.readToEnd().bytes)
    }

    private func rig(_ service: String) async throws -> (PublicRelay, WarrenProcess) {
        let relay = try await PublicRelay.start()
        try await relay.token("dev", "--name", "dev.test", "--port", "\(relay.raw)")
        return (relay, try await relay.device(serving: service.replacing("RAW", with: "\(relay.raw)")))
    }

    @Test("every request of a kept connection is rewritten, and the visitor's own words about itself are taken out")
    func requestsAreRewritten() async throws {
        let mirror = try await Server.mirror()
        let (relay, device) = try await self.rig(
            "dev.test: { target: \"127.0.0.1:\(mirror.port)\", host: \"localhost:3000\", forwarded: true }")
        let request = "GET /a HTTP/1.1\r\nHost: dev.test\r\nX-Forwarded-For: 6.6.6.6\r\nForwarded: for=6\r\n"
        let answers = try await self.visit(
            relay, request + "\r\n" + request.replacing("/a", with: "/b") + "Connection: close\r\n\r\n")
        for path in ["/a", "/b"] {
            #expect(answers.contains("GET \(path) HTTP/1.1\r\nHost: localhost:3000\r\n"), "\(answers)")
        }
        func count(_ text: String) -> Int { answers.components(separatedBy: text).count - 1 }
        #expect(count("X-Forwarded-For: 127.0.0.1\r\n") == 2 && count("X-Forwarded-Proto: http\r\n") == 2)
        #expect(count("X-Forwarded-Host: dev.test\r\n") == 2 && count("6.6.6.6") == 0 && count("for=6") == 0)
        await device.stop()
        await relay.process.stop()
    }

    @Test func aPostOfAMegabyteGoesThroughARewrittenConnection() async throws {
        let web = try await Web.start()
        let (relay, device) = try await self.rig(
            "dev.test: { target: \"127.0.0.1:\(web.port)\", host: localhost }")
        var random = SeededRandom(4)
        let body = random.bytes(1 << 20)
        let wire = try await Wire.connect(to: relay.process.address("visitors"))
        let head =
            "PUT /x HTTP/1.1\r\nHost: dev.test\r\nContent-Length: \(body.readableBytes)\r\nConnection: close\r\n\r\n"
        try await wire.send(ByteBuffer(string: head))
        try await wire.send(body)
        #expect(String(buffer: try await wire.readToEnd().bytes).hasSuffix(body.sha256))
        await device.stop()
        await relay.process.stop()
        try await web.stop()
    }

    @Test func aWebSocketPassesThroughRewriting() async throws {
        let answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nframes"
        let target = try await Server.answering(ByteBuffer(string: answer))
        let (relay, device) = try await self.rig(
            "dev.test: { target: \"127.0.0.1:\(target.port)\", forwarded: true }")
        let heard = try await self.visit(
            relay, "GET /ws HTTP/1.1\r\nHost: dev.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        #expect(heard.hasPrefix("HTTP/1.1 101 ") && heard.hasSuffix("\r\n\r\nframes"), "\(heard)")
        await device.stop()
        await relay.process.stop()
    }

    @Test(
        "TLS ends at the device, and requests inside say that they came by it",
        .enabled(if: Curl.isThere, Comment(rawValue: Curl.absence)), arguments: [true, false])
    func tlsEndsAtTheDevice(rewrites: Bool) async throws {
        let mirror = try await Server.mirror()
        let relay = try await PublicRelay.start()
        let folder = relay.folder.path
        try await relay.token("dev", "--name", "dev.test")
        let device = try await relay.device(
            serving: """
                dev.test: { target: "127.0.0.1:\(mirror.port)", tls: { cert: \(folder)/localhost.crt, key: \(folder)/localhost.key }\(rewrites ? ", forwarded: true" : "") }
                """)
        let port = try relay.process.port("visitors")
        let outcome = try await Curl.run([
            "--http1.1", "--cacert", "\(folder)/authority.crt", "--resolve", "dev.test:\(port):127.0.0.1",
            "https://dev.test:\(port)/x",
        ])
        #expect(outcome.output.hasPrefix("GET /x HTTP/1.1\r\n"), "\(outcome.errors)")
        #expect(outcome.output.contains("X-Forwarded-Proto: https\r\n") == rewrites)
        await device.stop()
        await relay.process.stop()
    }

    @Test("the target is told the visitor's address first", arguments: ["v1", "v2"])
    func proxyProtocol(version: String) async throws {
        let mirror = try await Server.mirror()
        let (relay, device) = try await self.rig(
            "\"RAW\": { target: \"127.0.0.1:\(mirror.port)\", proxyProtocol: \(version) }")
        let wire = try await relay.visitor()
        try await wire.send(ByteBuffer(string: "words\r\n\r\n"))
        var heard = try await wire.readToEnd().bytes
        wire.close()
        let head = heard.readableBytesView.firstRange(of: Array("\r\n\r\n".utf8))
        heard.moveReaderIndex(to: head?.upperBound ?? heard.readerIndex)
        if version == "v1" {
            let text = String(buffer: heard)
            #expect(text.hasPrefix("PROXY TCP4 127.0.0.1 0.0.0.0 ") && text.hasSuffix(" \(relay.raw)\r\nwords\r\n\r\n"))
        } else {
            // The signature holds an empty line, at which the mirror may answer already.
            let start: [UInt8] = [13, 10, 13, 10, 0, 13, 10, 81, 85, 73, 84, 10, 0x21, 0x11, 0, 12, 127, 0, 0, 1]
            #expect(Array(heard.readableBytesView.prefix(start.count)) == start)
        }
        await device.stop()
        await relay.process.stop()
    }

    @Test func aSocketOfTheMachineIsATarget() async throws {
        let relay = try await PublicRelay.start()
        let path = "\(relay.folder.path)/web.sock"
        let page = ByteBuffer(string: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Greeter(page))
                }
            }
            .bind(unixDomainSocketPath: path).get()
        try await relay.token("dev", "--name", "dev.test")
        let device = try await relay.device(
            serving: "dev.test: \"unix:\(path)\", a.dev.test: { target: \"unix:web.sock\", host: localhost }, "
                + "b.dev.test: \"unix:\(path).none\"")
        for name in ["dev.test", "a.dev.test"] { #expect(try await relay.ask(name).hasSuffix("hello"), "\(name)") }
        // Nobody is there: the relay has said yes already where the device must look into requests first.
        #expect(try await !relay.ask("b.dev.test").contains("hello"))
        await device.stop()
        await relay.process.stop()
        try await server.close()
    }

    @Test func twoRelaysAndTwoLanesEachHaveTunnelsOfOneDevice() async throws {
        let (one, two) = (try await PublicRelay.start(), try await PublicRelay.start())
        let page = try await Server.page("hello")
        try await one.token("dev", "--name", "dev.test", "--subject", "dev")
        let (first, second) = (try one.process.port("devices"), try two.process.port("devices"))
        let device = try await WarrenProcess.start(
            yaml: """
                inbounds:
                  - { name: dev, type: mproxy, relay: ["ws://127.0.0.1:\(first)", "ws://127.0.0.1:\(second)"], lanes: 2, tokenFile: dev.token, services: { dev.test: "127.0.0.1:\(page.port)" } }
                  - { name: idle, type: mixed, listen: "127.0.0.1:0" }
                """, in: one.folder, name: "dev")
        for relay in [one, two] {
            _ = await relay.process.program.errors.line(with: "tunnel up", number: 2)
            for _ in 0..<8 { #expect(try await relay.ask("dev.test").hasSuffix("hello")) }
        }
        await one.process.stop()
        #expect(try await two.ask("dev.test").hasSuffix("hello"), "one relay is gone, the other serves")
        await device.stop()
        await two.process.stop()
    }

    @Test func aTokenThatExpiresTakesItsNamesWithIt() async throws {
        let relay = try await PublicRelay.start()
        let page = try await Server.page("hello")
        // On a busy machine a token may be over before it was used: then a longer one has its turn.
        for lifetime in ["3s", "9s", "27s", "50s"] {
            try await relay.token("dev", expires: lifetime, "--name", "dev.test", "--subject", "kitchen")
            let device = try await relay.device(serving: "dev.test: \"127.0.0.1:\(page.port)\"", waits: false)
            let first = await device.program.errors.line(with: "tunnel up", "expired")
            let answer = try await relay.ask("dev.test")
            _ = await device.program.errors.line(with: "expired")
            let late = try await relay.ask("dev.test")
            await device.stop()
            guard first?.contains("tunnel up") == true, answer.hasSuffix("hello") else { continue }
            #expect(late.hasPrefix("HTTP/1.1 503 "))
            #expect(await relay.process.program.errors.line(with: "lifetime") != nil)
            await relay.process.stop()
            return
        }
        Issue.record("no token was used before it was over")
        await relay.process.stop()
    }

    @Test func aSecretIsReadAgainWhenItsFileChanges() async throws {
        let relay = try await PublicRelay.start()
        let page = try await Server.page("hello")
        relay.folder.write("other", "another secret, which is as long as it must be\n")
        try await relay.token("dev", secret: "other", "--name", "dev.test")
        let device = try await relay.device(serving: "dev.test: \"127.0.0.1:\(page.port)\"", waits: false)
        _ = await relay.process.program.errors.line(with: "login denied")
        relay.folder.write("secret", "another secret, which is as long as it must be\n")
        _ = await device.program.errors.line(with: "tunnel up")
        #expect(try await relay.ask("dev.test").hasSuffix("hello"))
        await device.stop()
        await relay.process.stop()
    }
}

/// Says something as soon as somebody has.
private final class Greeter: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let words: ByteBuffer

    init(_ words: ByteBuffer) { self.words = words }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        context.writeAndFlush(NIOAny(self.words), promise: nil)
        context.close(promise: nil)
    }
}
