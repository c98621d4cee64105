// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore
import WarrenKCP
import WarrenLoop
import WarrenSecureDatagrams

/// A UDP port that answers only who has a key: each secure session that is begun there becomes a leg.
///
/// Sessions are found by what their datagrams name, not by where they come from. Each loop has its own, and passes on what is
/// for another's (``SecureSiblings``).
final class SecureKCPPort: UDPPort {
    private let loop: SocketLoop
    private let plan: () -> Listener.Plan
    private let limiter: ConnectionLimiter
    private let share = WindowShare()
    private let socket: DatagramSocket
    private let siblings: SecureSiblings
    private let number: Int
    private var key: SecureDatagrams.ListenerKey
    private var sessions: SecureDatagrams.Listener
    private var peers: [SecureDatagrams.SessionID: SecurePeer] = [:]
    /// Where answers leave that no datagram led to.
    private var addresses: [SecureDatagrams.Address: SecurePeer] = [:]
    /// Datagrams come in runs: the last one's peer is the likeliest.
    private var last: SecurePeer?
    /// Peers with datagrams in this turn, and those who are to be told of room.
    private var touched: ContiguousArray<SecurePeer> = []
    private var waiting: ContiguousArray<SecurePeer> = []
    /// Those of ``touched`` who are being told.
    private var told: ContiguousArray<SecurePeer> = []
    private var strangers: SecureStrangers
    private var isStopping = false
    private var whenEmpty: (() -> Void)?
    /// The socket is another's.
    private var hasLeft = false
    private var alarm: LoopTimer?
    /// What a leg writes, before it is sealed.
    private var plain = ByteBuffer()

    init(
        _ socket: DatagramSocket, key: SecureDatagrams.ListenerKey, number: Int,
        of siblings: SecureSiblings, on loop: SocketLoop, limiter: ConnectionLimiter,
        plan: @escaping () -> Listener.Plan
    ) {
        self.siblings = siblings
        self.number = number
        self.loop = loop
        self.key = key
        self.plan = plan
        self.limiter = limiter
        self.sessions = Self.sessions(key, number, of: siblings, now: loop.now)
        self.strangers = SecureStrangers(conversation: plan().kcp?.conversation ?? 0)
        self.socket = socket
    }

    private static func sessions(
        _ key: SecureDatagrams.ListenerKey, _ number: Int, of siblings: SecureSiblings, now: NIODeadline
    ) -> SecureDatagrams.Listener {
        SecureDatagrams.Listener(key: key, timing: .tunnel, part: .init(number, of: siblings.count), now: now)
    }

    func start() {
        self.siblings.join(self, as: self.number, on: self.loop)
        self.socket.watcher = self
    }

    func stop(whenEmpty: @escaping () -> Void) {
        self.isStopping = true
        self.whenEmpty = whenEmpty
        self.tellIfEmpty()
    }

    func resume() {
        self.isStopping = false
        self.whenEmpty = nil
    }

    func fits(_ plan: Listener.Plan) -> Bool { plan.key != nil }

    func leave() -> DatagramSocket {
        self.hasLeft = true
        self.whenEmpty = nil
        self.alarm?.cancel()
        self.alarm = nil
        self.siblings.leave(self.number)
        let peers = self.peers.values
        for peer in peers { peer.leg?.close(.aborted) }
        return self.socket
    }

    /// Clients that are not in the list any more are gone at once; with another key of our own, all are.
    func exchanged() {
        guard let key = self.plan().key, key != self.key else { return }
        let old = self.key
        self.key = key
        if case (.pair(let before, _), .pair(let own, let clients)) = (old, key), before == own {
            self.sessions.allow(clients)
            self.turn()
            return
        }
        let peers = self.peers.values
        self.sessions = Self.sessions(key, self.number, of: self.siblings, now: self.loop.now)
        for peer in peers { peer.leg?.close(.aborted) }
    }

    private func tellIfEmpty() {
        guard self.peers.isEmpty, let whenEmpty else { return }
        self.whenEmpty = nil
        whenEmpty()
    }

    func close() {
        self.alarm?.cancel()
        self.alarm = nil
        self.siblings.leave(self.number)
        self.socket.close()
    }
}

@available(*, unavailable)
extension SecureKCPPort: Sendable {}

// MARK: - What peers do

extension SecureKCPPort {
    var isWritable: Bool { self.socket.isWritable }

    func put(for peer: SecurePeer, _ write: (inout ByteBuffer) -> Int) -> Int {
        var hadRoom = false
        let length = self.socket.send(to: peer.path) { datagram in
            hadRoom = true
            self.plain.clear()
            let length = write(&self.plain)
            guard length > 0,
                self.sessions.seal(self.plain, for: peer.id, into: &datagram, now: self.loop.now) != nil
            else { return 0 }
            return length + SecureDatagrams.overhead
        }
        if !hadRoom, !peer.waits {
            peer.waits = true
            self.waiting.append(peer)
        }
        return length
    }

    /// Its leg is over. The client hears of it when it asks.
    func forget(_ peer: SecurePeer) {
        guard self.peers.removeValue(forKey: peer.id) != nil else { return }
        if self.last === peer { self.last = nil }
        self.leave(peer)
        self.sessions.close(peer.id)
        self.tellIfEmpty()
    }

