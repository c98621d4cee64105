// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenZhwkproX

/// What deployed peers need: each message whole, and of each destination one at a time.
@Suite("zhwkproX pace toward deployed peers")
struct PaceTests {
    typealias Inter = Harness<ZhwkproX.InterMachine>
    typealias Exit = Harness<ZhwkproX.ExitMachine>

    static func endpoint(_ number: Int) -> ZhwkproX.StreamAddress {
        ZhwkproX.StreamAddress(address: IPAddress(v4: 0x0A00_0001), port: UInt16(1000 + number))
    }

    static func inter(gap: TimeAmount = ZhwkproX.defaultGap, segment: Int) -> Inter {
        var inter = Inter.loggedIn(.init(gap: gap, usesExtension: false))
        inter.machine.isolated(segment: segment)
        return inter
    }

    static func exit(gap: TimeAmount = ZhwkproX.defaultGap, segment: Int) throws -> Exit {
        var exit = try Exit.loggedIn(.init(gap: gap, usesExtension: false))
        exit.machine.isolated(segment: segment)
        return exit
    }

    /// - Returns: how many of the destinations got just what was sent to them.
    static func upload(gap: TimeAmount, segment: Int, destinations: Int, seed: UInt64) throws -> Int {
        var random = SeededRandom(seed)
        var (inter, peer) = (Self.inter(gap: gap, segment: segment), RacyPeer(segment: segment, seed: seed))
        var sent: [ZhwkproX.StreamAddress: ByteBuffer] = [:]
        for number in 0..<destinations {
            let bytes = random.bytes(Int.random(in: 2...20_000, using: &random))
            let stream = try inter.machine.open(Bytes.request(Self.endpoint(number)), now: inter.now)
            sent[Self.endpoint(number)] = bytes
            for chunk in Chunks.random(bytes, using: &random) { inter.machine.send(chunk, on: stream) }
        }
        inter.run(with: &peer, until: inter.now + .seconds(5))
        return sent.count { peer.received[$0] == $1 }
    }

    @Test("uploads are right with a gap, at any segment", arguments: [536, 1448, 65_483], 0..<10 as Range<UInt64>)
    func uploads(segment: Int, seed: UInt64) throws {
        #expect(try Self.upload(gap: .milliseconds(1), segment: segment, destinations: 10, seed: seed) == 10)
    }

    @Test("without a gap the peer would mix them")
    func uploadsWithoutGap() throws {
        #expect(try Self.upload(gap: .zero, segment: 1448, destinations: 10, seed: 1) < 10)
    }

    @Test("answers and their ends are right with a gap", arguments: [536, 1448, 65_483], 0..<10 as Range<UInt64>)
    func downloads(segment: Int, seed: UInt64) throws {
        var random = SeededRandom(seed)
        var (exit, peer) = (try Self.exit(segment: segment), RacyPeer(segment: segment, seed: seed))
        var sent: [ZhwkproX.StreamAddress: ByteBuffer] = [:]
        let streams = (0..<10).map { exit.open(Self.endpoint($0)) }
        for (number, stream) in streams.enumerated() {
            let bytes = random.bytes(Int.random(in: 1...50_000, using: &random))
            for chunk in Chunks.random(bytes, most: 65_536, using: &random) { exit.machine.send(chunk, on: stream) }
            exit.machine.finish(stream)
            sent[Self.endpoint(number)] = bytes
        }
        exit.run(with: &peer, until: exit.now + .seconds(5))
        #expect(peer.received == sent)
        #expect(peer.ends == sent.mapValues(\.readableBytes))
    }

    @Test("destinations do not wait for each other")
    func destinationsDoNotWait() throws {
        var (inter, peer) = (Self.inter(segment: 1448), RacyPeer(segment: 1448, seed: 1))
        let start = inter.now
        for number in 0..<100 {
            let stream = try inter.machine.open(Bytes.request(Self.endpoint(number)), now: start)
            inter.machine.send(ByteBuffer(repeating: 7, count: 2000), on: stream)
        }
        inter.run(with: &peer, until: start + ZhwkproX.defaultGap)
        #expect(peer.messages == 200, "two of each")
    }

    @Test("a write is one message that fits into a segment, pieces together")
    func oneMessagePerWrite() throws {
        var inter = Self.inter(segment: 1448)
        let stream = try inter.open()
        for _ in 0..<1000 { inter.machine.send(ByteBuffer(bytes: [1, 2, 3]), on: stream) }
        let writes = inter.after(.milliseconds(2)) + inter.after(.milliseconds(2)) + inter.after(.milliseconds(2))
        #expect(writes.writes == 3)
        for case .write(let bytes) in writes { #expect(bytes.readableBytes <= 1448 - 40) }
        #expect(writes.written.readableBytes == 3000 + 3 * 11)
        #expect(inter.machine.deadline.map { $0 > inter.now + .seconds(1) } == true, "nothing waits for the gap")
    }

    @Test("nothing is written while the carrier holds back the last message")
    func waitsForTheCarrier() throws {
        var inter = Self.inter(segment: 1448)
        let stream = try inter.open()
        inter.machine.send(ByteBuffer(repeating: 1, count: 100), on: stream)
        inter.writable = false
        #expect(inter.after(.seconds(1)).writes == 0)
        inter.writable = true
        #expect(inter.drain().writes == 1)
    }

    @Test("an end that is due waits for the carrier, not for time")
    func endsWaitForTheCarrier() throws {
        var exit = try Self.exit(segment: 1448)
        exit.machine.reset(exit.open(), .refused)
        exit.writable = false
        for _ in 0..<3 { #expect(exit.after(.seconds(1)) == []) }
        #expect(exit.machine.deadline.map { $0 > exit.now } ?? true)
        exit.writable = true
        #expect(exit.drain().writes == 1)
    }

    @Test("the next connection's answer stays behind the last one's end")
    func answersStayBehindEnds() throws {
        var (exit, peer) = (try Self.exit(segment: 1448), RacyPeer(segment: 1448, seed: 1, isPrompt: true))
        let first = exit.open()
        exit.machine.send(ByteBuffer(string: "one"), on: first)
        #expect(exit.drain().writes == 1)
        exit.machine.finish(first)
        #expect(exit.drain() == [.end(first, nil)], "its end waits for the gap")
        let second = exit.open()
        exit.machine.send(ByteBuffer(string: "two"), on: second)
        exit.run(with: &peer, until: exit.now + .seconds(1))
        #expect(peer.ends == [Bytes.v4: 0] && peer.received == [Bytes.v4: ByteBuffer(string: "two")])
    }

    @Test("a user who only receives is said to be there, and the exit ends what nobody asks for")
    func reminders() throws {
        var inter = Self.inter(segment: 1448)
        let stream = try inter.open()
        var asked = 0
        for _ in 0..<600 {
            #expect(inter.receive(Bytes.get(Bytes.v4, "more")).delivered(stream).readableBytes == 4)
            asked += inter.after(.milliseconds(100)).writes
        }
        #expect(asked == 6, "every ten seconds of a minute")

        var exit = try Exit.loggedIn(.init(sendOnly: .seconds(30), usesExtension: false))
        let endless = exit.open()
        var ends: [SessionAction] = []
        for _ in 0..<40 where ends.isEmpty {
            exit.machine.send(ByteBuffer(string: "more"), on: endless)
            ends = exit.after(.seconds(1)).withoutWrites
        }
        #expect(ends == [.end(endless, .idle)])
        #expect(exit.now == .uptimeNanoseconds(31_000_000_000))
    }
}
