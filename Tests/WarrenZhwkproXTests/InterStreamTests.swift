// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenZhwkproX

/// How an inter-server speaks to an exit: what it emits, how replies find their streams, how streams end.
@Suite("zhwkproX inter-server, streams")
struct InterStreamTests {
    typealias Inter = Harness<ZhwkproX.InterMachine>

    @Test(
        "a stream is opened at once, and a destination that speaks first is asked to", arguments: [Bytes.v4, Bytes.v6])
    func opens(endpoint: ZhwkproX.StreamAddress) throws {
        var inter = Inter.loggedIn()
        let stream = try inter.machine.open(Bytes.request(endpoint), now: inter.now)
        #expect(inter.drain() == [.opened(stream), .write(Bytes.get(endpoint))])
        #expect(inter.receive(Bytes.get(endpoint, "220")) == [.deliver(stream, ByteBuffer(string: "220"))])
        inter.machine.send(ByteBuffer(string: "EHLO"), on: stream)
        #expect(inter.drain() == [.write(Bytes.get(endpoint, "EHLO"))])
    }

    @Test func dataThatIsThereAlreadyIsTheFirstRequest() throws {
        var inter = Inter.loggedIn()
        let stream = try inter.machine.open(Bytes.request(Bytes.v4), now: inter.now)
        inter.machine.send(ByteBuffer(string: "GET / HTTP/1.1"), on: stream)
        #expect(inter.drain() == [.opened(stream), .write(Bytes.get(Bytes.v4, "GET / HTTP/1.1"))])
    }

    @Test func nothingIsSaidOfAStreamToACarrierThatTakesNothing() throws {
        var inter = Inter.loggedIn()
        inter.writable = false
        let stream = try inter.machine.open(Bytes.request(Bytes.v4), now: inter.now)
        #expect(inter.drain() == [.opened(stream)])
        inter.machine.send(ByteBuffer(string: "a"), on: stream)
        inter.machine.send(ByteBuffer(string: "b"), on: stream)
        #expect(inter.drain() == [])
        inter.writable = true
        #expect(inter.drain() == [.write(Bytes.get(Bytes.v4, "ab"))])  // what was small is one message
    }

    @Test("no GET is longer than its limit", arguments: [Bytes.v4, Bytes.v6], [0, 24, 100, 1400])
    func cutsRequests(endpoint: ZhwkproX.StreamAddress, pieces: Int) throws {
        var configuration = Inter.deployed
        if pieces > 0 { configuration.pieces = pieces }
        let most = pieces > 0 ? pieces : 1400
        var inter = Inter.loggedIn(configuration)
        let stream = try inter.open(endpoint)
        let plain = SeededRandom.bytes(5000)
        inter.machine.send(ByteBuffer(bytes: plain), on: stream)
        var written = inter.drain().written
        var received: [UInt8] = []
        var lengths: [Int] = []
        while let (found, length) = try written.readZhwkproXGet(most: 1 << 20) {
            #expect(found == endpoint)
            received += Bytes.cipher.decrypted(written.readBytes(length: length) ?? [])
            lengths.append(length + endpoint.headLength)
        }
        #expect(received == plain)
        #expect(lengths.dropLast().allSatisfy { $0 == most } && lengths.allSatisfy { $0 <= most })
    }

