// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Testing
import WarrenTesting

/// The scenarios of the reference, in Warren's column, against a real relay.
@Suite(.timeLimit(.minutes(2))) struct JETScenarioTests {
    @Test("v1-happy: bytes both ways as they are, and a half-close passes") func v1Happy() async throws {
        let relay = try await MeetingRelay.start()
        let accepter = try await relay.connect()
        try await accepter.send(JETPacket.accept(mask: 0x5A))
        let first = try await accepter.reply()
        #expect(first.first == "HTTP/1.1 200 OK")
        #expect(first.headers["jet-version"] == "1" && first.headers["jet-timeout"] == "300")
        #expect(first.headers["jet-instance"] == "relay.test")
        #expect(UUID(uuidString: first.association) != nil)
        #expect(first.mask == 0x5A && first.length <= 1024)
        let connecter = try await relay.connect()
        try await connecter.send(JETPacket.connect(first.association, mask: 0))
        let second = try await connecter.reply()
        #expect(second.first == "HTTP/1.1 200 OK" && second.mask == 0)
        var random = SeededRandom(1)
        let (up, down) = (random.bytes(300_000), random.bytes(500_000))
        try await connecter.send(up)
        try await connecter.finish()
        #expect(try await accepter.readToEnd().bytes == up)
        try await accepter.send(down)
        try await accepter.finish()
        let (bytes, end) = try await connecter.readToEnd()
        #expect(bytes == down && end == .finished)
        await relay.stop()
    }

    @Test("connect-before-accept: 404, and the end") func connectBeforeAccept() async throws {
        let relay = try await MeetingRelay.start()
        let (reply, rest, end) = try await relay.ask(JETPacket.connect(JETPacket.anybody()))
        #expect(reply.first == "HTTP/1.1 404 Not Found" && reply.headers["jet-version"] == "1")
        #expect(rest.readableBytes == 0 && end == .finished)
        await relay.stop()
    }

    @Test("connect-before-accept of the first relay: 400") func connectBeforeAccept2018() async throws {
        let relay = try await MeetingRelay.start("dialect: \"2018\"")
        let (reply, _, end) = try await relay.ask(JETPacket.connect(JETPacket.anybody()))
        #expect(reply.first == "HTTP/1.1 400 Bad Request" && reply.headers == ["jet-version": "1"])
        #expect(end == .finished)
        await relay.stop()
    }

    @Test("connect-after-session-end: 400 while it runs, 404 afterwards") func connectAfterSessionEnd() async throws {
        let relay = try await MeetingRelay.start()
        let (accepter, connecter, association) = try await relay.pair()
        #expect(try await relay.ask(JETPacket.connect(association)).reply.status == 400)
        try await connecter.finish()
        _ = try await accepter.readToEnd()
        try await accepter.finish()
        _ = try await connecter.readToEnd()
        let line = await relay.process.program.errors.line(with: "destination=\"meeting \(association)\"")
        #expect(line?.contains("reason=finished") == true)
        #expect(try await relay.ask(JETPacket.connect(association)).reply.status == 404)
        await relay.stop()
    }

    @Test("accept-timeout: closed without a word, and 404 from then on") func acceptTimeout() async throws {
        let relay = try await MeetingRelay.start("timeout: 300ms")
        let (accepter, association) = try await relay.accepter()
        let (rest, end) = try await accepter.readToEnd()
        #expect(rest.readableBytes == 0 && end == .finished)
        #expect(try await relay.ask(JETPacket.connect(association)).reply.status == 404)
        await relay.stop()
    }

    @Test("an accepter that leaves is forgotten at once", arguments: ["", "words that nobody reads"])
    func accepterLeaves(early: String) async throws {
        let relay = try await MeetingRelay.start()
        let (accepter, association) = try await relay.accepter()
        if !early.isEmpty { try await accepter.send(early) }
        try await accepter.finish()
        #expect(try await accepter.readToEnd().end == .finished)
        #expect(try await relay.ask(JETPacket.connect(association)).reply.status == 404)
        await relay.stop()
    }

    @Test("accepter-early-data: also what came in one segment with the packet") func earlyData() async throws {
        let relay = try await MeetingRelay.start()
        let (accepter, association) = try await relay.accepter(early: "behind the packet, ")
        try await accepter.send("and a little later")
        let connecter = try await relay.connect()
        var bytes = JETPacket.connect(association)
        bytes.writeString("from the other side")
        try await connecter.send(bytes)
        #expect(try await connecter.reply().status == 200)
        #expect(try await connecter.text(37) == "behind the packet, and a little later")
        #expect(try await accepter.text(19) == "from the other side")
        connecter.close()
        accepter.close()
        await relay.stop()
    }

    @Test("a request in single bytes is a request") func singleBytes() async throws {
        let relay = try await MeetingRelay.start()
        let wire = try await relay.connect()
        // Not awaited one by one: a busy machine would take longer than a request may.
        for byte in JETPacket.accept().readableBytesView {
            wire.channel.writeAndFlush(ByteBuffer(bytes: [byte]), promise: nil)
        }
        #expect(try await wire.reply().status == 200)
        wire.close()
        await relay.stop()
    }

    @Test("garbage: closed without a reply", arguments: ["JET\0garbage!", "JET\0\0\u{7}ab", "JMUX", "hello there"])
    func garbage(text: String) async throws {
        let relay = try await MeetingRelay.start()
        let wire = try await relay.connect()
        try await wire.send(text)
        try await wire.finish()
        let (bytes, _) = try await wire.readToEnd()
        #expect(bytes.readableBytes == 0)
        #expect(try await relay.accepter().association.isEmpty == false)
        await relay.stop()
    }

    @Test("somebody who says nothing is let go when the handshake should be over") func silence() async throws {
        let folder = try Folder()
        let process = try await WarrenProcess.start(
            yaml: """
                relays: [{ name: meet, type: jet, listen: "127.0.0.1:0" }]
                limits: { handshake: 200ms }
                """, in: folder)
        for early in ["", "JET", "JET\0\u{1}"] {
            let wire = try await Wire.connect(to: process.address("meet"))
            try await wire.send(early)
            #expect(try await wire.readToEnd().bytes.readableBytes == 0)
        }
        await process.stop()
    }

    @Test("one accept is one session: of twenty who come at once, one is let in") func oneOfMany() async throws {
        let relay = try await MeetingRelay.start()
        let (accepter, association) = try await relay.accepter()
        let statuses = try await withThrowingTaskGroup(of: (Int, Wire).self) { tasks in
            for _ in 0..<20 {
                tasks.addTask {
                    let wire = try await relay.connect()
                    try await wire.send(JETPacket.connect(association))
                    return (try await wire.reply().status, wire)
                }
            }
            return try await tasks.reduce(into: [(Int, Wire)]()) { $0.append($1) }
        }
        #expect(statuses.count { $0.0 == 200 } == 1)
        #expect(statuses.allSatisfy { $0.0 == 200 || $0.0 == 400 })
        let winner = try #require(statuses.first { $0.0 == 200 }?.1)
        try await accepter.send("hello")
        #expect(try await winner.text(5) == "hello")
        for (_, wire) in statuses { wire.close() }
        accepter.close()
        await relay.stop()
    }

    @Test("a reset of one side is a reset of the other") func reset() async throws {
        let relay = try await MeetingRelay.start()
        let (accepter, connecter, _) = try await relay.pair()
        try await connecter.send("x")
        _ = try await accepter.read(1)
        try await connecter.reset()
        #expect(try await accepter.readToEnd().end == .reset)
        await relay.stop()
    }
}
