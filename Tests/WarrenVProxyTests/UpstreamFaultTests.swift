// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenVProxy

/// What deployed peers do wrong, and Warren does not; by the numbers of the reference.
@Suite struct UpstreamFaultTests {
    @Test func fault1AReaderThatHasFinishedGetsEverythingBeforeTheEnd() throws {
        var client = Client.up()
        let id = try client.opened()
        client.machine.finish(StreamID(id))
        #expect(client.drain() == [.write(fin(id))])
        #expect(
            client.receive(psh(id, "last") + fin(id)) == [
                .deliver(StreamID(id), ByteBuffer(string: "last")), .finish(StreamID(id)), .end(StreamID(id), nil),
            ])
        var server = Server.up()
        _ = server.opened()
        server.machine.finish(StreamID(1))
        #expect(server.drain() == [.write(fin(1))])
        #expect(
            server.receive(psh(1, "last", flags: 1)) == [
                .deliver(StreamID(1), ByteBuffer(string: "last")), .finish(StreamID(1)), .end(StreamID(1), nil),
            ])
    }

    @Test func fault1OurOwnEndDoesNotArriveTogetherWithTheLastPayload() throws {
        var server = Server.up()
        _ = server.opened()
        server.machine.send(ByteBuffer(string: "last"), on: StreamID(1))
        server.machine.finish(StreamID(1))
        #expect(server.drain() == [.write(psh(1, "last"))])
        #expect(server.after(.milliseconds(49)) == [])
        #expect(server.deadline <= .milliseconds(1))
        #expect(server.after(.milliseconds(1)) == [.write(fin(1))])
    }

    @Test func fault1TheEndWaitsForTheCarriersAcknowledgement() throws {
        var configuration = VProxy.Configuration.plain
        configuration.acknowledges = true
        var server = Server.up(configuration)
        _ = server.opened()
        server.machine.send(ByteBuffer(string: "last"), on: StreamID(1))
        server.machine.finish(StreamID(1))
        #expect(server.drain() == [.write(psh(1, "last"))])
        // Handshake, SYN-ACK, head and 4 bytes.
        server.machine.acknowledged(upTo: 9 + 9 + 9 + 3)
        #expect(server.after(.seconds(1)) == [])
        server.machine.acknowledged(upTo: 9 + 9 + 9 + 4)
        // Written long ago, but it may have been sent again, and have come only now.
        #expect(server.drain() == [] && server.deadline <= .milliseconds(5))
        #expect(server.after(.milliseconds(5)) == [.write(fin(1))])
        _ = server.receive(fin(1))
        _ = server.receive(syn(3))
        server.machine.accept(StreamID(3))
        server.machine.send(ByteBuffer(string: "x"), on: StreamID(3))
        server.machine.finish(StreamID(3))
        #expect(server.drain() == [.write(psh(3, "x"))])
        server.machine.acknowledged(upTo: 1000)
        #expect(server.drain() == [] && server.deadline <= .milliseconds(5))
        #expect(server.after(.milliseconds(5)) == [.write(fin(3))])
    }

    @Test func fault2ASYNIsAnsweredBeforeAnythingElse() {
        var server = Server.up()
        #expect(server.receive(syn(1)) == [.open(StreamID(1), fixed), .write(syn(1))])
        server.machine.reset(StreamID(1), .refused)
        #expect(server.drain() == [.write(fin(1))])
        // In one turn, and at a limit.
        var crowded = Server.up(.init(usesExtension: false, limits: SessionLimits(streams: 0)))
        #expect(crowded.receive(syn(5)) == [.write(syn(5) + fin(5))])
    }

    @Test func fault3AStreamThatIsOverSaysNothingMore() throws {
        var client = Client.up()
        let id = try client.opened()
        #expect(client.receive(rst(id)) == [.end(StreamID(id), .aborted), .write(rst(id))])
        client.machine.finish(StreamID(id))
        client.machine.reset(StreamID(id), nil)
        client.machine.send(ByteBuffer(string: "x"), on: StreamID(id))
        #expect(client.drain() == [])
        #expect(client.receive(fin(id) + rst(id) + psh(id, "late") + fin(id)) == [])
    }

    @Test func fault6ReadersThatTakeNothingAreBoundedAndABombEndsTheTunnel() {
        var limits = SessionLimits(streams: 8)
        limits.budget = 64 << 10
        var server = Server.up(.init(usesExtension: false, limits: limits))
        _ = server.opened()
        let bomb = Gzip.compress(ByteBuffer(repeating: 0, count: 1 << 15)) ?? ByteBuffer()
        let frame = head(.data, 1, flags: 4, length: bomb.readableBytes) + bomb
        var delivered = 0
        for _ in 0..<100 {
            // What comes all the same is taken, and left unread.
            for case .deliver(_, let bytes) in server.receive(frame) { delivered += bytes.readableBytes }
        }
        #expect(delivered == 64 << 10 && !server.machine.wantsBytes)
        server.machine.consumed(64 << 10, on: StreamID(1))
        #expect(server.machine.wantsTurn)
        #expect(server.drain().delivered(1).readableBytes == 64 << 10)

        let large = Gzip.compress(ByteBuffer(repeating: 0, count: (1 << 20) + 1)) ?? ByteBuffer()
        var other = Server.up()
        _ = other.opened()
        let actions = other.receive(head(.data, 1, flags: 4, length: large.readableBytes) + large)
        #expect(
            actions == [
                .write(shutdown("compressed data too large")), .close(.violation(WireError(.tooLong, in: "gzip"))),
            ])
    }

    @Test func fault6AStreamBehindTheOnlyOneIsSeenThoughItsReaderTakesNothing() {
        var configuration = VProxy.Configuration.plain
        configuration.limits.budget = 1 << 20
        var server = Server.up(configuration)
        let stuck = server.opened()
        let payload = head(.data, stuck, length: 48 << 10) + ByteBuffer(repeating: 1, count: 48 << 10)
        for _ in 0..<16 { _ = server.receive(payload) }
        #expect(!server.machine.wantsBytes)
        #expect(server.receive(syn(3)) == [] && server.deadline == .seconds(3))
        #expect(server.after(.seconds(3)) == [.open(StreamID(3), fixed), .write(syn(3))])
        #expect(server.machine.wantsBytes)
    }

    @Test func fault7ASYNThatComesWithTheSettingsIsRead() {
        var server = Server(VProxy.ServerMachine(.plain))
        #expect(
            server.receive(ByteBuffer(hex: settings) + syn(1) + psh(1, "early")) == [
                .write(ByteBuffer(hex: settings)), .ready, .open(StreamID(1), fixed), .write(syn(1)),
            ])
        server.machine.accept(StreamID(1))
        #expect(server.drain() == [.deliver(StreamID(1), ByteBuffer(string: "early"))])
        // And ours sends nothing with its own.
        var client = Client(VProxy.ClientMachine())
        #expect(client.drain() == [.write(ByteBuffer(hex: settings))])
        #expect(throws: StreamFault.sessionLost) { try client.machine.open(fixed, now: client.now) }
    }

    @Test func fault8TheFirstLostKeepAliveIsNoEnd() {
        for period in [10, 30] as [Int64] {
            var client = Client.up(.init(keepAlive: .seconds(period), usesExtension: false))
            #expect(client.over(.seconds(period)) == [.write(ping(1))])
            #expect(client.over(.seconds(5)) == [.write(ping(2))])
            #expect(client.receive(ping(2, flags: 1)) == [])
            // Whatever the ticks, it takes three questions, 5 s each.
            let last = client.over(.seconds(2 * period)) + client.over(.seconds(60))
            #expect(last.others == [.close(.timedOut(phase: "keep-alive"))])
            #expect(last.written == ping(3) + ping(4) + ping(5) + shutdown("keepalive response timeout"))
        }
    }

    @Test func fault12OnlyAnUnknownFrameTypeIsFatalAndNothingElseThatMayBeIgnored() {
        var server = Server.up()
        #expect(server.receive(head(.headers, 1, flags: 0x40)) == [.open(StreamID(1), fixed), .write(syn(1))])
        #expect(server.receive(psh(9, "x") + fin(9) + rst(9) + ping(5, flags: 1) + head(.data, 1)) == [])
        #expect(server.receive(syn(1)) == [])
        #expect(
            server.receive("000004080000000000 00000001") == [
                .write(shutdown("protocol error")), .close(.violation(WireError(.unexpected, in: "frame.type"))),
            ])
    }

    @Test func fault15AShutdownDisclosesNothing() {
        for bytes in ["ffffff080000000000", "000001010000000001", "00000000 00ffffffff", "000000040000000000"] {
            var server = Server.up()
            let actions = server.receive(bytes)
            #expect(actions.written == shutdown("protocol error"), "\(bytes)")
            #expect(server.receive(syn(1)) == [] && server.after(.hours(1)) == [])
        }
    }
}

extension Harness {
    /// How long until the next alarm.
    var deadline: TimeAmount {
        mutating get { self.machine.deadline.map { $0 - self.now } ?? .hours(1000) }
    }
}
