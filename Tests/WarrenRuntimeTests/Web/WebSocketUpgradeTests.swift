// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenLoop
import WarrenTesting

@testable import WarrenRuntime

@Suite struct WebSocketUpgradeTests {
    @Test("both ends speak to each other, however the bytes arrive", arguments: [1, 7, 100, Int.max])
    func bothRoles(step: Int) throws {
        let pair = try WebSocketPair(step: step)
        let (client, server) = (try #require(pair.client), try #require(pair.server))
        client.write(ByteBuffer(string: "to the server"))
        client.flush()
        server.write(ByteBuffer(string: "to the client"))
        server.flush()
        pair.loop.runOnce()
        #expect(String(buffer: pair.serverProbe.bytes) == "to the server")
        #expect(String(buffer: pair.clientProbe.bytes) == "to the client")
        #expect(pair.clientProbe.sent == 13 && pair.serverProbe.sent == 13)
        #expect(pair.service.lines == ["upgrade /tunnel", "upgraded token"])
    }

    @Test func theServerProvesTheKeyOfTheStandard() throws {
        let rig = try RawRig.server()
        #expect(rig.raw.text.hasPrefix("HTTP/1.1 101 Switching Protocols\r\n"))
        #expect(rig.raw.text.contains("Sec-WebSocket-Accept: \(Handshake.accept)\r\n"))
        #expect(!rig.raw.text.lowercased().contains("sec-websocket-protocol"))
        rig.raw.send(RawFrame(RawFrame.binary, "Hello").masked)
        #expect(rig.received == "Hello")
        rig.write("world")
        #expect(rig.raw.frames == [RawFrame(RawFrame.binary, "world")])
    }

    @Test func theFirstOfferedSubprotocolIsEchoed() throws {
        let rig = try RawRig.server(asks: false)
        rig.raw.send(Handshake.request(more: "Sec-WebSocket-Protocol: one, two\r\n"))
        #expect(rig.raw.text.contains("Sec-WebSocket-Protocol: one\r\n"))
    }

    @Test func theClientAsksAsTheStandardWantsIt() throws {
        let client = WebSocketClient(host: "relay.test", path: "/t?id=1", headers: [("Authorization", "Bearer x")])
        let rig = RawRig.client(client)
        let text = rig.raw.text
        #expect(text.hasPrefix("GET /t?id=1 HTTP/1.1\r\nHost: relay.test\r\n"))
        for line in [
            "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", "Authorization: Bearer x",
            "Sec-WebSocket-Key: \(Handshake.key)",
        ] { #expect(text.contains("\(line)\r\n")) }
        rig.write("hi")
        let sent = try #require(rig.raw.frames.first)
        #expect(sent == RawFrame(RawFrame.binary, "hi"))
        rig.raw.send(RawFrame(RawFrame.binary, "you").bytes())
        #expect(rig.received == "you")
    }

    @Test func aClientMasksEveryFrameWithAnotherKey() throws {
        let rig = RawRig.client()
        let before = rig.raw.probe.bytes.readableBytes
        for _ in 0..<8 { rig.write("aaaa") }
        let frames = Chunks.of(10, try #require(rig.raw.probe.bytes.getSlice(at: before, length: 80)))
        #expect(frames.allSatisfy { $0.getInteger(at: $0.readerIndex + 1, as: UInt8.self) == 0x84 })
        #expect(Set(frames).count > 1)
    }

    @Test func theServerTakesItsRequestAndFirstFramesInAnyPieces() throws {
        var bytes = ByteBuffer(string: Handshake.request())
        bytes.writeImmutableBuffer(RawFrame(RawFrame.binary, "first").masked)
        bytes.writeImmutableBuffer(RawFrame(0x01, "sec").masked)
        bytes.writeImmutableBuffer(RawFrame(0x80, "ond").masked)
        for pieces in Chunks.everySplit(of: bytes) {
            let rig = try RawRig.server(asks: false)
            for piece in pieces { rig.raw.send(piece) }
            #expect(rig.received == "firstsecond")
        }
    }

    @Test func theClientTakesItsAnswerAndFirstFramesInAnyPieces() throws {
        var bytes = ByteBuffer(string: Handshake.answer())
        bytes.writeImmutableBuffer(RawFrame(RawFrame.binary, "first").bytes())
        bytes.writeImmutableBuffer(RawFrame(RawFrame.binary, "second").bytes())
        for pieces in Chunks.everySplit(of: bytes) {
            let rig = RawRig.client(answers: false)
            for piece in pieces { rig.raw.send(piece) }
            #expect(rig.received == "firstsecond")
        }
    }

    @Test("what comes before the leg begins waits, its end too", arguments: [true, false])
    func earlyBytesWait(isServer: Bool) throws {
        let frames = [RawFrame(RawFrame.binary, "early"), RawFrame(RawFrame.ping, "p"), RawFrame(RawFrame.close)]
        var bytes = ByteBuffer(string: isServer ? Handshake.request() : Handshake.answer())
        for frame in frames { bytes.writeImmutableBuffer(isServer ? frame.masked : frame.bytes()) }
        let rig =
            isServer ? try RawRig.server(begins: false, asks: false) : RawRig.client(begins: false, answers: false)
        rig.raw.send(bytes)
        let leg = try #require(rig.leg)
        #expect(rig.received == "")
        leg.begin()
        #expect(rig.received == "")
        rig.loop.runOnce()
        #expect(rig.received == "early")
        #expect(rig.probe.hasFinished && rig.probe.ends.isEmpty)
        #expect(rig.raw.frames == [RawFrame(RawFrame.pong, "p")])
    }

    @Test(
        "a refusal names what the relay answered",
        arguments: [
            ("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "the relay answered 403"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "the relay answered 200"),
            (Handshake.answer(accept: "AAAA"), "the relay answered 101, but not to our WebSocket request"),
            (
                "HTTP/1.1 101 Switching\r\nSec-WebSocket-Accept: \(Handshake.accept)\r\n\r\n",
                "the relay answered 101, but not to our WebSocket request"
            ),
            ("SSH-2.0-x\r\n\r\n", "the relay does not answer in HTTP"),
        ]
    )
    func refusals(answer: String, sentence: String) {
        let rig = RawRig.client(answers: false)
        rig.raw.send(answer)
        #expect(rig.failures == [sentence])
        #expect(rig.leg == nil)
        rig.raw.finish()
        #expect(rig.raw.probe.ends.count == 1)
    }

    @Test(
        "a relay that wants what was not offered is refused",
        arguments: [
            (
                "Sec-WebSocket-Extensions: permessage-deflate\r\n",
                "the relay wants a WebSocket extension that was not offered"
            ),
            ("Sec-WebSocket-Protocol: chat\r\n", "the relay wants a WebSocket subprotocol that was not offered"),
        ])
    func unaskedExtras(header: String, sentence: String) {
        let rig = RawRig.client(answers: false)
        rig.raw.send(Handshake.answer().replacing("Upgrade: websocket\r\n", with: "Upgrade: websocket\r\n\(header)"))
        #expect(rig.failures == [sentence])
        #expect(rig.leg == nil)
    }

    @Test(
        "of the subprotocols that were offered the relay may want one",
        arguments: [("b", true), ("a, b", false), ("c", false)])
    func offeredSubprotocol(chosen: String, isTaken: Bool) {
        let client = WebSocketClient(host: "a", path: "/tunnel", headers: [("Sec-WebSocket-Protocol", "a, b")])
        let rig = RawRig.client(client, answers: false)
        let header = "Sec-WebSocket-Protocol: \(chosen)\r\n"
        rig.raw.send(Handshake.answer().replacing("Upgrade: websocket\r\n", with: "Upgrade: websocket\r\n\(header)"))
        #expect((rig.leg != nil) == isTaken)
    }

    @Test func anExtensionThatIsOfferedIsNotTaken() throws {
        let rig = try RawRig.server(asks: false)
        rig.raw.send(Handshake.request(more: "Sec-WebSocket-Extensions: permessage-deflate\r\n"))
        #expect(rig.raw.text.hasPrefix("HTTP/1.1 101 ") && !rig.raw.text.lowercased().contains("extensions"))
    }

    @Test func aHeadWithoutEndIsRefused() {
        let rig = RawRig.client(answers: false)
        rig.raw.send("HTTP/1.1 101 Switching\r\n" + String(repeating: "A: bbbbbbbb\r\n", count: 200))
        #expect(rig.failures == ["the relay does not answer in HTTP"])
    }

    @Test func theAnswerHasToComeInTime() {
        let rig = RawRig.client(answers: false)
        rig.loop.advance(by: .seconds(9))
        #expect(rig.failures == [])
        rig.loop.advance(by: .seconds(1))
        #expect(rig.failures == ["the relay did not answer the WebSocket request in time"])
        #expect(rig.raw.probe.ends == [.aborted])
    }

    @Test func anEndInsteadOfAnAnswerIsTold() {
        let rig = RawRig.client(answers: false)
        rig.raw.finish()
        #expect(rig.failures == ["the relay closed the connection instead of an answer"])
        #expect(rig.raw.probe.ends == [nil])
    }

    @Test func aCancelledAttemptClosesAndDoesNotAnswer() {
        let rig = RawRig.client(answers: false)
        rig.attempt?.cancel()
        rig.loop.runOnce()
        #expect(rig.failures == [] && rig.leg == nil)
        #expect(rig.raw.probe.ends == [.aborted])
    }

    @Test(
        "what HTTP cannot carry is not sent",
        arguments: [
            WebSocketClient(host: "a", path: "no/slash"), WebSocketClient(host: "a", path: "/a b"),
            WebSocketClient(host: "a\r\nX: y", path: "/"),
            WebSocketClient(host: "a", path: "/", headers: [("A", "\r\nB: c")]),
            WebSocketClient(host: "a", path: "/", headers: [("A B", "c")]),
        ]
    )
    func badConfiguration(client: WebSocketClient) {
        let rig = RawRig.client(client, answers: false)
        #expect(rig.failures == ["the path or a header of the WebSocket request cannot be sent as HTTP"])
        #expect(rig.raw.text == "")
    }
}
