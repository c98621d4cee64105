// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenLoop
import WarrenTesting

@testable import WarrenRuntime

/// A meeting place that joins by first lines, and a port of it.
private struct OpenPlace: Sendable {
    let rig: MeetingRig
    private let listener: Listener

    static func start(threads: Int) async throws -> OpenPlace { try await Self.start(.joining(threads: threads)) }

    static func start(_ rig: MeetingRig) async throws -> OpenPlace {
        let place = rig.place
        var plan = Listener.Plan(name: "meet", protocol: "lines", host: "127.0.0.1", port: 0) { leg, _ in
            place.arrive(leg)
        }
        plan.home = place.loop
        let gate = ConnectionLimiter(limit: 1000, reporter: rig.log.reporter)
        return OpenPlace(rig: rig, listener: try await Listener.bind(plan, on: rig.loops, gate: gate))
    }

    func peer(reads: Bool = true) async throws -> Peer {
        try await Peer.connect(to: self.listener.bound.address, reads: reads)
    }

    /// Who waits, and who came to it; both have sent their lines and these bytes.
    func pair(_ line: String, back: String = "", front: String = "") async throws -> (back: Peer, front: Peer) {
        let waiting = try await self.peer()
        try await waiting.send("\(line)\n\(back)")
        _ = await self.rig.heard.next { if case .receive = $0 { true } else { false } }
        let coming = try await self.peer()
        try await coming.send("\(line)\n\(front)")
        return (waiting, coming)
    }

    /// Relays on each loop, the one of the place first.
    func relays() async throws -> [Int] {
        var counts: [Int] = []
        for loop in self.rig.loops.all {
            let loops = self.rig.loops
            counts.append(try await loop.submit { loops.registry(on: loop).bridgeCount }.get())
        }
        return counts
    }

    /// Waits until the machine has heard twice more that somebody left.
    func twoHaveLeft() async {
        for _ in 0..<2 { _ = await self.rig.heard.next { if case .leave = $0 { true } else { false } } }
    }

    func stop() async throws {
        await self.listener.close()
        self.rig.loops.stop()
    }
}

