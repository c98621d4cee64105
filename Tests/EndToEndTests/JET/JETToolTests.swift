// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Testing
import WarrenTesting

/// `warren jet`, and both clients as entries of a file, against a real relay.
@Suite(.timeLimit(.minutes(2))) struct JETToolTests {
    private static func start(_ arguments: [String], says words: String = "") throws -> Program {
        guard !words.isEmpty else { return try Program.start(WarrenProcess.executable, arguments) }
        // A shell is the simplest thing that says something and then nothing more.
        let line = "printf '%s' \"$1\" | \"$0\" \(arguments.joined(separator: " "))"
        return try Program.start(URL(filePath: "/bin/sh"), ["-c", line, WarrenProcess.executable.path, words])
    }

    @Test("standard input and output of both ends, half-closes included") func stdio() async throws {
        let relay = try await MeetingRelay.start()
        let far = try Self.start(["jet", "accept", "127.0.0.1:\(relay.port)"], says: "from the accepter")
        let association = try #require(await far.errors.line(with: "-"))
        let near = try Self.start(
            ["jet", "connect", "127.0.0.1:\(relay.port)", association, "stdio"], says: "from the connecter")
        let (one, two) = (await near.outcome(), await far.outcome())
        #expect(one.code == 0 && one.output == "from the accepter" && one.errors.isEmpty)
        #expect(two.code == 0 && two.output == "from the connecter")
        await relay.stop()
    }

    @Test("a wrong association is said in words, and is no success") func wrongAssociation() async throws {
        let relay = try await MeetingRelay.start()
        let outcome = try await WarrenProcess.run(
            "jet", "connect", "127.0.0.1:\(relay.port)", JETPacket.anybody())
        #expect(outcome.code == 2)
        #expect(outcome.errors.contains("404 Not Found") || outcome.errors.contains("the peer sends us on"))
        #expect(outcome.errors.contains("nobody waits under this association"))
        await relay.stop()
    }

    @Test(
        "what is wrong is named with its place",
        arguments: [
            ("accept", "RELAY: \"127.0.0.1:x\" does not end in a port"),
            ("connect 127.0.0.1:1 nonsense", "ASSOCIATION: \"nonsense\" is not a UUID"),
            (
                "accept --association e6ec698c-5793-4c63-af79-bd644ccf022f",
                "in version 1 the relay names the association"
            ),
            ("accept --to nowhere", "--to: \"nowhere\" has no port"),
            ("accept --repeat", "--repeat needs --to"),
        ])
    func usage(line: String, sentence: String) async throws {
        var words = line.split(separator: " ").map(String.init)
        if words[0] == "accept" { words.insert(words.count == 1 ? "127.0.0.1:x" : "127.0.0.1:1", at: 1) }
        let outcome = try await Program.run(WarrenProcess.executable, ["jet"] + words)
        #expect(outcome.code == 1)
        #expect(outcome.errors.contains(sentence), "\(outcome.errors)")
    }

    /// A device that waits at a relay again and again, and somebody who reaches it through a port of his own.
    private struct Office: Sendable {
        let device: WarrenProcess
        let support: WarrenProcess
        let folder: Folder

        static func start(relays: String, target: Int) async throws -> Office {
            let folder = try Folder()
            let device = try await WarrenProcess.start(
                yaml: """
                    log: { level: debug }
                    inbounds:
                      - { name: device, type: jet, relay: \(relays), target: "127.0.0.1:\(target)", repeat: true, announce: at }
                      - { name: unused, type: mixed, listen: "127.0.0.1:0" }
                    """, in: folder, name: "device")
            let support = try await WarrenProcess.start(
                yaml: """
                    inbounds: [{ name: port, type: forward, listen: "127.0.0.1:0", to: device }]
                    outbounds: [{ name: device, type: jet, relay: \(relays), associationFile: at }]
                    egress: { allow: [loopback] }
                    """, in: folder, name: "support")
            return Office(device: device, support: support, folder: folder)
        }

        func stop() async {
            await self.support.stop()
            await self.device.stop()
        }
    }

    @Test("40 streams in a row, and 10 at once, each over an acceptance of its own") func announced() async throws {
        let relay = try await MeetingRelay.start("timeout: 60s")
        let echo = try await Server.echo()
        let office = try await Office.start(relays: "\"127.0.0.1:\(relay.port)\"", target: echo.port)
        let front = try office.support.address("port")
        for seed in 0..<40 { #expect(try await Self.echo(UInt64(seed), over: front)) }
        let right = try await withThrowingTaskGroup(of: Bool.self) { tasks in
            for seed in 100..<110 { tasks.addTask { try await Self.echo(UInt64(seed), over: front) } }
            return try await tasks.reduce(into: 0) { $0 += $1 ? 1 : 0 }
        }
        #expect(right == 10)
        await office.stop()
        await relay.stop()
        try await echo.stop()
    }

    private static func echo(_ seed: UInt64, over front: SocketAddress) async throws -> Bool {
        var random = SeededRandom(seed)
        let content = random.bytes(Int.random(in: 1...100_000, using: &random))
        let wire = try await Wire.connect(to: front)
        try await wire.send(content)
        try await wire.finish()
        let (bytes, end) = try await wire.readToEnd()
        wire.close()
        return bytes == content && end == .finished
    }

    @Test("a server that speaks first is heard before its visitor has said anything") func speaksFirst() async throws {
        let relay = try await MeetingRelay.start()
        let banner = try await Server.banner("220 at your service\r\n")
        let office = try await Office.start(relays: "\"127.0.0.1:\(relay.port)\"", target: banner.port)
        for _ in 0..<3 {
            let wire = try await Wire.connect(to: office.support.address("port"))
            #expect(try await wire.text(21) == "220 at your service\r\n")
            try await wire.send("QUIT")
            #expect(try await wire.readToEnd().end == .finished)
            wire.close()
        }
        await office.stop()
        await relay.stop()
        try await banner.stop()
    }

    @Test("of several relays the first that serves is used; one that dies is left for the next")
    func severalRelays() async throws {
        let (one, two) = (try await MeetingRelay.start(), try await MeetingRelay.start())
        let closed = try #require(ClosedPort())
        let echo = try await Server.echo()
        let relays = try "[\"127.0.0.1:\(closed.number)\", \"127.0.0.1:\(one.port)\", \"127.0.0.1:\(two.port)\"]"
        let office = try await Office.start(relays: relays, target: echo.port)
        #expect(try await Self.echo(1, over: office.support.address("port")))
        await one.process.crash()
        // It waits at the second one before anybody comes.
        let again = "reachable inbound=device peer=127.0.0.1:\(try two.port)"
        #expect(await office.device.program.errors.line(with: again) != nil)
        #expect(try await Self.echo(2, over: office.support.address("port")))
        await office.stop()
        await two.stop()
        try await echo.stop()
        withExtendedLifetime(closed) {}
    }
}

extension Server {
    /// Greets, and ends when it has heard something.
    fileprivate static func banner(_ text: String) async throws -> Server {
        try await Self.start { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(BannerHandler(text))
            }
        }
    }
}

private final class BannerHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let text: String

    init(_ text: String) { self.text = text }

    func channelActive(context: ChannelHandlerContext) {
        context.writeAndFlush(NIOAny(ByteBuffer(string: self.text)), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { context.close(promise: nil) }
}