    @Test func onlyTCPToAddressesCanBeAskedFor() {
        var inter = Inter.loggedIn()
        for destination in [
            Destination.tcp(.name("host.example"), port: 80), .fixed, .service(name: "x", port: 1),
            .host(.address(IPAddress(v4: 1)), port: 53, .udp),
        ] {
            #expect(throws: StreamFault.unsupported) {
                try inter.machine.open(StreamRequest(destination), now: inter.now)
            }
        }
    }

    @Test func repliesFindTheirStreamsByAddressAndPort() throws {
        var inter = Inter.loggedIn()
        let (four, six) = (try inter.open(Bytes.v4), try inter.open(Bytes.v6))
        var both = Bytes.get(Bytes.v6, "six")
        both.writeImmutableBuffer(Bytes.get(Bytes.v4, "four"))
        #expect(
            inter.receive(both)
                == [.deliver(six, ByteBuffer(string: "six")), .deliver(four, ByteBuffer(string: "four"))])
    }

    @Test("rejects an unknown ipvr", arguments: [0, 3, 5, 9, 0x80] as [UInt8])
    func rejectsUnknownFamilies(ipvr: UInt8) throws {
        var inter = Inter.loggedIn()
        _ = try inter.open()
        let actions = inter.receive(ByteBuffer(bytes: [ipvr]))
        #expect(actions == [.close(.violation(WireError(.badValue, in: "get.ipvr")))])
        #expect(throws: StreamFault.sessionLost) { try inter.machine.open(Bytes.request(Bytes.v6), now: inter.now) }
    }

    @Test("rejects a dlen above the cap", arguments: [(1 << 20) + 1, .max] as [UInt32])
    func rejectsLongReplies(length: UInt32) throws {
        var inter = Inter.loggedIn()
        var bytes = ByteBuffer()
        bytes.writeZhwkproXGet(Bytes.v4, length: length)
        #expect(inter.receive(bytes) == [.close(.violation(WireError(.tooLong, in: "get.dlen")))])
    }

    // MARK: Ends

    @Test func theExitsEndIsTheStreamsAfterTheTimeForLateData() throws {
        var inter = Inter.loggedIn()
        let stream = try inter.open()
        _ = inter.receive(Bytes.get(Bytes.v4, "data"))
        #expect(inter.receive(Bytes.get(Bytes.v4)) == [])
        #expect(inter.machine.deadline == inter.now + .milliseconds(150))
        #expect(inter.after(.milliseconds(149)) == [])
        #expect(inter.after(.milliseconds(1)) == [.end(stream, nil)])
        #expect(inter.machine.deadline == nil)
    }

    /// Fault 2: deployed exits let the end overtake data.
    @Test func dataThatTheEndHasOvertakenIsDelivered() throws {
        var inter = Inter.loggedIn()
        let stream = try inter.open()
        #expect(inter.receive(Bytes.get(Bytes.v4)) == [])
        #expect(inter.after(.milliseconds(100)) == [])
        #expect(inter.receive(Bytes.get(Bytes.v4, "late")) == [.deliver(stream, ByteBuffer(string: "late"))])
        #expect(inter.after(.milliseconds(50)) == [.end(stream, nil)])
    }

    @Test func anEndWithoutAByteIsARefusal() throws {
        var inter = Inter.loggedIn()
        let stream = try inter.open()
        #expect(inter.receive(Bytes.get(Bytes.v4)) == [])
        #expect(inter.after(.milliseconds(150)) == [.end(stream, .refused)])
    }

    @Test func whatWasQueuedAtTheEndIsNeverSent() throws {
        var inter = Inter.loggedIn()
        let stream = try inter.open()
        inter.writable = false
        inter.machine.send(ByteBuffer(string: "too late"), on: stream)
        _ = inter.receive(Bytes.get(Bytes.v4))
        inter.machine.send(ByteBuffer(string: "later still"), on: stream)
        inter.writable = true
        #expect(inter.drain() == [])  // it would open a new connection, and nobody would want its answer
        #expect(inter.after(.milliseconds(150)) == [.end(stream, .refused)])
    }

    @Test func theUsersHalfCloseIsNotSaid() throws {
        var inter = Inter.loggedIn()
        let stream = try inter.open()
        inter.machine.send(ByteBuffer(string: "all"), on: stream)
        inter.machine.finish(stream)
        #expect(inter.drain() == [.write(Bytes.get(Bytes.v4, "all"))])
        #expect(inter.receive(Bytes.get(Bytes.v4, "answer")) == [.deliver(stream, ByteBuffer(string: "answer"))])
        inter.machine.send(ByteBuffer(string: "more"), on: stream)
        #expect(inter.drain() == [])
    }

    /// Deployed exits say nothing of a destination that refuses.
    @Test func silenceForLongerThanTheExitAllowsIsAnEnd() throws {
        var inter = Inter.loggedIn()
        let (mute, spoken) = (try inter.open(Bytes.v4), try inter.open(Bytes.v6))
        _ = inter.receive(Bytes.get(Bytes.v6, "data"))
        #expect(inter.after(.seconds(10)) == [.write(Bytes.get(Bytes.v6))], "its user is still there")
        #expect(inter.after(.milliseconds(14_999)) == [])
        #expect(inter.after(.milliseconds(1)) == [.end(mute, .timedOut)])
        #expect(inter.after(.milliseconds(9_999)) == [])
        #expect(inter.after(.milliseconds(1)) == [.end(spoken, .idle)])
        #expect(inter.machine.deadline == nil)
    }

    @Test func aReaderThatTakesNothingIsEndedForTheOthers() throws {
        var inter = Inter.loggedIn()
        let (dead, live) = (try inter.open(Bytes.v4), try inter.open(Bytes.v6))
        while inter.machine.wantsBytes {
            _ = inter.receive(Bytes.get(Bytes.v4, [UInt8](repeating: 1, count: 9000)))
        }
        #expect(inter.after(.seconds(5)) == [.end(dead, .stalled)])
        #expect(inter.machine.wantsBytes)
        #expect(inter.receive(Bytes.get(Bytes.v4, "nobody's")) == [])
        #expect(inter.receive(Bytes.get(Bytes.v6, "on")) == [.deliver(live, ByteBuffer(string: "on"))])
    }

    @Test func aFullQueuePausesTheUser() throws {
        var inter = Inter.loggedIn()
        let stream = try inter.open()
        inter.writable = false
        inter.machine.send(ByteBuffer(repeating: 1, count: 128 << 10), on: stream)
        #expect(!inter.machine.hasRoom(on: stream))
        #expect(inter.drain() == [.pause(stream)])
        inter.writable = true
        #expect(inter.drain().withoutWrites == [.resume(stream)])
    }

    @Test func dataThatIsNobodysIsDroppedAndCounted() throws {
        var inter = Inter.loggedIn()
        #expect(inter.receive(Bytes.get(Bytes.v6, "lost")) == [])
        #expect(inter.machine.strayBytes == 4)
        #expect(inter.receive(Bytes.get(Bytes.v4)) == [])
        #expect(inter.machine.strayBytes == 4)
    }

    @Test func carriersThatEndBetweenAndInsideMessages() throws {
        var inter = Inter.loggedIn()
        _ = try inter.open()
        var cut = inter
        inter.machine.receiveEnd()
        #expect(inter.drain() == [.close(.finished)])
        #expect(inter.machine.deadline == nil)
        _ = cut.receive(Bytes.get(Bytes.v4, "whole").getSlice(at: 0, length: 13) ?? ByteBuffer())
        cut.machine.receiveEnd()
        #expect(cut.drain() == [.close(.violation(WireError(.truncated, in: "message")))])
    }
}