@Suite(.timeLimit(.minutes(1))) struct MeetingRelayTests {
    @Test("relays are spread over the loops; early bytes come first, half-closes pass, and both leave once")
    func joinsPlainConnections() async throws {
        let open = try await OpenPlace.start(threads: 2)
        var sum = [0, 0]
        for round in 0..<4 {
            let (back, front) = try await open.pair("key", back: "from back ", front: "from front ")
            _ = try await back.received(atLeast: 11)
            _ = try await front.received(atLeast: 10)
            sum = zip(sum, try await open.relays()).map { $0 + $1 }
            try await back.send("and more")
            try await back.finish()
            #expect(String(buffer: try await front.everything().bytes) == "from back and more")
            try await front.send("the answer")
            try await front.finish()
            let (answer, end) = try await back.everything()
            #expect(String(buffer: answer) == "from front the answer")
            #expect(end == .finished)
            await open.twoHaveLeft()
            let (first, second) = (CarrierID(UInt64(2 * round + 1)), CarrierID(UInt64(2 * round + 2)))
            try await open.rig.settle()
            #expect([first, second].map(open.rig.leaves) == [1, 1])
        }
        #expect(sum == [2, 2])
        #expect(try await open.relays() == [0, 0])
        let lines = open.rig.log.lines.filter { $0.message == "stream" }
        #expect(lines.count == 4)
        #expect(lines.allSatisfy { $0.metadata["bytesIn"] == "21" && $0.metadata["bytesOut"] == "18" })
        #expect(lines.allSatisfy { $0.metadata["reason"] == "finished" && $0.metadata["inbound"] == "meet" })
        #expect(lines.allSatisfy { $0.metadata["destination"] == "meeting key" })
        try await open.stop()
    }

    @Test("a reset passes, whichever side it comes from and whichever loop relays", arguments: [1, 2])
    func passesResets(threads: Int) async throws {
        let open = try await OpenPlace.start(threads: threads)
        for round in 0..<4 {
            let (back, front) = try await open.pair("key", back: "b", front: "f")
            _ = try await back.received(atLeast: 1)
            _ = try await front.received(atLeast: 1)
            let (gone, left) = round < 2 ? (back, front) : (front, back)
            gone.reset()
            #expect(try await left.everything().end == .reset)
            #expect(await open.rig.log.next("stream")?.metadata["reason"] == "reset")
            await open.twoHaveLeft()
        }
        try await open.rig.settle()
        #expect((1...8).allSatisfy { open.rig.leaves(of: CarrierID($0)) == 1 })
        try await open.stop()
    }

    @Test("what one who waits sends is left to the system, and comes in order behind what was read")
    func leavesWhatComesWhileItWaits() async throws {
        let open = try await OpenPlace.start(threads: 2)
        for _ in 0..<2 {
            let back = try await open.peer()
            try await back.send("key\nearly ")
            _ = await open.rig.heard.next { if case .receive = $0 { true } else { false } }
            try await back.send("waiting ")
            try await open.rig.settle()
            let front = try await open.peer()
            try await front.send("key\n")
            _ = await open.rig.heard.next { if case .receive = $0 { true } else { false } }
            try await back.send("late")
            #expect(String(buffer: try await front.received(atLeast: 18)) == "early waiting late")
            for peer in [back, front] { try await peer.finish() }
            await open.twoHaveLeft()
        }
        let received = open.rig.heard.all.count { if case .receive = $0 { true } else { false } }
        #expect(received == 4)
        try await open.stop()
    }

    @Test("the end of one who waits is noticed though it has sent more than was read")
    func noticesTheEndOfOneWhoWaits() async throws {
        let open = try await OpenPlace.start(threads: 1)
        let gone = try await open.peer()
        try await gone.send("key\n")
        _ = await open.rig.heard.next { if case .receive = $0 { true } else { false } }
        try await open.rig.settle()
        try await gone.send("unread")
        try await gone.finish()
        #expect(await open.rig.heard.next { $0 == .leave(CarrierID(1)) } != nil)
        #expect(try await gone.everything().end == .finished)
        let reset = try await open.peer()
        try await reset.send("key\n")
        _ = await open.rig.heard.next { if case .receive = $0 { true } else { false } }
        reset.reset()
        #expect(await open.rig.heard.next { $0 == .leave(CarrierID(2)) } != nil)
        let (back, front) = try await open.pair("key", back: "hello")
        #expect(String(buffer: try await front.received(atLeast: 5)) == "hello")
        for peer in [back, front] { peer.close() }
        let receives = open.rig.heard.all.compactMap { call -> String? in
            if case .receive(let bytes, _) = call { String(buffer: bytes) } else { nil }
        }
        #expect(!receives.contains { $0.contains("unread") })
        try await open.stop()
    }

    @Test("what was written before a close arrives, though its reader is slow to read")
    func theLastWordArrives() async throws {
        let megabytes = ByteBuffer(repeating: 7, count: 4 << 20)
        let rig = MeetingRig { script, call in
            if case .receive(_, let id) = call { script.says(.write(id, megabytes), .close(id, .denied)) }
        }
        let open = try await OpenPlace.start(rig)
        let peer = try await open.peer(reads: false)
        try await peer.send("go")
        #expect(await rig.log.next("stranger turned away")?.metadata["reason"] == "denied")
        try await peer.startReading()
        let (bytes, end) = try await peer.everything()
        #expect(bytes == megabytes)
        #expect(end == .finished)
        try await open.stop()
    }

    @Test("a carrier with unsent bytes stays on its loop, and its partner with it")
    func staysWithUnsentBytes() async throws {
        let megabytes = ByteBuffer(repeating: 7, count: 8 << 20)
        let lines = FirstLines()
        let rig = MeetingRig(threads: 2) { script, call in
            // Who waits is told much; it reads nothing of it before it has a partner.
            let isFirst = call == .receive(ByteBuffer(string: "key\n"), CarrierID(1))
            if isFirst { script.says(.write(CarrierID(1), megabytes)) }
            lines.hears(script, call)
        }
        let open = try await OpenPlace.start(rig)
        let back = try await open.peer(reads: false)
        try await back.send("key\n")
        _ = await rig.heard.next { if case .receive = $0 { true } else { false } }
        let front = try await open.peer()
        try await front.send("key\nhello")
        _ = await rig.heard.next { if case .receive = $0 { true } else { false } }
        try await rig.settle()
        #expect(try await open.relays() == [1, 0])
        try await back.startReading()
        var all = try await back.received(atLeast: megabytes.readableBytes + 5)
        #expect(all.readSlice(length: megabytes.readableBytes) == megabytes)
        #expect(String(buffer: all) == "hello")
        for peer in [back, front] { try await peer.finish() }
        await open.twoHaveLeft()
        try await open.stop()
    }

    @Test("two hundred pairs at once, and nobody has a byte of a neighbour's")
    func keepsNeighboursApart() async throws {
        let open = try await OpenPlace.start(threads: 2)
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for number in 0..<200 {
                group.addTask { try await Self.talk(UInt64(number), at: open) }
            }
            for try await isRight in group { #expect(isRight) }
        }
        for _ in 0..<200 { _ = await open.rig.log.next("stream") }
        try await open.rig.settle()
        #expect((1...400).allSatisfy { open.rig.leaves(of: CarrierID($0)) == 1 })
        #expect(try await open.relays() == [0, 0])
        try await open.stop()
    }

    /// One pair: both send what nobody else does, from the first byte on, and say no more when they have it all.
    private static func talk(_ number: UInt64, at open: OpenPlace) async throws -> Bool {
        var random = SeededRandom(number)
        let (one, two) = (try await open.peer(), try await open.peer())
        let toTwo = random.bytes(.random(in: 1...20_000, using: &random))
        let toOne = random.bytes(.random(in: 1...20_000, using: &random))
        async let first: Void = Self.say(toTwo, line: "\(number)", on: one, seed: number)
        async let second: Void = Self.say(toOne, line: "\(number)", on: two, seed: ~number)
        _ = try await (first, second)
        _ = try await one.received(atLeast: toOne.readableBytes)
        _ = try await two.received(atLeast: toTwo.readableBytes)
        for peer in [one, two] { try await peer.finish() }
        let (atOne, atTwo) = (try await one.everything(), try await two.everything())
        return atOne.bytes == toOne && atTwo.bytes == toTwo
    }

    private static func say(_ bytes: ByteBuffer, line: String, on peer: Peer, seed: UInt64) async throws {
        var random = SeededRandom(seed)
        var all = ByteBuffer(string: line + "\n")
        all.writeImmutableBuffer(bytes)
        let cut = Int.random(in: 1...all.readableBytes, using: &random)
        for chunk in [all.readSlice(length: cut), all] { if let chunk { try await peer.send(chunk) } }
    }
}
