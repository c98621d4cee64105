// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Testing

/// The scenarios of version 2: associations that are called for, candidates, WebSockets.
@Suite(.timeLimit(.minutes(2))) struct JETSecondVersionTests {
    private static let ports = "[\"127.0.0.1:0\", \"ws://127.0.0.1:0\"]"

    @Test("v2-association-flow: called for, accepted, connected") func associationFlow() async throws {
        let relay = try await MeetingRelay.start(listen: Self.ports)
        let (association, candidates) = try await relay.gather()
        #expect(candidates.map { $0.url.prefix(while: { $0 != ":" }) } == ["tcp", "ws"])
        let candidate = try #require(candidates.first?.id)
        #expect(try await relay.ask(JETPacket.second("connect", association, candidate)).reply.status == 400)
        let accepter = try await relay.connect()
        try await accepter.send(JETPacket.second("accept", association, candidate))
        let reply = try await accepter.reply()
        #expect(reply.status == 200 && reply.headers["jet-version"] == "2")
        let connecter = try await relay.connect()
        try await connecter.send(JETPacket.second("connect", association, candidate))
        #expect(try await connecter.reply().status == 200)
        try await connecter.send("up")
        #expect(try await accepter.text(2) == "up")
        try await accepter.send("down")
        #expect(try await connecter.text(4) == "down")
        connecter.close()
        accepter.close()
        await relay.stop()
    }

    @Test("v2-accept-unknown-association 400, v2-accept-unknown-candidate 404, v2-connect-unknown-… 404")
    func unknown() async throws {
        let relay = try await MeetingRelay.start()
        let (association, candidates) = try await relay.gather()
        let nobody = JETPacket.anybody()
        let known = try #require(candidates.first?.id)
        let asked: [(String, String, String, Int)] = [
            ("accept", nobody, known, 400), ("accept", association, nobody, 404),
            ("connect", nobody, known, 404), ("connect", association, nobody, 404),
        ]
        for (word, id, candidate, status) in asked {
            let (reply, _, end) = try await relay.ask(JETPacket.second(word, id, candidate))
            #expect(reply.status == status, "\(word)")
            #expect(end == .finished)
        }
        await relay.stop()
    }

    @Test("v1-connect-to-v2-association: 400") func mismatch() async throws {
        let relay = try await MeetingRelay.start()
        let (association, _) = try await relay.gather()
        #expect(try await relay.ask(JETPacket.connect(association)).reply.status == 400)
        await relay.stop()
    }

    @Test("test-v2: 200 whatever the ids, then the end") func test() async throws {
        let relay = try await MeetingRelay.start()
        let request = JETPacket.second("test", JETPacket.anybody(), JETPacket.anybody())
        let (reply, rest, end) = try await relay.ask(request)
        #expect(reply.status == 200 && reply.headers["jet-version"] == "2")
        #expect(rest.readableBytes == 0 && end == .finished)
        await relay.stop()
    }

    @Test("a duplicate accept takes the place of the first one") func duplicate() async throws {
        let relay = try await MeetingRelay.start()
        let (association, candidates) = try await relay.gather()
        let candidate = try #require(candidates.first?.id)
        let (first, second) = (try await relay.connect(), try await relay.connect())
        try await first.send(JETPacket.second("accept", association, candidate))
        #expect(try await first.reply().status == 200)
        try await second.send(JETPacket.second("accept", association, candidate))
        #expect(try await second.reply().status == 200)
        #expect(try await first.readToEnd().end == .finished)
        second.close()
        await relay.stop()
    }

    @Test("a version that is not served gets 400", arguments: [("version: 1", 2), ("version: 2", 1), ("", 3)])
    func versions(keys: String, version: Int) async throws {
        let relay = try await MeetingRelay.start(keys)
        let id = JETPacket.anybody()
        let request =
            version == 1
            ? JETPacket.accept()
            : JETPacket.make([
                "GET /jet/accept/\(id)/\(id) HTTP/1.1", "Host: h", "Connection: Keep-Alive", "Jet-Version: \(version)",
            ])
        let (reply, _, end) = try await relay.ask(request)
        #expect(reply.status == 400 && reply.headers["jet-version"] == "\(version)")
        #expect(end == .finished)
        await relay.stop()
    }

    @Test("calls: health is open, the list is for this machine, a token guards both") func calls() async throws {
        let relay = try await MeetingRelay.start()
        let health = try await relay.call("GET /jet/health")
        #expect(health.status == 200 && health.body.contains("relay.test"))
        #expect(try await relay.call("GET /jet/association").status == 200)
        #expect(try await relay.call("GET /nothing").status == 404)
        #expect(try await relay.call("POST /jet/association/nonsense").status == 400)
        #expect(try await relay.call("GET /jet/accept/\(JETPacket.anybody())/\(JETPacket.anybody())").status == 426)
        await relay.stop()
        let folder = try Folder()
        let token = folder.write("token", "sesame\n")
        let guarded = try await MeetingRelay.start("tokenFile: \(token), api: \"127.0.0.1:0\"")
        #expect(try await guarded.call("GET /jet/association").status == 404)  // another port takes calls
        #expect(try await guarded.call("GET /health").status == 200)
        #expect(try await guarded.call("GET /jet/association", port: "meet.api").status == 401)
        #expect(try await guarded.call("GET /jet/association", port: "meet.api", token: "wrong").status == 401)
        #expect(try await guarded.call("GET /jet/association", port: "meet.api", token: "sesame").status == 200)
        await guarded.stop()
    }

    @Test("two WebSockets meet") func webSockets() async throws {
        let relay = try await MeetingRelay.start(listen: Self.ports)
        let port = try relay.process.port("meet.2")
        let (association, candidates) = try await relay.gather()
        let candidate = try #require(candidates.last?.id)
        let folder = try Folder()
        let far = try await Server.exchange()
        let names = ["--association", association, "--candidate", candidate]
        let accepter = try Program.start(
            WarrenProcess.executable,
            ["jet", "accept", "ws://127.0.0.1:\(port)", "--to", "127.0.0.1:\(far.port)"] + names, in: folder.path)
        #expect(await accepter.output(with: association) != nil)
        let connecter = try Program.start(
            WarrenProcess.executable,
            [
                "jet", "connect", "ws://127.0.0.1:\(port)", association, "--candidate", candidate,
                "--listen", "127.0.0.1:0",
            ], in: folder.path)
        let ready = try #require(await connecter.errors.line(with: "ready "))
        let front = Int(ready.split(separator: ":").last ?? "") ?? 0
        let wire = try await Wire.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: front))
        var head = ByteBuffer()
        head.writeMultipleIntegers(UInt64(9), UInt32(200_000), UInt32(300_000))
        head.writeImmutableBuffer(Exchange.up(9, 200_000))
        try await wire.send(head)
        let came = try await wire.read(300_001)
        #expect(came.getSlice(at: 0, length: 300_000) == Exchange.down(9, 300_000))
        #expect(came.readableBytesView.last == 1)
        wire.close()
        connecter.signal(SIGTERM)
        #expect(await connecter.outcome().code == 0)
        #expect(await accepter.outcome().code == 0, "it ends with its stream")
        try await far.stop()
        await relay.stop()
    }
}
