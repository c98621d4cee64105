// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOSSL
import Testing
import WarrenCore
import WarrenLoop
import WarrenTesting

@testable import WarrenRuntime

/// Both ends of a TLS connection over legs in memory.
private final class Rig {
    let loop: SocketLoop
    let client: ChannelLeg
    /// What the client's TLS goes over.
    let transport: any Leg
    let clientProbe: LegProbe
    let serverProbe: LegProbe
    var server: ChannelLeg? { self.box.leg }
    private let box = Box()

    private final class Box { var leg: ChannelLeg? }

    /// - Parameter step: how many bytes arrive at a time.
    convenience init(
        step: Int = .max, timeout: TimeAmount = .seconds(10), ends: TLSEnds = .announced,
        clientEnds: TLSEnds = .announced, newest: TLSVersion? = nil
    ) throws {
        let loop = SocketLoop.manual()
        let (near, far) = MemoryLeg.pair(on: loop, step: step)
        try self.init(near, far, on: loop, timeout: timeout, ends: ends, clientEnds: clientEnds, newest: newest)
    }

    /// - Parameters:
    ///   - near: what the client's TLS goes over.
    ///   - far: what the server's does.
    init(
        _ near: any Leg, _ far: any Leg, on loop: SocketLoop, timeout: TimeAmount = .seconds(10),
        ends: TLSEnds = .announced, clientEnds: TLSEnds = .announced, newest: TLSVersion? = nil
    ) throws {
        self.loop = loop
        let probe = LegProbe(self.loop, needs: .counts)
        let box = self.box
        let gate = TLSHandshakeHandler(timeout: timeout) { channel in
            let leg = try ChannelLeg.last(of: channel)
            leg.events = probe
            box.leg = leg
            leg.begin()
        } onFailure: {
            Issue.record("\($0)")
        }
        let server = TLSServer(context: try TestCertificate.server(), ends: ends)
        try LegChannel(far, on: self.loop).start(server.makeHandlers() + [gate])
        self.transport = near
        let channel = LegChannel(near, on: self.loop)
        let tls = try NIOSSLClientHandler(context: TestCertificate.client(newest: newest), serverHostname: nil)
        try channel.start([tls, TLSEndHandler(clientEnds)])
        self.client = try ChannelLeg.last(of: channel)
        self.serverProbe = probe
        self.clientProbe = LegProbe(self.loop, needs: .counts)
        self.client.events = self.clientProbe
        self.client.begin()
    }

    deinit {
        for probe in [self.clientProbe, self.serverProbe] {
            probe.finished.succeed()
            probe.ended.succeed(nil)
        }
    }
}

@Suite struct TLSOverLegsTests {
    private static let megabyte: ByteBuffer = {
        var random = SeededRandom(11)
        return random.bytes(1 << 20)
    }()

    @Test(
        "bytes go both ways through TLS, however they arrive, and every one is counted", arguments: [7, 1000, Int.max]
    )
    func carriesBytes(step: Int) throws {
        let bytes = step < 100 ? try #require(Self.megabyte.getSlice(at: 0, length: 5000)) : Self.megabyte
        let rig = try Rig(step: step)
        rig.loop.runOnce()
        let server = try #require(rig.server)
        rig.client.write(bytes)
        rig.client.flush()
        rig.loop.runOnce()
        #expect(rig.serverProbe.bytes == bytes)
        #expect(rig.clientProbe.sent == bytes.readableBytes)
        for chunk in Chunks.of(3000, bytes) { server.write(chunk) }
        server.flush()
        rig.loop.runOnce()
        #expect(rig.clientProbe.bytes == bytes)
        #expect(rig.serverProbe.sent == bytes.readableBytes)
    }

    @Test func whatIsWrittenBeforeTheHandshakeIsNotLost() throws {
        let rig = try Rig()
        rig.client.write(ByteBuffer(string: "early"))
        rig.client.flush()
        rig.loop.runOnce()
        #expect(String(buffer: rig.serverProbe.bytes) == "early")
    }

    @Test func aLegThatIsNotReadingGetsNothing() throws {
        let rig = try Rig()
        rig.loop.runOnce()
        let server = try #require(rig.server)
        server.setReading(false)
        rig.client.write(ByteBuffer(string: "first"))
        rig.client.flush()
        rig.loop.runOnce()
        rig.client.write(ByteBuffer(string: "second"))
        rig.client.flush()
        rig.loop.runOnce()
        // One read may have been under way.
        #expect(!String(buffer: rig.serverProbe.bytes).contains("second"))
        server.setReading(true)
        rig.loop.runOnce()
        #expect(String(buffer: rig.serverProbe.bytes) == "firstsecond")
    }

    @Test("a reader inside TLS that has stopped holds up who sends from another loop, or through a tunnel")
    func pressurePassesThroughInnerLegs() throws {
        let loop = SocketLoop.manual()
        let (near, far) = CrossingLeg.pair(loop, from: nil)
        let rig = try Rig(near, far, on: loop)
        rig.loop.runOnce()
        let server = try #require(rig.server)
        server.setReading(false)
        for _ in 0..<20 where rig.client.isWritable {
            for chunk in Chunks.of(10_000, Self.megabyte) where rig.client.isWritable {
                rig.client.write(chunk)
                rig.client.flush()
                rig.loop.runOnce()
            }
        }
        #expect(!rig.client.isWritable)
        #expect(rig.serverProbe.bytes.readableBytes < 64 << 10)
        server.setReading(true)
        rig.loop.runOnce()
        #expect(rig.client.isWritable)
    }

