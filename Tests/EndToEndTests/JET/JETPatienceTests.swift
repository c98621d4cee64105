// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Synchronization
import Testing
import WarrenTesting

/// What becomes of a wait, a pipe and a port when the other side of them goes.
@Suite(.timeLimit(.minutes(2))) struct JETPatienceTests {
    private static func shell(_ line: String, _ arguments: String...) throws -> Program {
        try Program.start(URL(filePath: "/bin/sh"), ["-c", line, WarrenProcess.executable.path] + arguments)
    }

    /// A device that waits for a target, until `body` is done.
    private static func withDevice(
        _ relay: MeetingRelay, target: Int, _ arguments: [String] = [],
        _ body: (Program, String) async throws -> Void
    ) async throws {
        let device = try Program.start(
            WarrenProcess.executable,
            ["jet", "accept", "127.0.0.1:\(relay.port)", "--to", "127.0.0.1:\(target)"] + arguments)
        let association = try #require(await device.output(with: "-"))
        try await body(device, association)
        device.signal(SIGTERM)
        _ = await device.outcome()
    }

    @Test("a target that gives up waiting is reached anew, under an association of its own if it has spoken")
    func impatientTarget() async throws {
        let relay = try await MeetingRelay.start()
        let target = try await Server.impatient("SSH-2.0-x\r\n", after: .milliseconds(700))
        try await Self.withDevice(relay, target: target.port) { device, first in
            let second = try #require(await device.output(with: "-", number: 2))
            #expect(first != second)
            let late = try await relay.connect()
            try await late.send(JETPacket.connect(first))
            #expect(try await late.reply().status == 404)
            late.close()
            #expect(try await Self.greeting(of: device, at: relay) == "SSH-2.0-x\r\n")
        }
        await relay.stop()
        try await target.stop()
    }

    /// By the second association, or by a later one where a busy machine has taken longer than the target waits.
    private static func greeting(of device: Program, at relay: MeetingRelay) async throws -> String? {
        for number in 2...12 {
            let association = try #require(await device.output(with: "-", number: number))
            let wire = try await relay.connect()
            defer { wire.close() }
            try await wire.send(JETPacket.connect(association))
            if try await wire.reply().status == 200 { return try await wire.text(11) }
        }
        return nil
    }

    @Test("a target that gives up without a word costs no association") func silentTarget() async throws {
        let relay = try await MeetingRelay.start()
        let (arrivals, arrived) = AsyncStream.makeStream(of: Void.self)
        let count = Atomic(0)
        let target = try await Server.start { channel in
            arrived.yield()
            let isFirst = count.add(1, ordering: .relaxed).newValue == 1
            return channel.eventLoop.makeCompletedFuture {
                let handler = ImpatientHandler("", isFirst ? .zero : .seconds(60))
                try channel.pipeline.syncOperations.addHandler(handler)
            }
        }
        try await Self.withDevice(relay, target: target.port) { _, association in
            var visits = arrivals.makeAsyncIterator()
            for _ in 0..<2 { await visits.next() }
            let wire = try await relay.connect()
            try await wire.send(JETPacket.connect(association))
            #expect(try await wire.reply().status == 200)
            try await wire.send("hello")
            #expect(try await wire.text(5) == "hello")
            wire.close()
        }
        await relay.stop()
        try await target.stop()
    }

    @Test("a relay that refuses ends accept as it ends connect") func refused() async throws {
        let relay = try await MeetingRelay.start("version: 2")
        let outcome = try await WarrenProcess.run("jet", "accept", "127.0.0.1:\(relay.port)", "--to", "127.0.0.1:9")
        #expect(outcome.code == 2)
        #expect(outcome.errors.contains("the relay does not let us wait: rejected by the peer: 400 Bad Request"))
        await relay.stop()
    }

    @Test("what is no relay ends accept") func noRelay() async throws {
        let server = try await Server.impatient("SSH-2.0-x\r\n", after: .seconds(60))
        let outcome = try await WarrenProcess.run("jet", "accept", "127.0.0.1:\(server.port)", "--to", "127.0.0.1:9")
        #expect(outcome.code == 2)
        #expect(outcome.errors.contains("protocol violation: bad magic"))
        try await server.stop()
    }

    @Test("a pipe whose reader goes ends at once, though nothing more comes and nobody has ended", arguments: 0..<3)
    func readerGoes(round: Int) async throws {
        let relay = try await MeetingRelay.start()
        let target = try await Server.impatient("220 at your service\r\n", after: .seconds(60))
        try await Self.withDevice(relay, target: target.port) { _, association in
            let line = "sleep 30 | { \"$0\" jet connect \"$1\" \"$2\"; echo \"code $?\" >&2; } | { head -c 3; echo; }"
            let pipe = try Self.shell(line, "127.0.0.1:\(relay.port)", association)
            #expect(await pipe.output(with: "220") == "220")
            #expect(await pipe.errors.line(with: "code") == "code 2")
            pipe.signal(SIGTERM)
        }
        await relay.stop()
        try await target.stop()
    }

    @Test("the second connection to a port for one association is refused for that reason") func secondVisitor()
        async throws
    {
        let relay = try await MeetingRelay.start()
        let echo = try await Server.echo()
        try await Self.withDevice(relay, target: echo.port) { _, association in
            let port = try Program.start(
                WarrenProcess.executable,
                ["jet", "connect", "127.0.0.1:\(relay.port)", association, "--listen", "127.0.0.1:0"])
            let ready = try #require(await port.errors.line(with: "ready "))
            let number = try #require(ready.split(separator: ":").last.flatMap { Int($0) })
            let address = try SocketAddress(ipAddress: "127.0.0.1", port: number)
            let first = try await Wire.connect(to: address)
            try await first.send("hello")
            #expect(try await first.text(5) == "hello")
            // The reset may come as early as while the connection is being set up.
            let second = try? await Wire.connect(to: address)
            _ = try? await second?.readToEnd()
            #expect(await port.errors.line(with: "is good for one stream, which it has had") != nil)
            for wire in [first, second] { wire?.close() }
            port.signal(SIGTERM)
            _ = await port.outcome()
        }
        await relay.stop()
        try await echo.stop()
    }

    @Test("a path before those of the relay, on the way in and out, with a query that proxies want")
    func prefix() async throws {
        let relay = try await MeetingRelay.start(listen: "[\"127.0.0.1:0\", \"ws://127.0.0.1:0/tunnel\"]")
        let echo = try await Server.echo()
        let (association, candidates) = try await relay.gather()
        let candidate = try #require(candidates.first { $0.url.hasPrefix("ws:") })
        #expect(candidate.url.hasSuffix("/tunnel/"))
        let url = "ws://127.0.0.1:\(try relay.process.port("meet.2"))/tunnel?key=value"
        let device = try Program.start(
            WarrenProcess.executable,
            [
                "jet", "accept", url, "--to", "127.0.0.1:\(echo.port)", "--association", association, "--candidate",
                candidate.id,
            ])
        #expect(await device.output(with: association) != nil)
        let near = try Self.shell(
            "printf hello | \"$0\" jet connect \"$1\" \"$2\" --candidate \"$3\"", url, association, candidate.id)
        let outcome = await near.outcome()
        #expect(outcome.code == 0 && outcome.output == "hello", "\(outcome.errors)")
        _ = await device.outcome()
        await relay.stop()
        try await echo.stop()
    }
}

extension Server {
    /// Greets, says back what it hears, and ends a connection on which it has heard nothing for a while.
    fileprivate static func impatient(_ greeting: String, after timeout: TimeAmount) async throws -> Server {
        try await Self.start { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(ImpatientHandler(greeting, timeout))
            }
        }
    }
}

private final class ImpatientHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let greeting: String
    private let timeout: TimeAmount
    private var end: Scheduled<Void>?

    init(_ greeting: String, _ timeout: TimeAmount) {
        self.greeting = greeting
        self.timeout = timeout
    }

    func channelActive(context: ChannelHandlerContext) {
        if !self.greeting.isEmpty {
            context.writeAndFlush(NIOAny(ByteBuffer(string: self.greeting)), promise: nil)
        }
        self.end = context.eventLoop.assumeIsolated().scheduleTask(in: self.timeout) { context.close(promise: nil) }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.end?.cancel()
        context.writeAndFlush(data, promise: nil)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) { context.close(promise: nil) }

    func channelInactive(context: ChannelHandlerContext) { self.end?.cancel() }
}
