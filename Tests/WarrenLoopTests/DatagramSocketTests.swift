// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenLoop

@Suite(.timeLimit(.minutes(1))) struct DatagramSocketTests {
    /// Both ends of a path, and what the bound one hears.
    private struct Pair {
        let near: DatagramSocket
        let far: DatagramSocket
        let heard = DatagramRecorder()
        let met = DatagramRecorder()

        init(_ address: PeerAddress = Datagrams.v4, splits: Bool = true, joins: Bool = true, largest: Int = 65_535)
            throws
        {
            let loop = SocketLoop.manual()
            var options = DatagramOptions()
            (options.splits, options.joins, options.largestDatagram) = (splits, joins, largest)
            let bound: PeerAddress
            (self.far, bound) = try Datagrams.bound(address, on: loop, options: options)
            self.near = try DatagramSocket.dial(to: bound, on: loop, options: options)
            self.far.watcher = self.heard
            self.near.watcher = self.met
        }

        func close() {
            self.near.close()
            self.far.close()
        }
    }

    @Test("datagrams of any length arrive whole and in order", arguments: [Datagrams.v4, Datagrams.v6], [true, false])
    func keepsOrder(address: PeerAddress, inRuns: Bool) throws {
        let pair = try Pair(address, splits: inRuns, joins: inRuns)
        defer { pair.close() }
        var random = SeededRandom(7)
        var sent: [ByteBuffer] = []
        for number in 0..<300 {
            let length = [0, 1, 100, 1200, 1200, 1200, 1200, 5000].randomElement(using: &random) ?? 0
            sent.append(Datagrams.numbered(number, length))
        }
        for part in 0..<10 {
            for bytes in sent[(30 * part)..<(30 * part + 30)] { #expect(pair.near.send(bytes)) }
            pair.near.loop.runOnce()
            #expect(Datagrams.serve(pair.far) { pair.heard.datagrams.count >= 30 * part + 30 })
        }
        #expect(pair.heard.bytes == sent)
        #expect(Set(pair.heard.datagrams.map(\.path)) == [DatagramPath(try #require(pair.near.localAddress))])
        #expect(pair.met.faults.isEmpty)
    }

    @Test(
        "bursts at the edges of runs arrive as they were sent",
        arguments: [
            [1], [0], [0, 0, 5, 0], [1, 1, 1], [1200, 1200, 7], [7, 1200, 1200], [2048], [2049], [2048, 2048, 2048],
            [1000, 1000, 48], [1000, 1000, 49], .init(repeating: 1, count: 64), .init(repeating: 1, count: 65),
            .init(repeating: 100, count: 129), .init(repeating: 1200, count: 54), .init(repeating: 1200, count: 55),
            [32_000, 32_000, 1_507], [32_000, 32_000, 1_508], [65_000, 65_000, 1], [65_507],
        ], [(true, true), (true, false), (false, true), (false, false)])
    func survivesEdges(sizes: [Int], modes: (splits: Bool, joins: Bool)) throws {
        let pair = try Pair(splits: modes.splits, joins: modes.joins)
        defer { pair.close() }
        let sent = sizes.enumerated().map { Datagrams.numbered($0, $1) }
        for bytes in sent { #expect(pair.near.send(bytes)) }
        pair.near.flush()
        #expect(Datagrams.serve(pair.far) { pair.heard.datagrams.count >= sizes.count })
        #expect(pair.heard.bytes == sent)
        #expect(pair.met.faults.isEmpty)
    }

    #if os(Linux)
    @Test("a burst goes through this system as runs") func usesRuns() throws {
        let pair = try Pair()
        defer { pair.close() }
        #expect(pair.near.splits && pair.far.joins)
        for number in 0..<50 { pair.near.send(Datagrams.numbered(number, 1200)) }
        pair.near.flush()
        #expect(Datagrams.serve(pair.far) { pair.heard.datagrams.count >= 50 })
        // A run is told in the turn in which it came: had each come alone, they would not share a storage of 64 KiB.
        #expect(pair.heard.bytes.allSatisfy { $0.storageCapacity == 65_536 })
        #expect(pair.far.sawRuns)
    }

    @Test("what does not fit the path is told, and what is behind it leaves") func tellsOfTooLong() throws {
        // The payload and 48 bytes of headers are more than the 65,536 of the loopback interface.
        let pair = try Pair(Datagrams.v6)
        defer { pair.close() }
        for length in [10, 65_507, 11] { #expect(pair.near.send(Datagrams.numbered(1, length))) }
        pair.near.flush()
        #expect(Datagrams.serve(pair.far) { pair.heard.datagrams.count >= 2 })
        #expect(pair.heard.lengths == [10, 11])
        #expect(pair.met.faults == [.tooLong(65_507)])
    }

    @Test("a watcher that answers each fault with another faulty datagram does not keep the loop")
    func faultsDoNotSpin() throws {
        let pair = try Pair(Datagrams.v6)
        defer { pair.close() }
        pair.met.onFault = { _ in pair.near.send(Datagrams.numbered(1, 65_507)) }
        pair.near.send(Datagrams.numbered(1, 65_507))
        pair.near.flush()
        #expect(pair.met.faults.count == 1)
        pair.near.loop.runOnce()
        #expect((2...3).contains(pair.met.faults.count))
    }

    @Test("a router's and the sender's mark is told", arguments: [Datagrams.v4, Datagrams.v6], [0, 1, 2, 3])
    func tellsECN(address: PeerAddress, mark: UInt8) throws {
        let pair = try Pair(address)
        defer { pair.close() }
        let ecn = try #require(ECN(rawValue: mark))
        pair.near.mark(ecn)
        for number in 0..<3 { pair.near.send(Datagrams.numbered(number, 50)) }
        pair.near.flush()
        #expect(Datagrams.serve(pair.far) { pair.heard.datagrams.count >= 3 })
        #expect(pair.heard.datagrams.map(\.ecn) == [ecn, ecn, ecn])
    }

    @Test(
        "a socket for everybody answers from the address that was asked",
        arguments: [
            (Datagrams.everywhere4, IPAddress(v4: 0x7F00_0002), IPAddress(v4: 0x7F00_0002)),
            (Datagrams.everywhere6, IPAddress(v4: 0x7F00_0002), IPAddress(high: 0, low: 0xFFFF_7F00_0002)),
            (Datagrams.everywhere6, Datagrams.v6.address, Datagrams.v6.address),
        ])
    func answersFromTheAskedAddress(address: PeerAddress, asked: IPAddress, told: IPAddress) throws {
        let loop = SocketLoop.manual()
        let (listener, bound) = try Datagrams.bound(address, on: loop)
        let dialled = try DatagramSocket.dial(to: PeerAddress(asked, port: bound.port), on: loop)
        let (heard, answers) = (DatagramRecorder(), DatagramRecorder())
        (listener.watcher, dialled.watcher) = (heard, answers)
        heard.onDatagram = { listener.send($0.bytes, to: $0.path) }
        for _ in 0..<2 { dialled.send(ByteBuffer(string: "who?")) }
        dialled.flush()
        #expect(Datagrams.serve(listener) { heard.datagrams.count >= 2 })
        #expect(heard.datagrams.map(\.path.local) == [told, told])
        #expect(Datagrams.serve(dialled) { answers.datagrams.count >= 2 })
        #expect(heard.faults.isEmpty)
        listener.close()
        dialled.close()
    }

    @Test("sockets that share a port have each some of the peers, and always the same ones") func spreads() throws {
        let loop = SocketLoop.manual()
        let descriptors = try DatagramSocket.bind(to: Datagrams.v4, times: 3, options: .init())
        let sockets = try descriptors.map { try #require(DatagramSocket($0, on: loop)) }
        let recorders = sockets.map { socket in
            let recorder = DatagramRecorder()
            socket.watcher = recorder
            return recorder
        }
        let bound = try #require(sockets.first?.localAddress)
        #expect(sockets.allSatisfy { $0.localAddress == bound })
        let dialled = try (0..<60).map { _ in try DatagramSocket.dial(to: bound, on: loop) }
        for socket in dialled + dialled {
            socket.send(ByteBuffer(string: "x"))
            socket.flush()
        }
        // Every datagram of the loopback network is there when the last call has returned, or shortly after.
        for _ in 0..<20_000 where recorders.reduce(0, { $0 + $1.datagrams.count }) < 120 {
            for socket in sockets { Datagrams.serveNow(socket) }
        }
        let peers = recorders.map { Set($0.datagrams.map(\.path.peer)) }
        #expect(peers.reduce(0) { $0 + $1.count } == 60)
        #expect(recorders.reduce(0) { $0 + $1.datagrams.count } == 120)
        #expect(peers.filter { !$0.isEmpty }.count > 1)
        #expect(throws: IOError.self) { try DatagramSocket.bind(to: bound, times: 2, options: .init()) }
        for socket in sockets + dialled { socket.close() }
    }
    #endif

    @Test(
        "what is longer than the largest is dropped and told, the rest goes on", arguments: [100, 2048, 3000],
        [true, false])
    func noticesWhatIsCut(largest: Int, joins: Bool) throws {
        let pair = try Pair(joins: joins, largest: largest)
        defer { pair.close() }
        for length in [largest, largest + 1, 60_000, largest - 1, 0] { pair.near.send(Datagrams.numbered(1, length)) }
        pair.near.flush()
        #expect(Datagrams.serve(pair.far) { pair.heard.datagrams.count >= 3 })
        #expect(pair.heard.lengths == [largest, largest - 1, 0])
        #expect(pair.heard.faults == [.cut, .cut])
        #expect(pair.heard.faultPaths.compactMap(\.?.peer) == pair.heard.datagrams.prefix(2).map(\.path.peer))
    }

    @Test("that nobody listens is told, and ends nothing") func tellsOfRefusal() throws {
        let loop = SocketLoop.manual()
        let (gone, bound) = try Datagrams.bound(on: loop)
        gone.close()
        let dialled = try DatagramSocket.dial(to: bound, on: loop)
        let met = DatagramRecorder()
        dialled.watcher = met
        dialled.send(ByteBuffer(string: "anybody?"))
        dialled.flush()
        #expect(Datagrams.serve(dialled) { met.faults == [.refused] })
        // The refusal of this one is met by the next one that leaves, which leaves all the same.
        dialled.send(ByteBuffer(string: "nobody?"))
        dialled.flush()
        let (back, _) = try Datagrams.bound(bound, on: loop)
        let heard = DatagramRecorder()
        back.watcher = heard
        dialled.send(ByteBuffer(string: "hello"))
        dialled.flush()
        #expect(Datagrams.serve(back) { heard.datagrams.count >= 1 })
        #expect(heard.bytes == [ByteBuffer(string: "hello")])
        #expect(met.faults == [.refused, .refused])
        dialled.close()
        back.close()
    }

    @Test func tellsWhatIsLongerThanAnyDatagram() throws {
        let pair = try Pair()
        defer { pair.close() }
        #expect(!pair.near.send(ByteBuffer(repeating: 1, count: 65_508)))
        #expect(pair.near.send { $0.writeRepeatingByte(1, count: 65_508) } == 0)
        #expect(pair.met.faults == [.tooLong(65_508), .tooLong(65_508)])
        #expect(pair.near.send(ByteBuffer(string: "fits")))
        pair.near.flush()
        #expect(Datagrams.serve(pair.far) { pair.heard.datagrams.count >= 1 })
        #expect(pair.heard.bytes == [ByteBuffer(string: "fits")])
    }

    @Test("whoever writes straight into the burst sends what he wrote, and cannot send from there")
    func writesInPlace() throws {
        let pair = try Pair()
        defer { pair.close() }
        let length = pair.near.send {
            $0.writeString("in place")
            #expect(!pair.near.send(ByteBuffer(string: "nested")))
            pair.near.flush()
            return 8
        }
        #expect(length == 8)
        #expect(pair.near.send { _ in 0 } == 0)
        pair.near.loop.runOnce()
        #expect(Datagrams.serve(pair.far) { pair.heard.datagrams.count >= 1 })
        Datagrams.serveNow(pair.far)
        #expect(pair.heard.bytes == [ByteBuffer(string: "in place")])
    }

    @Test("a turn is about 256 datagrams, the rest has the next ones") func boundsTurns() throws {
        let pair = try Pair(joins: false)
        defer { pair.close() }
        for number in 0..<600 {
            pair.near.send(Datagrams.numbered(number, 8))
            pair.near.flush()
        }
        #expect(Datagrams.serve(pair.far) { pair.heard.datagrams.count >= 600 })
        #expect(pair.heard.bytes == (0..<600).map { Datagrams.numbered($0, 8) })
        let sizes = zip(pair.heard.turns, [0] + pair.heard.turns).map { $0 - $1 }
        #expect(sizes.count >= 3 && sizes.allSatisfy { $0 <= 256 })
    }

    @Test("a datagram that is kept stays as it was", arguments: [40, 1200, 5000]) func keptOnesStay(length: Int) throws
    {
        let pair = try Pair()
        defer { pair.close() }
        for number in 0..<200 {
            pair.near.send(Datagrams.numbered(number, length))
            pair.near.flush()
            #expect(Datagrams.serve(pair.far) { pair.heard.datagrams.count > number })
        }
        #expect(pair.heard.bytes == (0..<200).map { Datagrams.numbered($0, length) })
    }

    @Test("storage that nobody keeps is used again", arguments: [40, 5000]) func reusesStorage(length: Int) throws {
        let pair = try Pair()
        defer { pair.close() }
        var places = Set<UnsafeRawPointer?>()
        var count = 0
        pair.heard.onDatagram = { datagram in
            places.insert(datagram.bytes.withUnsafeReadableBytes { $0.baseAddress })
            count += 1
            pair.heard.datagrams = []
        }
        for number in 0..<50 {
            pair.near.send(Datagrams.numbered(number, length))
            pair.near.flush()
            #expect(Datagrams.serve(pair.far) { count > number })
        }
        #expect(places.count == 1)
    }

    @Test func nothingIsToldAfterTheWatcherHasClosed() throws {
        let pair = try Pair()
        for number in 0..<20 { pair.near.send(Datagrams.numbered(number, 100)) }
        pair.near.flush()
        pair.heard.onDatagram = { _ in pair.far.close() }
        #expect(Datagrams.serve(pair.far) { pair.far.isClosed })
        pair.far.became(3)
        pair.far.loop.runOnce()
        #expect(pair.heard.datagrams.count == 1 && pair.heard.turns.isEmpty)
        #expect(!pair.far.send(ByteBuffer(string: "late"), to: nil))
        pair.near.close()
    }

    @Test("the last word leaves when a socket is closed") func closesAfterTheLastWord() throws {
        let pair = try Pair()
        pair.near.send(ByteBuffer(string: "bye"))
        pair.near.close()
        #expect(Datagrams.serve(pair.far) { pair.heard.datagrams.count >= 1 })
        pair.far.close()
    }

    @Test("asks for more room than the system gives unasked") func asksForRoom() throws {
        let loop = SocketLoop.manual()
        var plain = DatagramOptions()
        plain.systemBuffer = 64 << 10
        let (small, _) = try Datagrams.bound(on: loop, options: plain)
        let (large, _) = try Datagrams.bound(on: loop)
        #expect(large.receiveBuffer > small.receiveBuffer)
        small.close()
        large.close()
    }
}

// MARK: - No room

extension DatagramSocketTests {
    @Test("where the system has no room datagrams wait, up to a bound, and leave in order when there is some")
    func waitsForRoom() throws {
        let loop = SocketLoop.manual()
        var options = DatagramOptions()
        options.mostQueued = 20_000
        let (near, far) = try Datagrams.joined(on: loop, options: options)
        let (met, heard) = (DatagramRecorder(), DatagramRecorder())
        (near.watcher, far.watcher) = (met, heard)
        var taken = 0
        while taken < 1_000, near.send(Datagrams.numbered(taken, 100)) {
            taken += 1
            near.flush()
        }
        #expect(!near.isWritable)
        #expect(taken > 100 && taken < 200)
        #expect((19_800...20_000).contains(near.burst.bytes + 64 * near.burst.count))
        #expect(met.writable == 0)
        for _ in 0..<1_000 where heard.datagrams.count < taken {
            Datagrams.serveNow(far)
            near.became(2)
        }
        #expect(heard.bytes == (0..<taken).map { Datagrams.numbered($0, 100) })
        #expect(near.isWritable && met.writable == 1 && met.faults.isEmpty)
        near.close()
        far.close()
    }

    @Test("the loop hears of room from the system") func hearsOfRoom() async throws {
        let loop = try #require(SocketLoop.start(name: "test"))
        let done = loop.makePromise(of: [Int].self)
        loop.execute {
            guard let (near, far) = try? Datagrams.joined(on: loop) else { return done.fail(ChannelError.eof) }
            let heard = DatagramRecorder()
            far.watcher = heard
            heard.onDatagram = { _ in
                guard heard.datagrams.count == 500 else { return }
                done.succeed(heard.lengths)
                near.close()
                far.close()
            }
            for number in 1...500 { near.send(Datagrams.numbered(number, number)) }
        }
        #expect(try await done.futureResult.get() == Array(1...500))
        loop.stop()
    }

    @Test(
        "whatever the order of sending, flushing, reading and room: nothing is lost or mixed up",
        arguments: ModelRuns.seeds)
    func model(seed: UInt64) throws {
        var random = SeededRandom(seed)
        let loop = SocketLoop.manual()
        var options = DatagramOptions()
        options.mostQueued = [0, 500, 5_000].randomElement(using: &random) ?? 0
        let (near, far) = try Datagrams.joined(on: loop, options: options)
        let (met, heard) = (DatagramRecorder(), DatagramRecorder())
        (near.watcher, far.watcher) = (met, heard)
        var sent: [ByteBuffer] = []
        var wasTurnedAway = false
        while near.isWritable, sent.count < 100 {
            sent.append(Datagrams.numbered(200 + sent.count, 20))
            #expect(near.send(sent[sent.count - 1]))
            near.flush()
        }
        #expect(!near.isWritable)
        for number in 0..<120 {
            switch Int.random(in: 0..<8, using: &random) {
            case 0...4:
                // Empty ones say nothing of themselves on this kind of socket's poll, so they are left to other tests.
                let bytes = Datagrams.numbered(number, Int.random(in: 1...300, using: &random))
                if Bool.random(using: &random) {
                    if near.send(bytes) { sent.append(bytes) } else { wasTurnedAway = true }
                } else {
                    let length = near.send { $0.writeImmutableBuffer(bytes) }
                    if length > 0 { sent.append(bytes) } else { wasTurnedAway = true }
                }
            case 5: near.flush()
            case 6: Datagrams.serveNow(far)
            default: near.became(2)
            }
        }
        for _ in 0..<200 where heard.datagrams.count < sent.count {
            near.became(2)
            Datagrams.serveNow(far)
        }
        #expect(heard.bytes == sent)
        #expect(met.faults.isEmpty && heard.faults.isEmpty)
        #expect(near.isWritable && near.burst.isEmpty)
        #expect(!wasTurnedAway || met.writable > 0)
        near.close()
        far.close()
    }
}