    @Test("an orderly end lets everything arrive and says so") func endsInOrder() throws {
        let rig = try Rig()
        rig.loop.runOnce()
        let server = try #require(rig.server)
        rig.client.write(Self.megabyte)
        rig.client.end(nil)
        rig.loop.runOnce()
        #expect(rig.serverProbe.bytes == Self.megabyte)
        #expect(rig.serverProbe.ends.allSatisfy { $0 == nil })
        server.end(nil)
        rig.loop.runOnce()
        #expect(rig.clientProbe.ends == [nil])
        #expect(rig.serverProbe.ends == [nil])
    }

    @Test("an end of the transport that TLS has not announced is a reset, and what came before arrives")
    func aTruncationIsNoEnd() throws {
        let rig = try Rig()
        rig.loop.runOnce()
        rig.client.write(ByteBuffer(string: "a part"))
        rig.client.flush()
        rig.transport.finish()
        rig.loop.runOnce()
        #expect(String(buffer: rig.serverProbe.bytes) == "a part")
        #expect(rig.serverProbe.ends == [.aborted])
    }

    @Test(
        "where it is allowed, and where nobody announces his end, it is an end of the input, and answers still leave",
        arguments: [(.taken, nil), (.bareBefore13, .tlsv12)] as [(TLSEnds, TLSVersion?)])
    func aTruncationCanBeAllowed(ends: TLSEnds, newest: TLSVersion?) throws {
        let rig = try Rig(ends: ends, newest: newest)
        rig.loop.runOnce()
        let server = try #require(rig.server)
        rig.client.write(ByteBuffer(string: "all"))
        rig.client.flush()
        rig.transport.finish()
        rig.loop.runOnce()
        #expect(String(buffer: rig.serverProbe.bytes) == "all")
        #expect(rig.serverProbe.ends.isEmpty)
        server.write(ByteBuffer(string: "answer"))
        server.end(nil)
        rig.loop.runOnce()
        #expect(String(buffer: rig.clientProbe.bytes) == "answer")
        #expect(rig.serverProbe.ends == [nil])
    }

    @Test("bare ends: ours is the transport's and nothing else, after all that was written; so is the peer's")
    func nobodyAnnouncesItsEnd() throws {
        let rig = try Rig(ends: .bareBefore13, newest: .tlsv12)
        rig.loop.runOnce()
        let server = try #require(rig.server)
        server.write(Self.megabyte)
        server.finish()
        rig.loop.runOnce()
        #expect(rig.clientProbe.bytes == Self.megabyte)
        // What the client's TLS makes of an end that was not announced.
        #expect(rig.clientProbe.ends == [.aborted])
    }

    @Test("bare ends: what the peer says after our half is over still arrives") func anAnswerToABareEnd() throws {
        let rig = try Rig(ends: .bareBefore13, clientEnds: .bare, newest: .tlsv12)
        rig.loop.runOnce()
        try #require(rig.server).finish()
        rig.loop.runOnce()
        #expect(rig.clientProbe.ends.isEmpty)
        rig.client.write(ByteBuffer(string: "answer"))
        rig.client.end(nil)
        rig.loop.runOnce()
        #expect(String(buffer: rig.serverProbe.bytes) == "answer")
        #expect(rig.serverProbe.ends == [nil])
        #expect(rig.clientProbe.ends == [nil])
    }

    @Test("bare ends of TLS 1.2 are announced in 1.3") func endsOf13AreAnnounced() throws {
        let rig = try Rig(ends: .bareBefore13)
        rig.loop.runOnce()
        try #require(rig.server).end(nil)
        rig.loop.runOnce()
        rig.client.end(nil)
        rig.loop.runOnce()
        #expect(rig.clientProbe.ends == [nil])
        let other = try Rig(ends: .bareBefore13)
        other.loop.runOnce()
        other.transport.finish()
        other.loop.runOnce()
        #expect(other.serverProbe.ends == [.aborted])
    }

    @Test("our own half-close is announced in TLS, and the answer is read") func halfCloses() throws {
        let rig = try Rig()
        rig.loop.runOnce()
        let server = try #require(rig.server)
        rig.client.write(ByteBuffer(string: "question"))
        rig.client.finish()
        rig.loop.runOnce()
        #expect(rig.serverProbe.ends.isEmpty)
        server.write(ByteBuffer(string: "answer"))
        server.end(nil)
        rig.loop.runOnce()
        #expect(String(buffer: rig.serverProbe.bytes) == "question")
        #expect(String(buffer: rig.clientProbe.bytes) == "answer")
        #expect(rig.serverProbe.ends == [nil])
    }

    @Test func aFaultOfOneEndIsOneOfTheOther() throws {
        let rig = try Rig()
        rig.loop.runOnce()
        rig.client.end(.timedOut)
        rig.loop.runOnce()
        #expect(rig.clientProbe.ends == [.timedOut])
        #expect(rig.serverProbe.ends == [.aborted])
    }
}
