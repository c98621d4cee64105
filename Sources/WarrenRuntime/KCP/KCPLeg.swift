// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import WarrenCore
package import WarrenKCP
package import WarrenLoop

/// One conversation of KCP as a leg.
///
/// KCP has no end and no half-close: the protocol above says its last words, and ``end(_:)`` waits until the peer has them.
/// ``LegEvents/sent(_:by:)`` tells what the peer has, not what has left.
package final class KCPLeg: Leg {
    private enum Ending {
        case open
        /// Nothing is taken any more; what was written still leaves.
        case lingering
        case gone
    }

    /// How long the peer may take with our last words.
    private static let lingerTime = TimeAmount.seconds(5)
    private static let largestPiece = 64 << 10
    /// By how much the alarm may ring too early.
    private static let tooEarly = TimeAmount.milliseconds(4)

    package var events: (any LegEvents)? {
        didSet { self.tells = self.events?.needs.contains(.counts) ?? false }
    }
    /// Somebody wants to know what the peer has.
    private var tells = false
    private let loop: SocketLoop
    private let peerAddress: PeerAddress
    private var machine: KCP.Machine
    /// Nil before the first datagram of a peer that came to us.
    private var port: (any DatagramPort)?
    private var onClose: (() -> Void)?
    private var ending = Ending.open
    private var fault: StreamFault?
    private var hasBegun = false
    private var isReading = true
    private var isFull = false
    private var isDelivering = false
    private var isPumping = false
    /// The last piece that was put together; its storage is used again when its reader has let go of it.
    private var gathered = ByteBuffer()
    /// Put back by somebody who read too far.
    private var early: ByteBuffer?
    /// Acknowledged bytes that have been told.
    private var told: UInt64 = 0
    /// What lets the receive window grow once the peer has proven itself; nil once it has grown.
    private var widening: WindowShare?
    private let largeWindow: Int
    private var alarm: LoopTimer?
    private var lingering: LoopTimer?

    /// - Parameters:
    ///   - share: of what windows the peers of a port may have; nil for a peer that we have dialled.
    ///   - onClose: called once, when the conversation is over.
    package init(
        _ configuration: KCP.Configuration, with peer: PeerAddress, on loop: SocketLoop,
        sharing share: WindowShare? = nil, onClose: (() -> Void)? = nil
    ) {
        var configuration = configuration
        self.widening = share
        self.largeWindow = configuration.receiveWindow
        if share != nil { configuration.receiveWindow = WindowShare.unproven }
        configuration.clockOffset = UInt32.random(in: 0 ... .max)
        self.machine = KCP.Machine(configuration, now: loop.now)
        self.peerAddress = peer
        self.loop = loop
        self.onClose = onClose
    }

    /// From now on datagrams leave there.
    package func attach(_ port: any DatagramPort) {
        guard self.ending != .gone else { return port.close() }
        self.port = port
        self.pump()
    }

    package var peer: SocketAddress? { self.peerAddress.socketAddress }
    /// The peer has acknowledged something, so it is where its datagrams say that they come from.
    package var isProven: Bool { self.machine.acknowledged > 0 }
    package var isGone: Bool { self.ending == .gone }
    package var isWritable: Bool { !self.isFull }
    package var waiting: Int { self.machine.backlog }
    package var obstacle: String? { self.isFull ? "carrier" : nil }
}

@available(*, unavailable)
extension KCPLeg: Sendable {}

// MARK: - What the owner does

extension KCPLeg {
    package func begin() {
        self.hasBegun = true
        if let early {
            self.early = nil
            self.events?.received(early, by: self)
            self.events?.receivedBurst(by: self)
        }
        if self.ending == .gone { self.events?.ended(self, self.fault) } else { self.receivedBurst() }
    }

    package func unread(_ bytes: ByteBuffer) { if bytes.readableBytes > 0 { self.early = bytes } }

    package func write(_ bytes: ByteBuffer) {
        guard self.ending == .open else { return }
        self.machine.send(bytes)
        if !self.machine.isWritable { self.isFull = true }
    }

    /// What is delivered leads to one datagram full of answers, not to one for each piece.
    package func flush() { if !self.isDelivering { self.pump() } }

    package func setReading(_ reading: Bool) {
        guard reading != self.isReading else { return }
        self.isReading = reading
        guard reading, self.machine.isReadable else { return }
        self.loop.defer { self.receivedBurst() }
    }

    package func finish() {}

    package func end(_ fault: StreamFault?) {
        guard self.ending != .gone else { return }
        self.machine.hurry()
        self.pump()
        guard self.ending != .gone else { return }
        if fault != nil || self.machine.isFinished { return self.close(fault) }
        self.ending = .lingering
        self.lingering = self.loop.timer(in: Self.lingerTime) { self.close(.timedOut) }
        // What comes now is for nobody, and must not keep the peer from hearing of ours.
        self.deliver()
    }
}

