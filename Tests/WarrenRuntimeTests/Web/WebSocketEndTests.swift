// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenLoop

@testable import WarrenRuntime

private let normal = RawFrame(RawFrame.close, ByteBuffer(bytes: [0x03, 0xE8]))

@Suite struct WebSocketEndTests {
    @Test("one end stops sending and still receives, either way", arguments: [true, false])
    func halfClose(clientFirst: Bool) throws {
        let pair = try WebSocketPair()
        let (client, server) = (try #require(pair.client), try #require(pair.server))
        let (first, second) = clientFirst ? (client, server) : (server, client)
        let (firstProbe, secondProbe) =
            clientFirst ? (pair.clientProbe, pair.serverProbe) : (pair.serverProbe, pair.clientProbe)
        first.write(ByteBuffer(string: "question"))
        first.finish()
        pair.loop.runOnce()
        #expect(String(buffer: secondProbe.bytes) == "question")
        #expect(secondProbe.hasFinished && secondProbe.ends.isEmpty)
        for _ in 0..<100 { pair.loop.advance(by: .seconds(10)) }
        second.write(ByteBuffer(string: "answer"))
        second.finish()
        pair.loop.runOnce()
        #expect(String(buffer: firstProbe.bytes) == "answer")
        #expect(firstProbe.hasFinished)
        #expect(firstProbe.ends == [nil] && secondProbe.ends == [nil])
    }

    @Test func whatIsWrittenAfterTheFinishIsDropped() throws {
        let rig = try RawRig.server()
        rig.leg?.finish()
        rig.write("late")
        #expect(rig.raw.frames == [normal])
        rig.raw.send(RawFrame(RawFrame.ping, "p").masked)
        rig.raw.send(RawFrame(RawFrame.binary, "still").masked)
        #expect(rig.raw.frames == [normal])
        #expect(rig.received == "still")
    }

    @Test func anOrdinaryPeerThatAnswersOurCloseEndsBoth() throws {
        let rig = try RawRig.server()
        rig.leg?.finish()
        rig.loop.runOnce()
        #expect(rig.raw.frames == [normal])
        rig.raw.send(normal.masked)
        // The server closes the connection first.
        #expect(rig.raw.probe.hasFinished)
        rig.raw.finish()
        #expect(rig.probe.hasFinished && rig.probe.ends == [nil])
    }

    @Test func aClientWaitsForTheServerToClose() throws {
        let rig = RawRig.client()
        rig.leg?.finish()
        rig.loop.runOnce()
        rig.raw.send(normal.bytes())
        rig.leg?.end(nil)
        rig.loop.advance(by: .milliseconds(1999))
        #expect(!rig.raw.probe.hasFinished && rig.probe.ends.isEmpty)
        rig.loop.advance(by: .milliseconds(1))
        #expect(rig.raw.probe.hasFinished)
        rig.raw.finish()
        #expect(rig.probe.ends == [nil])
    }

    @Test func aClientGoesWithTheServer() throws {
        let rig = RawRig.client()
        rig.raw.send(normal.bytes())
        #expect(rig.probe.hasFinished && rig.probe.ends.isEmpty)
        rig.leg?.finish()
        rig.raw.finish()
        #expect(rig.probe.ends == [nil] && rig.raw.probe.ends == [nil])
    }

    @Test func anOrderlyEndSaysCloseAndLetsEverythingArrive() throws {
        let pair = try WebSocketPair()
        pair.client?.write(ByteBuffer(repeating: 1, count: 500_000))
        pair.client?.end(nil)
        pair.loop.runOnce()
        #expect(pair.serverProbe.bytes.readableBytes == 500_000)
        #expect(pair.serverProbe.hasFinished)
        #expect(pair.serverProbe.ends == [nil] && pair.clientProbe.ends == [nil])
    }

    @Test func aLegThatDoesNotReadEndsAllTheSame() throws {
        let rig = try RawRig.server()
        rig.leg?.setReading(false)
        rig.raw.send(RawFrame(RawFrame.binary, "unread").masked)
        rig.leg?.end(nil)
        rig.loop.runOnce()
        rig.raw.send(RawFrame(RawFrame.binary, "unread").masked)
        rig.raw.send(normal.masked)
        rig.raw.finish()
        #expect(rig.probe.ends == [nil])
        #expect(rig.raw.probe.ends == [nil])
    }

    @Test("an end without a Close frame is an abrupt one", arguments: [true, false]) func abrupt(isServer: Bool) throws
    {
        let rig = isServer ? try RawRig.server() : RawRig.client()
        rig.raw.send(RawFrame(RawFrame.binary, "x").bytes(mask: isServer ? [1, 2, 3, 4] : nil))
        rig.raw.finish()
        #expect(rig.received == "x")
        #expect(!rig.probe.hasFinished)
        #expect(rig.probe.ends == [.aborted])
    }

    @Test func anEndWithoutTheAnswerToOurCloseIsAbruptToo() throws {
        let rig = try RawRig.server()
        rig.leg?.finish()
        rig.raw.finish()
        #expect(rig.probe.ends == [.aborted])
    }

    @Test(
        "a Close frame with a reason that says that all is said",
        arguments: [1000, 1001, 3000, 4999] as [UInt16?] + [nil])
    func orderlyReasons(code: UInt16?) throws {
        let rig = try RawRig.server()
        rig.raw.send(RawFrame(RawFrame.close, .reason(code, "bye")).masked)
        #expect(rig.probe.hasFinished && rig.probe.ends.isEmpty)
        rig.leg?.finish()
        rig.raw.finish()
        #expect(rig.probe.ends == [nil])
        #expect(rig.raw.frames == [normal])
    }

    @Test("a peer that gave up has not said everything", arguments: [1002, 1003, 1007, 1009, 1011, 1014] as [UInt16])
    func disorderlyReasons(code: UInt16) throws {
        let rig = try RawRig.server()
        rig.raw.send(RawFrame(RawFrame.close, .reason(code, "no")).masked)
        #expect(!rig.probe.hasFinished)
        #expect(rig.raw.frames == [normal])
        rig.raw.finish()
        #expect(rig.probe.ends == [.aborted])
    }

    @Test(
        "reasons that no peer may give are violations",
        arguments: [
            (.reason(0), 0x03EA), (.reason(999), 0x03EA), (.reason(1004), 0x03EA), (.reason(1005), 0x03EA),
            (.reason(1006), 0x03EA), (.reason(1015), 0x03EA), (.reason(2999), 0x03EA), (.reason(5000), 0x03EA),
            (ByteBuffer(bytes: [0x03]), 0x03EA), (ByteBuffer(bytes: [0x03, 0xE8, 0xFF, 0xFE]), 0x03EF),
        ] as [(ByteBuffer, UInt16)])
    func impossibleReasons(payload: ByteBuffer, answer: UInt16) throws {
        let rig = try RawRig.server()
        rig.raw.send(RawFrame(RawFrame.close, payload).masked)
        #expect(rig.raw.frames == [RawFrame(RawFrame.close, .reason(answer))])
        rig.raw.finish()
        #expect(!rig.probe.hasFinished)
        #expect(rig.probe.ends == [.failed])
    }

    /// TLS tells of the end by itself, whether or not anybody reads.
    @Test("an end that comes before the leg begins waits behind the frames", arguments: [true, false])
    func earlyEnd(saysClose: Bool) throws {
        let (loop, transport, service) = (SocketLoop.manual(), ScriptedLeg(), RecordingService())
        try service.install(on: transport, loop: loop)
        transport.receive(Handshake.request())
        loop.runOnce()
        var bytes = RawFrame(RawFrame.binary, "early").masked
        if saysClose { bytes.writeImmutableBuffer(normal.masked) }
        transport.events?.received(bytes, by: transport)
        transport.events?.receivedBurst(by: transport)
        transport.receiveEnd()
        let probe = LegProbe(loop)
        defer { probe.letGo() }
        let leg = try #require(service.legs.first)
        leg.events = probe
        leg.begin()
        #expect(probe.bytes.readableBytes == 0 && probe.ends.isEmpty)
        loop.runOnce()
        #expect(String(buffer: probe.bytes) == "early")
        #expect(probe.hasFinished == saysClose)
        #expect(probe.ends == [saysClose ? nil : .aborted])
    }

    @Test func aPeerThatEndsTheConnectionBehindItsCloseHasEndedBoth() throws {
        let rig = try RawRig.server()
        rig.raw.leg.write(normal.masked)
        rig.raw.finish()
        #expect(rig.probe.hasFinished && rig.probe.ends == [nil])
        #expect(rig.raw.frames == [normal])
    }

    @Test func aFaultIsAReset() throws {
        let pair = try WebSocketPair()
        pair.client?.end(.timedOut)
        pair.loop.runOnce()
        #expect(pair.clientProbe.ends == [.timedOut])
        #expect(pair.serverProbe.ends == [.aborted])
    }

    @Test func framesBehindTheCloseAreDropped() throws {
        let rig = try RawRig.server()
        rig.raw.send(normal.masked)
        rig.raw.send(RawFrame(RawFrame.binary, "late").masked)
        rig.raw.send(normal.masked)
        #expect(rig.received == "" && rig.probe.ends.isEmpty)
        rig.write("still")
        #expect(rig.raw.frames == [RawFrame(RawFrame.binary, "still")])
    }

    @Test func nothingStaysBehindAConnection() throws {
        var pair: WebSocketPair? = try WebSocketPair()
        weak let service = pair?.service
        weak let client = pair?.client
        weak let server = pair?.server
        #expect(service != nil && client != nil && server != nil)
        pair?.client?.end(nil)
        pair?.loop.runOnce()
        pair = nil
        #expect(service == nil && client == nil && server == nil)
    }

    @Test func nothingStaysBehindAnAttempt() throws {
        for answer in ["HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", "", Handshake.answer()] {
            var rig: RawRig? = RawRig.client(answers: false)
            weak let attempt = rig?.attempt
            #expect(attempt != nil)
            if answer.isEmpty { rig?.attempt?.cancel() } else { rig?.raw.send(answer) }
            rig?.leg?.end(nil)
            rig?.raw.finish()
            rig = nil
            #expect(attempt == nil, "\(answer)")
        }
    }
}

extension ByteBuffer {
    /// The payload of a Close frame.
    fileprivate static func reason(_ code: UInt16?, _ text: String = "") -> ByteBuffer {
        guard let code else { return ByteBuffer() }
        var payload = ByteBuffer(integer: code)
        payload.writeString(text)
        return payload
    }
}
