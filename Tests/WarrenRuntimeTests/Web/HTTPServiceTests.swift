// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOHTTP1
import Testing
import WarrenCore
import WarrenLoop
import WarrenTesting

@testable import WarrenRuntime

@Suite struct HTTPServiceTests {
    /// The status lines of what came back.
    private func statuses(_ rig: RawRig) -> [String] {
        let answers = rig.raw.text.split(separator: "HTTP/1.1 ")
        return answers.map { String($0.prefix { $0 != "\r\n" }) }
    }

    @Test func answersARequest() throws {
        let rig = try RawRig.server(asks: false)
        rig.raw.send("GET /hello HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer x\r\n\r\n")
        #expect(rig.raw.text == "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        #expect(rig.service.lines == ["GET /hello  as Bearer x"])
        rig.raw.send("DELETE /there HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(self.statuses(rig) == ["200 OK", "404 Not Found"])
        #expect(!rig.raw.probe.hasFinished)
    }

    @Test func answersPipelinedRequestsInTheirOrderHoweverTheyArrive() throws {
        let requests =
            "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\none"
            + "POST /hello HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\ntw\r\n1\r\no\r\n0\r\n\r\n"
        for pieces in Chunks.everySplit(of: ByteBuffer(string: requests)) {
            let rig = try RawRig.server(asks: false)
            for piece in pieces { rig.raw.send(piece) }
            #expect(rig.service.lines == ["POST /a one", "POST /hello two"])
            #expect(self.statuses(rig) == ["404 Not Found", "200 OK"])
        }
    }

    @Test func answersHEADWithoutBody() throws {
        let rig = try RawRig.server(asks: false)
        rig.raw.send("HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\nGET /empty HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(
            rig.raw.text == "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n")
    }

    @Test func aPathThatIsAWebSocketOnlyWantsAnUpgrade() throws {
        let rig = try RawRig.server(asks: false)
        rig.raw.send("GET /tunnel HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(self.statuses(rig) == ["426 Upgrade Required"])
        #expect(rig.raw.text.contains("Upgrade: websocket\r\n"))
        rig.raw.send(Handshake.request())
        #expect(self.statuses(rig) == ["426 Upgrade Required", "101 Switching Protocols"])
        #expect(rig.leg != nil)
    }

    @Test(
        "the connection ends where the client wants it to",
        arguments: [
            "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "GET /hello HTTP/1.0\r\n\r\n",
            // The parser stops behind it.
            "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
        ]
    )
    func closes(request: String) throws {
        let rig = try RawRig.server(asks: false)
        rig.raw.send(request + request)
        #expect(self.statuses(rig) == ["200 OK"])
        #expect(rig.raw.text.contains("Connection: close\r\n"))
        #expect(rig.raw.probe.hasFinished)
    }

    @Test func anOldClientMayKeepItsConnection() throws {
        let rig = try RawRig.server(asks: false)
        rig.raw.send("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        #expect(rig.raw.text.contains("Connection: keep-alive\r\n"))
        #expect(!rig.raw.probe.hasFinished)
    }

    @Test(
        "what cannot be served is refused and the connection closed",
        arguments: [
            ("nonsense\r\n\r\n", "400 Bad Request"), ("GET / HTTP/1.1\r\nA b: c\r\n\r\n", "400 Bad Request"),
            ("GET / HTTP/2.0\r\n\r\n", "400 Bad Request"),
            ("POST / HTTP/1.1\r\nContent-Length: 65537\r\n\r\n", "413 Payload Too Large"),
            ("POST / HTTP/1.1\r\nContent-Length: 9223372036854775807\r\n\r\n", "413 Payload Too Large"),
            ("POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", "400 Bad Request"),
            (
                "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n10001\r\n"
                    + String(repeating: "x", count: 65_537),
                "413 Payload Too Large"
            ),
            ("GET / HTTP/1.1\r\nA: " + String(repeating: "x", count: 9000), "431 Request Header Fields Too Large"),
            ("GET /" + String(repeating: "x", count: 20_000), "431 Request Header Fields Too Large"),
            (
                "GET / HTTP/1.1\r\n" + String(repeating: "A: b\r\n", count: 101),
                "431 Request Header Fields Too Large"
            ),
        ]
    )
    func refuses(request: String, status: String) throws {
        let rig = try RawRig.server(asks: false)
        rig.raw.send(request)
        #expect(self.statuses(rig) == [status])
        #expect(rig.service.lines == [])
        #expect(rig.raw.probe.hasFinished)
        rig.raw.send("GET /hello HTTP/1.1\r\n\r\n")
        #expect(rig.service.lines == [])
    }

    @Test func aBodyOfTheLargestSizeIsTaken() throws {
        let rig = try RawRig.server(asks: false)
        let body = String(repeating: "x", count: 65_536)
        rig.raw.send("POST /hello HTTP/1.1\r\nContent-Length: 65536\r\n\r\n" + body)
        #expect(rig.service.lines == ["POST /hello " + body])
    }

    @Test(
        "an upgrade that is not one is refused",
        arguments: [
            (Handshake.request("/other"), "403 Forbidden"),
            (
                "GET /tunnel HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    + "Sec-WebSocket-Version: 13\r\n\r\n", "400 Bad Request"
            ),
            (
                "GET /tunnel HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: a\r\n"
                    + "Sec-WebSocket-Version: 8\r\n\r\n", "426 Upgrade Required"
            ),
            (
                "GET /tunnel HTTP/1.1\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a\r\n"
                    + "Sec-WebSocket-Version: 13\r\n\r\n", "426 Upgrade Required"
            ),
            (
                "POST /tunnel HTTP/1.1\r\nContent-Length: 0\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    + "Sec-WebSocket-Key: a\r\nSec-WebSocket-Version: 13\r\n\r\n", "426 Upgrade Required"
            ),
        ]
    )
    func refusesUpgrades(request: String, status: String) throws {
        let rig = try RawRig.server(asks: false)
        rig.raw.send(request)
        #expect(self.statuses(rig) == [status])
        #expect(rig.raw.probe.hasFinished)
        #expect(rig.leg == nil)
    }

    @Test func anUpgradeBehindPipelinedRequestsIsServed() throws {
        let rig = try RawRig.server(asks: false)
        var bytes = ByteBuffer(string: "GET /hello HTTP/1.1\r\n\r\n" + Handshake.request())
        bytes.writeImmutableBuffer(RawFrame(RawFrame.binary, "frame").masked)
        rig.raw.send(bytes)
        #expect(self.statuses(rig) == ["200 OK", "101 Switching Protocols"])
        #expect(rig.received == "frame")
    }

    @Test func anUpgradeThatDiesBeforeItIsUpIsAbandoned() throws {
        let rig = try RawRig.server(asks: false)
        // Granted now, up a turn later; the connection goes in between.
        rig.raw.leg.write(ByteBuffer(string: Handshake.request()))
        rig.raw.leg.flush()
        rig.service.onGrant = { rig.raw.leg.end(.aborted) }
        rig.loop.runOnce()
        #expect(rig.service.lines == ["upgrade /tunnel", "abandoned token"])
        #expect(rig.leg == nil)
    }

    @Test func whatARefusedClientStillSendsIsReadAndDropped() throws {
        let rig = try RawRig.server(asks: false)
        rig.raw.send("POST / HTTP/1.1\r\nContent-Length: 100000\r\n\r\n")
        for _ in 0..<10 { rig.raw.send(String(repeating: "x", count: 10_000)) }
        rig.raw.finish()
        #expect(rig.raw.probe.ends == [nil])
    }

    @Test func aSlowRequestIsGivenUp() throws {
        let head = try RawRig.server(asks: false)
        head.raw.send("GET / HT")
        head.loop.advance(by: .seconds(9))
        head.raw.send("TP/1.1\r\n")
        #expect(!head.raw.probe.hasFinished)
        head.loop.advance(by: .seconds(1))
        #expect(head.raw.probe.hasFinished && head.raw.text == "")
        let body = try RawRig.server(asks: false)
        body.raw.send("POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nx")
        body.loop.advance(by: .seconds(10))
        #expect(self.statuses(body) == ["408 Request Timeout"])
        #expect(body.raw.probe.hasFinished)
    }

    @Test func anIdleConnectionIsClosedAfterAMinuteAndASlowOneSooner() throws {
        let idle = try RawRig.server(asks: false)
        idle.raw.send("GET /hello HTTP/1.1\r\n\r\n")
        idle.loop.advance(by: .seconds(59))
        #expect(!idle.raw.probe.hasFinished)
        idle.loop.advance(by: .seconds(1))
        #expect(idle.raw.probe.hasFinished)
        let slow = try RawRig.server(asks: false)
        slow.raw.send("GET /hello HTTP/1.1\r\n\r\n")
        slow.loop.advance(by: .seconds(30))
        slow.raw.send("GET /hel")
        slow.loop.advance(by: .seconds(9))
        #expect(!slow.raw.probe.hasFinished)
        slow.loop.advance(by: .seconds(1))
        #expect(slow.raw.probe.hasFinished)
    }

    @Test func aClientThatHasSaidAllStillGetsItsAnswer() throws {
        let rig = try RawRig.server(asks: false)
        rig.raw.leg.write(ByteBuffer(string: "GET /hello HTTP/1.1\r\n\r\n"))
        rig.raw.finish()
        #expect(self.statuses(rig) == ["200 OK"])
        #expect(rig.raw.probe.ends == [nil])
    }

    @Test("random bytes never trap") func fuzz() throws {
        var random = SeededRandom(23)
        let seed = ByteBuffer(
            string: Handshake.request(more: "Content-Length: 3\r\n") + "abcGET /hello HTTP/1.1\r\n\r\n")
        for _ in 0..<300 {
            let rig = try RawRig.server(asks: false)
            var bytes = seed
            for _ in 0..<3 {
                let place = Int.random(in: 0..<bytes.readableBytes, using: &random)
                bytes.setInteger(UInt8.random(in: 0...255, using: &random), at: place)
            }
            for piece in Chunks.random(bytes, most: 100, using: &random) { rig.raw.send(piece) }
            rig.raw.finish()
            rig.loop.advance(by: .seconds(120))
            #expect(rig.raw.probe.ends.count == 1)
        }
    }
}