// MARK: - What the network does

extension KCPLeg {
    func received(_ datagram: ByteBuffer) {
        guard self.ending != .gone else { return }
        self.machine.input(datagram, now: self.loop.now)
    }

    /// Everything that came in this turn is with the machine.
    func receivedBurst() {
        self.deliver()
        self.pump()
    }

    func portIsWritable() { self.pump() }

    func met(_ fault: DatagramFault) {
        switch fault {
        case .refused: self.close(.refused)
        // Lost like any other: it is sent again, or the link is dead one day.
        case .tooLong, .cut, .failed: break
        }
    }

    private func deliver() {
        guard !self.isDelivering else { return }
        self.isDelivering = true
        defer { self.isDelivering = false }
        var hasDelivered = false
        while self.mayDeliver, let bytes = self.nextPiece() {
            guard self.ending == .open else { continue }
            hasDelivered = true
            self.events?.received(bytes, by: self)
        }
        if hasDelivered { self.events?.receivedBurst(by: self) }
    }

    /// The data of many datagrams at once, as each turn of a session costs something.
    private func nextPiece() -> ByteBuffer? {
        guard let first = self.machine.receive() else { return nil }
        guard self.machine.isReadable else { return first.compacted }
        self.gathered.clear(minimumCapacity: Self.largestPiece + first.readableBytes)
        self.gathered.writeImmutableBuffer(first)
        while self.gathered.readableBytes < Self.largestPiece, let next = self.machine.receive() {
            self.gathered.writeImmutableBuffer(next)
        }
        return self.gathered
    }

    private var mayDeliver: Bool {
        self.ending == .lingering || self.ending == .open && self.hasBegun && self.isReading
    }

    /// Puts out all that may leave now, and sets the alarm for the rest.
    private func pump() {
        guard !self.isPumping, self.ending != .gone else { return }
        self.isPumping = true
        let now = self.loop.now
        while let port, port.put({ self.machine.poll(into: &$0, now: now) }) > 0 {}
        self.isPumping = false
        self.conclude()
    }

    private func conclude() {
        guard self.ending != .gone else { return }
        if self.machine.failure != nil { return self.close(.timedOut) }
        // It was started anew, and holds nothing of this conversation.
        if self.machine.peerHasForgotten { return self.close(.aborted) }
        self.widen()
        self.tellProgress()
        if self.ending == .lingering, self.machine.isFinished { return self.close(nil) }
        self.setAlarm()
    }

    /// The memory of a window is only for who has shown where it is.
    private func widen() {
        guard let share = self.widening, self.isProven else { return }
        self.widening = nil
        let close = self.onClose
        self.machine.widen(to: share.take(self.largeWindow))
        self.onClose = {
            share.giveBack()
            close?()
        }
    }

    private func tellProgress() {
        let acknowledged = self.machine.acknowledged
        if self.tells, acknowledged > self.told {
            self.events?.sent(Int(clamping: acknowledged - self.told), by: self)
        }
        self.told = acknowledged
        guard self.isFull, 2 * self.machine.unsent <= self.machine.configuration.queued else { return }
        self.isFull = false
        self.events?.writabilityChanged(of: self)
    }

    private func setAlarm() {
        // Without room at the port its word of room is what to wait for.
        guard self.ending != .gone, let deadline = self.machine.deadline, self.port?.isWritable == true else { return }
        // One that rings a little too early costs a turn: cheaper than moving it with every datagram. The system's clock has
        // to be set anew for each wait that ends soon, which costs more than a turn.
        if let alarm, alarm.deadline <= deadline, deadline - alarm.deadline < Self.tooEarly { return }
        let time = max(deadline, self.loop.now + .microseconds(100))
        if let alarm { return alarm.move(to: time) }
        self.alarm = self.loop.timer(at: time) {
            self.alarm = nil
            self.pump()
        }
    }

    /// The conversation is over.
    package func close(_ fault: StreamFault?) {
        guard self.ending != .gone else { return }
        self.ending = .gone
        self.fault = fault
        self.alarm?.cancel()
        self.alarm = nil
        self.lingering?.cancel()
        self.lingering = nil
        self.port?.close()
        self.port = nil
        self.onClose?()
        self.onClose = nil
        if self.hasBegun { self.events?.ended(self, fault) }
    }
}

extension KCPLeg: DatagramPeerWatcher {
    package func datagramPeer(_ peer: DatagramPeer, received datagram: Datagram) {
        if self.port !== peer {
            guard self.ending != .gone else { return peer.close() }
            self.port = peer
        }
        self.received(datagram.bytes)
    }

    package func datagramPeerHasReceived(_ peer: DatagramPeer) { self.receivedBurst() }
    package func datagramPeerIsWritable(_ peer: DatagramPeer) { self.pump() }
    package func datagramPeer(_ peer: DatagramPeer, met fault: DatagramFault) { self.met(fault) }
}
