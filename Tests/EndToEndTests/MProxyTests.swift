// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Testing
import WarrenTesting

/// A relay with public names and a device that serves them, as two real processes.
@Suite(.serialized, .timeLimit(.minutes(2))) struct MProxyTests {
    private typealias Relay = PublicRelay

    private static func page(_ text: String) async throws -> Server { try await Server.page(text) }

    @Test("200 visitors of a raw port at once each hear their own bytes") func manyVisitors() async throws {
        let relay = try await Relay.start()
        let echo = try await Server.echo()
        try await relay.token("dev", "--port", "\(relay.raw)")
        let device = try await relay.device(serving: "\"\(relay.raw)\": \"127.0.0.1:\(echo.port)\"")
        let wrong = try await withThrowingTaskGroup(of: Bool.self) { tasks in
            for seed in UInt64(0)..<200 {
                tasks.addTask {
                    var random = SeededRandom(seed)
                    let wire = try await relay.visitor()
                    let bytes = random.bytes(Int.random(in: 1...200_000, using: &random))
                    try await wire.send(bytes)
                    let isSame = try await wire.read(bytes.readableBytes) == bytes
                    wire.close()
                    return !isSame
                }
            }
            return try await tasks.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(wrong == 0)
        await device.stop()
        await relay.process.stop()
    }

    @Test("a long stream passes more than once through pause and resume", arguments: [8 << 20])
    func longStream(count: Int) async throws {
        let relay = try await Relay.start()
        let echo = try await Server.echo()
        try await relay.token("dev", "--name", "dev.test")
        let device = try await relay.device(serving: "dev.test: \"127.0.0.1:\(echo.port)\"")
        let wire = try await Wire.connect(to: try relay.process.address("visitors"))
        var bytes = ByteBuffer(string: "POST / HTTP/1.1\r\nHost: dev.test\r\nContent-Length: \(count)\r\n\r\n")
        var random = SeededRandom(3)
        bytes.writeImmutableBuffer(random.bytes(count))
        let (sent, expected) = (bytes, bytes)
        async let sending: Void = wire.send(sent)
        #expect(try await wire.read(expected.readableBytes) == expected)
        try await sending
        wire.close()
        await device.stop()
        await relay.process.stop()
    }

    @Test func aNameIsServedWhileItsDeviceIsThere() async throws {
        let relay = try await Relay.start()
        let page = try await Self.page("hello")
        let token = try await relay.token("dev", "--name", "dev.test", "--subject", "kitchen")
        #expect(try await relay.ask("dev.test").hasPrefix("HTTP/1.1 404 "))
        let device = try await relay.device(serving: "dev.test: \"127.0.0.1:\(page.port)\"")
        #expect(try await relay.ask("dev.test").hasSuffix("hello"))
        #expect(try await relay.ask("other.test").hasPrefix("HTTP/1.1 404 "))
        #expect(try await relay.ask("sub.dev.test").hasSuffix("hello"))
        await device.crash()
        _ = await relay.process.program.errors.line(with: "its device is gone")
        let offline = try await relay.ask("dev.test")
        #expect(offline.hasPrefix("HTTP/1.1 503 ") && offline.contains("\r\nRetry-After: "))
        let again = try await relay.device(serving: "dev.test: \"127.0.0.1:\(page.port)\"", number: 2)
        #expect(try await relay.ask("dev.test").hasSuffix("hello"))
        await again.stop()
        let log = await relay.process.stop().errors
        #expect(log.contains("kitchen") && !log.contains(token))
    }

    @Test func aTunnelInTLSCarriesTheSame() async throws {
        let folder = try Folder()
        let made = try await WarrenProcess.run("keygen", "tls", "localhost", "--out", folder.path)
        #expect(made.code == 0)
        let relay = try await Relay.start(
            keys: ", tls: { cert: \(folder.path)/localhost.crt, key: \(folder.path)/localhost.key }")
        let page = try await Self.page("hello")
        try await relay.token("dev", "--name", "dev.test")
        let device = try await relay.device(
            serving: "dev.test: \"127.0.0.1:\(page.port)\"", scheme: "wss://localhost",
            keys: ", tls: { ca: \(folder.path)/authority.crt }")
        #expect(try await relay.ask("dev.test").hasSuffix("hello"))
        await device.stop()
        await relay.process.stop()
    }

    @Test("a raw port takes visitors at every moment of reloads that change its inbound")
    func reload() async throws {
        let relay = try await Relay.start()
        let echo = try await Server.echo()
        try await relay.token("dev", "--port", "\(relay.raw)")
        let device = try await relay.device(serving: "\"\(relay.raw)\": \"127.0.0.1:\(echo.port)\"")
        let first = try await relay.visitor()
        let address = try SocketAddress(ipAddress: "127.0.0.1", port: relay.raw)
        func echoes(_ wire: Wire) async throws -> Bool {
            try await wire.send(ByteBuffer(string: "hello"))
            return try await wire.read(5) == ByteBuffer(string: "hello")
        }
        #expect(try await echoes(first))
        let isEnough = NIOLockedValueBox(false)
        let visits = try await withThrowingTaskGroup(of: Int.self) { tasks in
            for _ in 0..<3 {
                tasks.addTask {
                    var count = 0
                    while !isEnough.withLockedValue({ $0 }), !Task.isCancelled {
                        // Refused, it throws.
                        let wire = try await Wire.connect(to: address)
                        if try await echoes(wire) { count += 1 }
                        wire.close()
                    }
                    return count
                }
            }
            for round in 1...4 {
                // It has come and says nothing: its stream begins when the unit that took it leaves.
                let silent = try await Wire.connect(to: address)
                let keys = round % 2 == 1 ? ", mode: tls" : ""
                relay.folder.write("relay.yaml", Relay.yaml(relay.raw, inbound: keys))
                relay.process.program.signal(SIGHUP)
                _ = await relay.process.program.errors.line(with: "configuration applied", number: round)
                #expect(try await echoes(silent))
                silent.close()
            }
            isEnough.withLockedValue { $0 = true }
            return try await tasks.reduce(0, +)
        }
        #expect(visits > 0)
        #expect(try await echoes(first))
        first.close()
        await device.stop()
        await relay.process.stop()
    }

    @Test("a name of another device is not had twice, and its own device may take it over") func duplicates()
        async throws
    {
        let relay = try await Relay.start(keys: ", duplicates: reject")
        let (first, second) = (try await Self.page("first"), try await Self.page("second"))
        try await relay.token("one", "--name", "dev.test", "--subject", "one")
        try await relay.token("two", "--name", "dev.test", "--subject", "two")
        let one = try await relay.device("one", serving: "dev.test: \"127.0.0.1:\(first.port)\"")
        let two = try await relay.device("two", serving: "dev.test: \"127.0.0.1:\(second.port)\"", waits: false)
        _ = await relay.process.program.errors.line(with: "is another device's")
        #expect(try await relay.ask("dev.test").hasSuffix("first"))
        let again = try await relay.device("one", serving: "dev.test: \"127.0.0.1:\(second.port)\"", number: 3)
        #expect(try await relay.ask("dev.test").hasSuffix("second"))
        for process in [one, two, again] { await process.stop() }
        await relay.process.stop()
    }

    @Test("a token of another secret, and one that has expired, serve nothing and are told at both ends")
    func badTokens() async throws {
        let relay = try await Relay.start()
        relay.folder.write("other", "another secret, which is as long as it must be\n")
        let page = try await Self.page("hello")
        try await relay.token("dev", secret: "other", "--name", "dev.test")
        let device = try await relay.device(serving: "dev.test: \"127.0.0.1:\(page.port)\"", waits: false)
        _ = await relay.process.program.errors.line(with: "login denied")
        _ = await device.program.errors.line(with: "tunnel not up")
        #expect(try await relay.ask("dev.test").hasPrefix("HTTP/1.1 404 "))
        await device.stop()
        await relay.process.stop()
    }

    @Test(
        "a ClientHello for a relay in Go fits into the bytes that such a relay looks at",
        arguments: ["v1-go", "v1-node"])
    func firstWordsOverTLS(dialect: String) async throws {
        let heard = Heard()
        // A handshake failure, before any handshake.
        let relay = try await Server.leaving(ByteBuffer(bytes: [21, 3, 3, 0, 2, 2, 40]), heard)
        let folder = try Folder()
        folder.write("dev.token", "a.b.c\n")
        let device = try await WarrenProcess.start(
            yaml: """
                inbounds:
                  - { name: dev, type: mproxy, relay: "wss://localhost:\(relay.port)", dialect: \(dialect), tokenFile: dev.token, services: { dev.test: "127.0.0.1:1" } }
                  - { name: idle, type: mixed, listen: "127.0.0.1:0" }
                """, in: folder)
        let hello = try await heard.all()
        #expect(hello.getInteger(at: hello.readerIndex, as: UInt8.self) == 22, "a handshake")
        let length = Int(hello.getInteger(at: hello.readerIndex + 3, as: UInt16.self) ?? 0) + 5
        // Others get the key share that quantum computers do not break, which alone has 1216 bytes.
        #expect(dialect == "v1-go" ? length < 984 : length > 1216, "\(length)")
        await device.stop()
        try await relay.stop()
    }
}
