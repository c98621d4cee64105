// SPDX-License-Identifier: Apache-2.0

package import NIOCore

/// Who serves one peer of a listener. All of this is called on its loop.
package protocol DatagramPeerWatcher: AnyObject {
    func datagramPeer(_ peer: DatagramPeer, received datagram: Datagram)
    /// All that came of it in this turn has been told: now is the time for answers.
    func datagramPeerHasReceived(_ peer: DatagramPeer)
    /// There is room again; told to those who were turned away.
    func datagramPeerIsWritable(_ peer: DatagramPeer)
    func datagramPeer(_ peer: DatagramPeer, met fault: DatagramFault)
}

/// One of those who share a listening socket.
package final class DatagramPeer {
    /// The address of ours may change, the peer's does not.
    package fileprivate(set) var path: DatagramPath
    /// Kept until the peer is closed.
    package fileprivate(set) var watcher: (any DatagramPeerWatcher)?
    fileprivate weak var listener: DatagramListener?
    fileprivate var isTouched = false
    fileprivate var waits = false

    fileprivate init(_ path: DatagramPath, _ watcher: any DatagramPeerWatcher, _ listener: DatagramListener) {
        self.path = path
        self.watcher = watcher
        self.listener = listener
    }

    package var isClosed: Bool { self.watcher == nil }
    package var isWritable: Bool { self.listener?.socket.isWritable ?? false }

    /// See ``DatagramSocket/send(_:to:)``.
    @discardableResult package func send(_ bytes: ByteBuffer) -> Bool {
        guard !self.isClosed, let listener else { return false }
        let isTaken = listener.socket.send(bytes, to: self.path)
        if !isTaken { listener.willTell(self) }
        return isTaken
    }

    /// See ``DatagramSocket/send(to:_:)``.
    package func send(_ write: (inout ByteBuffer) -> Int) -> Int {
        guard !self.isClosed, let listener else { return 0 }
        let count = listener.socket.send(to: self.path, write)
        if count == 0 { listener.willTell(self) }
        return count
    }

    /// Forgets the peer at once; what it was sent still leaves. Should it send again, it is an unknown one.
    package func close() {
        guard !self.isClosed else { return }
        self.watcher = nil
        self.listener?.forget(self)
    }
}

/// The peers of one listening socket of a loop, told apart by their addresses.
package final class DatagramListener: DatagramWatcher {
    package let socket: DatagramSocket
    private let mostPeers: Int
    /// What is to be done behind the last peer of a listener that takes none any more.
    private var whenEmpty: (() -> Void)?
    private var onUnknown: ((Datagram) -> (any DatagramPeerWatcher)?)?
    private var peers: [PeerAddress: DatagramPeer] = [:]
    /// Datagrams come in runs: the last one's peer is the likeliest.
    private var last: DatagramPeer?
    /// Peers with datagrams in this turn, and those who are to be told of room.
    private var touched: ContiguousArray<DatagramPeer> = []
    private var waiting: ContiguousArray<DatagramPeer> = []
    /// Those of ``touched`` who are being told.
    private var told: ContiguousArray<DatagramPeer> = []
    /// Datagrams of unknown peers that were dropped because there were too many peers.
    package private(set) var turnedAway: UInt64 = 0

    /// - Parameters:
    ///   - socket: its watcher is this listener from now on.
    ///   - mostPeers: so many at once; others' datagrams are dropped and counted.
    ///   - onUnknown: decides on a peer by its first datagram, before that is told: who serves it, or nil to drop it.
    package init(
        _ socket: DatagramSocket, mostPeers: Int, onUnknown: @escaping (Datagram) -> (any DatagramPeerWatcher)?
    ) {
        self.socket = socket
        self.mostPeers = mostPeers
        self.onUnknown = onUnknown
        socket.watcher = self
    }

    package var count: Int { self.peers.count }

    package func peer(at address: PeerAddress) -> DatagramPeer? { self.peers[address] }

    /// Those who serve the peers.
    package var watchers: [any DatagramPeerWatcher] { self.peers.values.compactMap(\.watcher) }

    /// Forgets all peers and closes the socket. What is queued leaves as far as the system takes it at once.
    package func close() {
        self.leave()
        self.socket.close()
    }

    /// Forgets all peers and leaves the socket to another watcher.
    package func leave() {
        self.onUnknown = nil
        self.whenEmpty = nil
        for peer in self.peers.values { peer.watcher = nil }
        self.peers = [:]
        self.last = nil
        self.touched = []
        self.waiting = []
    }

    /// Takes no peer any more. The socket is closed behind the last of those there are.
    package func stop() { self.stop { [weak self] in self?.close() } }

    /// Takes no peer any more.
    ///
    /// - Parameter whenEmpty: called behind the last of those there are, possibly at once.
    package func stop(whenEmpty: @escaping () -> Void) {
        self.onUnknown = nil
        self.whenEmpty = whenEmpty
        self.tellIfEmpty()
    }

    /// Takes peers again, if the socket is open.
    package func resume(onUnknown: @escaping (Datagram) -> (any DatagramPeerWatcher)?) {
        self.whenEmpty = nil
        self.onUnknown = onUnknown
    }

    private func tellIfEmpty() {
        guard self.peers.isEmpty, let whenEmpty else { return }
        self.whenEmpty = nil
        whenEmpty()
    }

    fileprivate func forget(_ peer: DatagramPeer) {
        if self.last === peer { self.last = nil }
        self.peers[peer.path.peer] = nil
        self.tellIfEmpty()
    }

    fileprivate func willTell(_ peer: DatagramPeer) {
        guard !peer.waits, !peer.isClosed, self.socket.owesWord else { return }
        peer.waits = true
        self.waiting.append(peer)
    }

    // MARK: What the socket tells

    package func datagramSocket(_ socket: DatagramSocket, received datagram: Datagram) {
        guard let peer = self.known(datagram.path.peer) ?? self.admit(datagram) else { return }
        self.last = peer
        peer.path = datagram.path
        if !peer.isTouched {
            peer.isTouched = true
            self.touched.append(peer)
        }
        peer.watcher?.datagramPeer(peer, received: datagram)
    }

    private func known(_ address: PeerAddress) -> DatagramPeer? {
        if let last, last.path.peer == address { return last }
        return self.peers[address]
    }

    private func admit(_ datagram: Datagram) -> DatagramPeer? {
        guard self.peers.count < self.mostPeers else {
            self.turnedAway &+= 1
            return nil
        }
        guard let watcher = self.onUnknown?(datagram), !self.socket.isClosed else { return nil }
        let peer = DatagramPeer(datagram.path, watcher, self)
        self.peers[datagram.path.peer] = peer
        return peer
    }

    package func datagramSocketHasReceived(_ socket: DatagramSocket) {
        swap(&self.touched, &self.told)
        for peer in self.told {
            peer.isTouched = false
            peer.watcher?.datagramPeerHasReceived(peer)
        }
        self.told.removeAll(keepingCapacity: true)
    }

    package func datagramSocketIsWritable(_ socket: DatagramSocket) {
        let waiting = self.waiting
        self.waiting = []
        for peer in waiting {
            peer.waits = false
            peer.watcher?.datagramPeerIsWritable(peer)
        }
    }

    package func datagramSocket(_ socket: DatagramSocket, met fault: DatagramFault, with path: DatagramPath?) {
        guard let path, let peer = self.known(path.peer) else { return }
        peer.watcher?.datagramPeer(peer, met: fault)
    }
}
