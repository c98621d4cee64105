// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenLoop

/// Answers what it hears in upper case, all at the end of the turn.
private final class Echo: DatagramPeerWatcher {
    var heard: [ByteBuffer] = []
    var turns = 0
    var writable = 0
    var faults: [DatagramFault] = []
    var onDatagram: (DatagramPeer) -> Void = { _ in }
    var answers = true
    private var unanswered: [ByteBuffer] = []

    func datagramPeer(_ peer: DatagramPeer, received datagram: Datagram) {
        self.heard.append(datagram.bytes)
        self.unanswered.append(datagram.bytes)
        self.onDatagram(peer)
    }

    func datagramPeerHasReceived(_ peer: DatagramPeer) {
        self.turns += 1
        if self.answers { for bytes in self.unanswered { peer.send(bytes) } }
        self.unanswered = []
    }

    func datagramPeerIsWritable(_ peer: DatagramPeer) { self.writable += 1 }

    func datagramPeer(_ peer: DatagramPeer, met fault: DatagramFault) { self.faults.append(fault) }
}

/// A listener that lets everybody in, and whom it has let in.
private final class Door {
    let listener: DatagramListener
    let address: PeerAddress
    private(set) var echoes: [Echo] {
        get { self.box.echoes }
        set { self.box.echoes = newValue }
    }
    private let box: Box

    private final class Box { var echoes: [Echo] = [] }

    init(
        _ address: PeerAddress = Datagrams.v4, on loop: SocketLoop, mostPeers: Int = 100,
        admits: @escaping (Datagram) -> Bool = { _ in true }
    ) throws {
        let socket: DatagramSocket
        (socket, self.address) = try Datagrams.bound(address, on: loop)
        let box = Box()
        self.box = box
        self.listener = DatagramListener(socket, mostPeers: mostPeers) { datagram in
            guard admits(datagram) else { return nil }
            let echo = Echo()
            box.echoes.append(echo)
            return echo
        }
    }

    func serve(until isDone: () -> Bool) -> Bool { Datagrams.serve(self.listener.socket, until: isDone) }
    var heard: Int { self.echoes.reduce(0) { $0 + $1.heard.count } }
}

