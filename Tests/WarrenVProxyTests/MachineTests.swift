// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenVProxy

/// Handshake, states and timers of each end, toward deployed peers.
@Suite struct MachineTests {
    @Test func detectsItsHandshakeOnly() {
        let whole = ByteBuffer(hex: settings)
        for length in 0..<9 {
            #expect(
                VProxy.detect((whole.getSlice(at: 0, length: length) ?? whole).readableBytesView) == .needs(bytes: 9))
        }
        #expect(VProxy.detect(whole.readableBytesView) == .yes)
        #expect(VProxy.detect(ByteBuffer(string: "GET / HT").readableBytesView) == .no)
    }

    @Test func theClientGivesUpASilentServerAndTheServerSaysNothingToAStranger() {
        let late = CloseReason.timedOut(phase: "handshake")
        var client = Client(VProxy.ClientMachine())
        #expect(client.drain() == [.write(ByteBuffer(hex: settings))])
        #expect(client.after(.milliseconds(4999)) == [])
        #expect(client.after(.milliseconds(1)) == [.write(shutdown("handshake timed out")), .close(late)])
        var server = Server(VProxy.ServerMachine())
        #expect(server.receive("00000004") == [])
        #expect(server.after(.seconds(5)) == [.close(late)])
    }

    @Test func aShutdownInTheHandshakeIsARefusal() {
        var client = Client(VProxy.ClientMachine())
        _ = client.drain()
        #expect(client.receive(shutdown("go\naway")) == [.close(.rejected("go?away"))])
        var server = Server(VProxy.ServerMachine())
        #expect(server.receive(shutdown("")) == [.close(.rejected(""))])
        var ended = Client(VProxy.ClientMachine())
        _ = ended.drain()
        ended.machine.receiveEnd()
        #expect(ended.drain() == [.close(.carrierLost("the peer left in the handshake"))])
    }

    @Test func aShutdownEndsEverything() throws {
        var client = Client.up()
        let id = try client.opened()
        client.machine.send(ByteBuffer(string: "x"), on: StreamID(id))
        #expect(
            client.receive(shutdown("why not")) == [
                .close(.carrierLost("the peer shut the tunnel down: why not"))
            ])
        var server = Server.up()
        #expect(server.receive(head(.goAway, 0)) == [.close(.finished)])
        var own = Server.up()
        own.machine.shutDown()
        #expect(own.machine.wantsTurn)
        #expect(own.drain() == [.write(shutdown("shutting down")), .close(.shutdown)])
    }

    @Test func aCarrierThatEndsInsideAFrameIsAViolation() {
        var whole = Server.up()
        whole.machine.receiveEnd()
        #expect(whole.drain() == [.close(.finished)])
        var cut = Server.up()
        _ = cut.opened()
        _ = cut.receive(head(.data, 1, length: 5) + ByteBuffer(string: "abc"))
        cut.machine.receiveEnd()
        #expect(cut.drain().others == [.close(.violation(WireError(.truncated, in: "frame")))])
    }

    @Test func opensAndSendsWithoutWaiting() throws {
        var client = Client.up()
        let id = try client.machine.open(fixed, now: client.now)
        client.machine.send(ByteBuffer(string: "hi"), on: id)
        #expect(client.drain() == [.write(syn(1) + psh(1, "hi"))])
        #expect(try client.machine.open(fixed, now: client.now) == StreamID(3))
        // Payload says yes, too.
        #expect(client.receive(psh(1, "yo")) == [.opened(id), .deliver(id, ByteBuffer(string: "yo")), .write(syn(3))])
        #expect(client.receive(syn(1) + syn(77)) == [])
        #expect(throws: StreamFault.unsupported) {
            try client.machine.open(StreamRequest(.tcp(.name("a"), port: 1)), now: client.now)
        }
    }

    @Test func anEndInAnswerToASYNIsARefusal() throws {
        for (answer, reply) in [(fin(1), []), (rst(1), [SessionAction.write(rst(1))])] {
            var client = Client.up()
            let id = try client.machine.open(fixed, now: client.now)
            _ = client.drain()
            #expect(client.receive(answer) == [.end(id, .refused)] + reply)
        }
    }

    @Test func aSYNThatNobodyAnswersIsGivenUp() throws {
        var client = Client.up(.init(connectTimeout: .seconds(3), usesExtension: false))
        let id = try client.machine.open(fixed, now: client.now)
        _ = client.drain()
        #expect(client.after(.seconds(3)) == [.end(id, .timedOut), .write(rst(1))])
    }

    @Test func theServerTakesAnyUnusedIDAlsoAgain() {
        var server = Server.up()
        for id in [0, 8, 4, 7, 0x7FFF_FFFF] as [UInt32] {
            _ = server.opened(id)
            #expect(server.receive(rst(id)) == [.end(StreamID(id), .aborted), .write(rst(id))])
            _ = server.opened(id)
        }
    }

    @Test func aClientWithoutIDsEndsWithItsLastStream() throws {
        var client = Client(VProxy.ClientMachine(.plain, lastID: VProxy.Frame.lastStream - 2))
        _ = client.drain()
        _ = client.receive(settings)
        let id = try client.opened()
        #expect(id == VProxy.Frame.lastStream)
        #expect(throws: StreamFault.limit) { try client.machine.open(fixed, now: client.now) }
        client.machine.finish(StreamID(id))
        let actions = client.drain() + client.receive(fin(id))
        #expect(actions.others == [.finish(StreamID(id)), .end(StreamID(id), nil), .close(.finished)])
        #expect(actions.written == fin(id) + shutdown("no more streams"))
    }

    @Test func halfClosesBothWays() throws {
        var client = Client.up()
        let id = try client.opened()
        client.machine.finish(StreamID(id))
        #expect(client.drain() == [.write(fin(id))])
        #expect(client.receive(psh(id, "answer")) == [.deliver(StreamID(id), ByteBuffer(string: "answer"))])
        #expect(client.receive(fin(id)) == [.finish(StreamID(id)), .end(StreamID(id), nil)])
        var server = Server.up()
        _ = server.opened()
        #expect(server.receive(fin(1) + fin(1)) == [.finish(StreamID(1))])
        server.machine.send(ByteBuffer(string: "answer"), on: StreamID(1))
        #expect(server.drain() == [.write(psh(1, "answer"))])
        server.machine.finish(StreamID(1))
        #expect(server.over(.milliseconds(50)) == [.end(StreamID(1), nil), .write(fin(1))])
    }

    @Test func theEndThatCameBeforeTheTargetWasReachedFollowsThePayload() {
        var server = Server.up()
        _ = server.receive(syn(1) + psh(1, "all") + fin(1))
        server.machine.accept(StreamID(1))
        server.machine.finish(StreamID(1))
        #expect(
            server.drain() == [
                .deliver(StreamID(1), ByteBuffer(string: "all")), .finish(StreamID(1)), .end(StreamID(1), nil),
                .write(fin(1)),
            ])
    }

    @Test func aResetDropsOrFollowsWhatIsQueued() throws {
        for (fault, expected) in [
            (StreamFault?.some(.stalled), rst(1)), (.aborted, psh(1, "queued") + rst(1)),
            (nil, psh(1, "queued") + fin(1)),
        ] {
            var server = Server.up()
            _ = server.opened()
            server.machine.send(ByteBuffer(string: "queued"), on: StreamID(1))
            server.machine.reset(StreamID(1), fault)
            #expect(server.receive(psh(1, "nobody reads it")).others == [])
            var written = ByteBuffer()
            server = Server.up()
            _ = server.opened()
            server.machine.send(ByteBuffer(string: "queued"), on: StreamID(1))
            server.machine.reset(StreamID(1), fault)
            written.writeImmutableBuffer(server.drain().written)
            written.writeImmutableBuffer(server.over(.milliseconds(50)).written)
            #expect(written == expected)
            #expect(server.receive(syn(1)).others == [.open(StreamID(1), fixed)])  // the id is free
        }
    }

    @Test func pausesAndResumesASource() throws {
        var limits = SessionLimits()
        limits.queuedPerStream = 1000
        var client = Client.up(.init(usesExtension: false, limits: limits))
        let id = StreamID(try client.opened())
        client.writable = false
        client.machine.send(ByteBuffer(repeating: 1, count: 999), on: id)
        #expect(client.machine.hasRoom(on: id) && client.drain() == [])
        client.machine.send(ByteBuffer(repeating: 1, count: 1), on: id)
        #expect(!client.machine.hasRoom(on: id) && client.drain() == [.pause(id)])
        client.writable = true
        #expect(client.drain().others == [.resume(id)] && client.machine.hasRoom(on: id))
    }

    @Test func aPINGIsAnsweredBeforeWhatWaits() throws {
        var client = Client.up()
        let id = StreamID(try client.opened())
        client.writable = false
        client.machine.send(ByteBuffer(string: "data"), on: id)
        _ = try client.machine.open(fixed, now: client.now)
        _ = client.receive(ping(0xFFFF_FFFF_FFFF_FFFE))
        client.writable = true
        #expect(client.drain() == [.write(ping(0xFFFF_FFFF_FFFF_FFFE, flags: 1) + syn(3) + psh(1, "data"))])
    }

    @Test func asksOnlyAPeerThatIsSilent() {
        var server = Server.up()
        #expect(server.over(.seconds(27)) == [])
        #expect(server.receive(ping(1)) == [.write(ping(1, flags: 1))])
        #expect(server.over(.seconds(32)) == [])
        #expect(server.over(.seconds(2)) == [.write(ping(1))])
        #expect(server.receive(ping(1, flags: 1) + ping(9, flags: 1)) == [])
        #expect(server.over(.seconds(28)) == [])
        #expect(server.over(.seconds(2)) == [.write(ping(2))])
        #expect(server.over(.seconds(5)) == [.write(ping(3))])
        #expect(server.over(.seconds(5)) == [.write(ping(4))])
        #expect(server.over(.seconds(5)).others == [.close(.timedOut(phase: "keep-alive"))])
    }

    @Test func compressesWhereThatHelps() throws {
        var client = Client.up(.init(compression: .auto, usesExtension: false))
        let id = StreamID(try client.opened())
        let text = ByteBuffer(string: String(repeating: "compress me, ", count: 200))
        client.machine.send(text, on: id)
        let written = client.drain().written
        #expect(written.readableBytes < 200)
        #expect(try WireTests.read([written]) == [.data(1, text)])
        for small in [
            ByteBuffer(repeating: 0, count: 1024),
            {
                var random = SeededRandom(1)
                return random.bytes(5000)
            }(),
        ] {
            client.machine.send(small, on: id)
            #expect(client.drain() == [.write(head(.data, 1, length: small.readableBytes) + small)])
        }
        var document = Client.up(.init(dialect: .document, compression: .auto))
        let other = StreamID(try document.opened())
        document.machine.send(text, on: other)
        #expect(document.drain().written.readableBytes == 9 + text.readableBytes)
    }

    @Test func theDocumentsDialectSaysItsShutdownBare() {
        var server = Server.up(.init(dialect: .document))
        #expect(server.receive("0000000f0000000000").written == shutdown("protocol error", .document))
        var client = Client(VProxy.ClientMachine(.init(dialect: .document)))
        #expect(client.drain() == [.write(ByteBuffer(hex: settings))])
        #expect(client.receive(settings) == [.ready])  // no word of an extension
        #expect(
            client.receive(shutdown("bye", .document)) == [.close(.carrierLost("the peer shut the tunnel down: bye"))])
    }

    @Test func aTunnelWithStreamsOfADeployedPeerDoesNotEndInOrder() throws {
        var client = Client.up()
        #expect(client.machine.mayEndInOrder)
        let id = try client.opened()
        #expect(!client.machine.mayEndInOrder)
        _ = client.receive(rst(id))
        #expect(client.machine.mayEndInOrder)
    }
}