    private func leave(_ peer: SecurePeer) {
        let address = SecureDatagrams.Address(peer.path)
        if self.addresses[address] === peer { self.addresses[address] = nil }
    }
}

// MARK: - What sessions say

extension SecureKCPPort {
    /// - Parameters:
    ///   - path: of the datagram that led to it; nil if it was time.
    ///   - datagram: itself.
    private func tell(_ path: DatagramPath? = nil, of datagram: ByteBuffer? = nil) {
        while let event = self.sessions.nextEvent() {
            switch event {
            case .payload(let id, let datagram): self.received(datagram, of: id)
            case .up(let id, _, _): if let path { self.arrived(id, at: path) }
            case .moved(let id, _): if let path, let peer = self.peers[id] { self.move(peer, to: path) }
            case .ended(let id, let failure): self.peers[id]?.leg?.close(failure.fault)
            case .elsewhere(let number):
                if let path, let datagram { self.siblings.pass(datagram, path, to: number) }
            }
        }
    }

    private func arrived(_ id: SecureDatagrams.SessionID, at path: DatagramPath) {
        let plan = self.plan()
        guard !self.isStopping, let configuration = plan.kcp?.inside,
            let leg = self.limiter.admit(
                from: path.peer.unmapped, to: plan, on: self.loop,
                { onClose in
                    KCPLeg(
                        configuration, with: path.peer.unmapped, on: self.loop, sharing: self.share, onClose: onClose)
                })
        else { return self.sessions.close(id) }
        let peer = SecurePeer(id, at: path, of: self)
        self.peers[id] = peer
        self.addresses[SecureDatagrams.Address(path)] = peer
        peer.serve(leg)
    }

    /// Everything goes on: only its datagrams leave elsewhere.
    private func move(_ peer: SecurePeer, to path: DatagramPath) {
        self.leave(peer)
        peer.path = path
        self.addresses[SecureDatagrams.Address(path)] = peer
    }

    private func received(_ datagram: ByteBuffer, of id: SecureDatagrams.SessionID) {
        guard let peer = self.last?.id == id ? self.last : self.peers[id] else { return }
        self.last = peer
        if !peer.isTouched {
            peer.isTouched = true
            self.touched.append(peer)
        }
        peer.leg?.received(datagram)
    }

    /// Puts out what is no payload.
    ///
    /// - Parameter path: as above.
    private func answer(_ path: DatagramPath? = nil) {
        let address = path.map { SecureDatagrams.Address($0) }
        while let outgoing = self.sessions.poll(now: self.loop.now) {
            guard let way = outgoing.address == address ? path : self.way(to: outgoing.address) else { continue }
            self.socket.send(outgoing.datagram, to: way)
        }
    }

    private func way(to address: SecureDatagrams.Address) -> DatagramPath? {
        // Of several sessions from one address the last one stands in the table, and may be gone.
        self.addresses[address]?.path
            ?? self.peers.values.first { SecureDatagrams.Address($0.path) == address }?.path
    }

    private func turn() {
        self.answer()
        self.tell()
        self.setAlarm()
    }

    private func setAlarm() {
        guard !self.hasLeft, !self.socket.isClosed, let deadline = self.sessions.deadline else { return }
        if let alarm, alarm.deadline <= deadline { return }
        self.alarm?.cancel()
        self.alarm = self.loop.timer(at: max(deadline, self.loop.now + .milliseconds(1))) {
            self.alarm = nil
            self.turn()
        }
    }
}

// MARK: - What the socket tells

extension SecureKCPPort: DatagramWatcher {
    func datagramSocket(_ socket: DatagramSocket, received datagram: Datagram) {
        self.take(datagram.bytes, datagram.path)
    }

    func datagramSocketHasReceived(_ socket: DatagramSocket) { self.tookAll() }

    /// What came to other loops.
    func takePassed() {
        for passed in self.siblings.take(self.number) where !self.socket.isClosed {
            self.take(passed.datagram, passed.path, isPassedOn: true)
        }
        self.tookAll()
    }

    private func take(_ datagram: ByteBuffer, _ path: DatagramPath, isPassedOn: Bool = false) {
        let isPayload = SecureDatagrams.Kind(of: datagram) == .data
        let before = isPayload ? nil : self.sessions.counters
        let address = SecureDatagrams.Address(path)
        self.sessions.input(datagram, from: address, isPassedOn: isPassedOn, now: self.loop.now)
        self.tell(path, of: datagram)
        guard let before else { return }
        self.answer(path)
        guard let what = self.strangers.word(on: datagram, before, self.sessions.counters, now: self.loop.now) else {
            return
        }
        let peer = path.peer.unmapped.socketAddress
        self.limiter.reporter.emit(.stranger(inbound: self.plan().name, peer: peer, saying: what))
    }

    private func tookAll() {
        swap(&self.touched, &self.told)
        for peer in self.told {
            peer.isTouched = false
            peer.leg?.receivedBurst()
        }
        self.told.removeAll(keepingCapacity: true)
        self.turn()
    }

    func datagramSocketIsWritable(_ socket: DatagramSocket) {
        let waiting = self.waiting
        self.waiting = []
        for peer in waiting {
            peer.waits = false
            peer.leg?.portIsWritable()
        }
    }

    /// A peer that does not get its datagrams is found by KCP.
    func datagramSocket(_ socket: DatagramSocket, met fault: DatagramFault, with path: DatagramPath?) {}
}