@Suite(.timeLimit(.minutes(1))) struct DatagramListenerTests {
    private func dial(_ door: Door, _ count: Int) throws -> [(DatagramSocket, DatagramRecorder)] {
        try (0..<count).map { _ in
            let socket = try DatagramSocket.dial(to: door.address, on: door.listener.socket.loop)
            let recorder = DatagramRecorder()
            socket.watcher = recorder
            return (socket, recorder)
        }
    }

    private func send(_ text: String, _ socket: DatagramSocket) {
        socket.send(ByteBuffer(string: text))
        socket.flush()
    }

    @Test("each peer hears its own answers, in order", arguments: [Datagrams.v4, Datagrams.v6, Datagrams.everywhere6])
    func tellsPeersApart(address: PeerAddress) throws {
        let loop = SocketLoop.manual()
        let door = try Door(address, on: loop)
        let isEverywhere = address == Datagrams.everywhere6
        let target = isEverywhere ? PeerAddress(Datagrams.v4.address, port: door.address.port) : door.address
        let peers = try (0..<5).map { _ in
            let socket = try DatagramSocket.dial(to: target, on: loop)
            let recorder = DatagramRecorder()
            socket.watcher = recorder
            return (socket, recorder)
        }
        for round in 0..<10 {
            for (index, (socket, _)) in peers.enumerated() { self.send("\(index) says \(round)", socket) }
        }
        #expect(door.serve { door.heard >= 50 })
        #expect(door.listener.count == 5 && door.echoes.count == 5)
        for (index, (socket, recorder)) in peers.enumerated() {
            #expect(Datagrams.serve(socket) { recorder.datagrams.count >= 10 })
            #expect(recorder.bytes == (0..<10).map { ByteBuffer(string: "\(index) says \($0)") })
            socket.close()
        }
        #expect(door.echoes.allSatisfy { $0.turns >= 1 && $0.turns <= 10 })
        door.listener.close()
    }

    @Test("a peer that is closed is forgotten at once, also amid its own datagrams") func forgets() throws {
        let loop = SocketLoop.manual()
        let door = try Door(on: loop)
        let peers = try self.dial(door, 1)
        let socket = peers[0].0
        self.send("first", socket)
        #expect(door.serve { door.heard >= 1 })
        door.echoes[0].onDatagram = { peer in
            peer.close()
            #expect(!peer.send(ByteBuffer(string: "late")) && peer.isClosed)
            #expect(door.listener.count == 0)
        }
        for text in ["last", "anew", "more"] { socket.send(ByteBuffer(string: text)) }
        socket.flush()
        #expect(door.serve { door.heard >= 4 })
        #expect(door.echoes.map(\.heard.count) == [2, 2])
        #expect(door.listener.count == 1)
        #expect(door.listener.peer(at: try #require(socket.localAddress)) != nil)
        socket.close()
        door.listener.close()
    }

    @Test("a listener that stops takes no peer any more, and closes its socket behind the last one") func stops() throws
    {
        let loop = SocketLoop.manual()
        let door = try Door(on: loop)
        let peers = try self.dial(door, 2)
        self.send("known", peers[0].0)
        #expect(door.serve { door.heard >= 1 })
        door.listener.stop()
        self.send("unknown", peers[1].0)
        self.send("still known", peers[0].0)
        #expect(door.serve { door.heard >= 2 })
        #expect(door.listener.count == 1 && !door.listener.socket.isClosed)
        door.listener.peer(at: try #require(peers[0].0.localAddress))?.close()
        #expect(door.listener.socket.isClosed)
        for (socket, _) in peers { socket.close() }
    }

    @Test("a listener that has stopped takes peers again, and has kept those it had") func resumes() throws {
        let loop = SocketLoop.manual()
        let door = try Door(on: loop)
        let peers = try self.dial(door, 2)
        self.send("known", peers[0].0)
        #expect(door.serve { door.heard >= 1 })
        var isEmpty = false
        door.listener.stop { isEmpty = true }
        let echo = Echo()
        door.listener.resume { _ in echo }
        self.send("unknown", peers[1].0)
        self.send("still known", peers[0].0)
        #expect(door.serve { door.heard >= 2 && !echo.heard.isEmpty })
        for (socket, _) in peers { door.listener.peer(at: try #require(socket.localAddress))?.close() }
        #expect(!isEmpty && !door.listener.socket.isClosed)
        door.listener.stop { isEmpty = true }
        #expect(isEmpty && !door.listener.socket.isClosed)
        for (socket, _) in peers { socket.close() }
        door.listener.close()
    }

    @Test func nobodyHoldsAPeerThatIsClosed() throws {
        let loop = SocketLoop.manual()
        let door = try Door(on: loop)
        let (socket, _) = try self.dial(door, 1)[0]
        self.send("hello", socket)
        #expect(door.serve { door.heard >= 1 })
        weak let peer = door.listener.peer(at: try #require(socket.localAddress))
        #expect(peer != nil)
        peer?.close()
        #expect(peer == nil)
        socket.close()
        door.listener.close()
    }

    @Test("beyond the bound nobody new is asked about, until one has gone") func boundsPeers() throws {
        let loop = SocketLoop.manual()
        let door = try Door(on: loop, mostPeers: 2)
        let peers = try self.dial(door, 3)
        for (socket, _) in peers { self.send("hello", socket) }
        #expect(door.serve { door.listener.turnedAway >= 1 })
        #expect(door.echoes.count == 2 && door.listener.turnedAway == 1)
        door.listener.peer(at: try #require(peers[0].0.localAddress))?.close()
        self.send("again", peers[2].0)
        #expect(door.serve { door.echoes.count >= 3 })
        #expect(door.echoes[2].heard == [ByteBuffer(string: "again")])
        for (socket, _) in peers { socket.close() }
        door.listener.close()
    }

    @Test("whom nobody wants is not remembered, and asked about again") func ignores() throws {
        let loop = SocketLoop.manual()
        let door = try Door(on: loop) { $0.bytes == ByteBuffer(string: "please") }
        let (socket, recorder) = try self.dial(door, 1)[0]
        for text in ["let me in", "please", "thanks"] { socket.send(ByteBuffer(string: text)) }
        socket.flush()
        #expect(door.serve { door.heard >= 2 })
        #expect(Datagrams.serve(socket) { recorder.datagrams.count >= 2 })
        #expect(recorder.bytes == [ByteBuffer(string: "please"), ByteBuffer(string: "thanks")])
        #expect(door.listener.turnedAway == 0)
        socket.close()
        door.listener.close()
    }

    @Test("peers that were turned away hear of room once, the others not") func tellsOfRoom() throws {
        let loop = SocketLoop.manual()
        let door = try Door(on: loop)
        let peers = try self.dial(door, 2)
        for (socket, _) in peers { self.send("hello", socket) }
        #expect(door.serve { door.heard >= 2 })
        loop.runOnce()
        let address = try #require(peers[0].0.localAddress)
        let peer = try #require(door.listener.peer(at: address))
        let talker = try #require(peer.watcher as? Echo)
        // As if the system had said so: the loopback network always takes what it is given.
        door.listener.socket.isWritable = false
        #expect(!peer.isWritable)
        var taken = 0
        while taken < 1_000, peer.send(Datagrams.numbered(taken, 5_000)) { taken += 1 }
        #expect((150...210).contains(taken))
        var small = 0
        while small < 1_000, peer.send({ $0.writeString("little") }) == 6 { small += 1 }
        #expect(small < 100)
        #expect(talker.writable == 0)
        door.listener.socket.becameWritable()
        #expect(peer.isWritable && talker.writable == 1)
        #expect(door.echoes.reduce(0) { $0 + $1.writable } == 1)
        for (socket, _) in peers { socket.close() }
        door.listener.close()
    }

    @Test func aListenerMayBeClosedAmidItsDatagrams() throws {
        let loop = SocketLoop.manual()
        let door = try Door(on: loop)
        let peers = try self.dial(door, 3)
        for (socket, _) in peers { self.send("first", socket) }
        #expect(door.serve { door.heard >= 3 })
        for echo in door.echoes { echo.onDatagram = { _ in door.listener.close() } }
        for (socket, _) in peers { self.send("second", socket) }
        #expect(door.serve { door.listener.socket.isClosed })
        loop.runOnce()
        #expect(door.heard == 4 && door.listener.count == 0)
        for (socket, _) in peers { socket.close() }
    }

    @Test("whatever comes in whatever order: each peer's datagrams and answers are its own", arguments: ModelRuns.seeds)
    func model(seed: UInt64) throws {
        var random = SeededRandom(seed)
        let loop = SocketLoop.manual()
        let door = try Door([Datagrams.v4, Datagrams.v6].randomElement(using: &random) ?? Datagrams.v4, on: loop)
        let peers = try self.dial(door, 3)
        var sent: [[ByteBuffer]] = [[], [], []]
        for number in 0..<30 {
            let index = Int.random(in: 0..<3, using: &random)
            let socket = peers[index].0
            switch Int.random(in: 0..<6, using: &random) {
            case 0...2:
                let length = [1, 90, 90, 1200, 3000].randomElement(using: &random) ?? 0
                let bytes = Datagrams.numbered(number, length)
                #expect(socket.send(bytes))
                sent[index].append(bytes)
            case 3: socket.flush()
            case 4: Datagrams.serveNow(door.listener.socket)
            default:
                if let address = socket.localAddress { door.listener.peer(at: address)?.close() }
            }
        }
        for (socket, _) in peers { socket.flush() }
        let total = sent.reduce(0) { $0 + $1.count }
        #expect(door.serve { door.heard >= total })
        // Peers that were closed before the end of a turn did not answer in it: answers are some of what was sent, in order.
        for (index, (socket, recorder)) in peers.enumerated() {
            Datagrams.serveNow(socket)
            var rest = sent[index][...]
            for bytes in recorder.bytes {
                guard let place = rest.firstIndex(of: bytes) else {
                    Issue.record("an answer to somebody else")
                    break
                }
                rest = rest[(place + 1)...]
            }
            socket.close()
        }
        #expect(door.heard == total && door.listener.count <= 3)
        door.listener.close()
    }
}
