// SPDX-License-Identifier: Apache-2.0

package import NIOCore
import WarrenCore
import WarrenLoop

/// A plain TCP connection as a leg.
///
/// Bytes are read into the loop's one buffer, so an idle connection keeps none, and offered to the system at each
/// flush; only what it does not take is kept.
package final class SocketLeg: Leg {
    enum Ending {
        case open
        /// Output is shut, or will be as soon as what is queued has left.
        case finished
        /// Waits for the queue, then closes both directions.
        case closing
        case gone
    }

    package var events: (any LegEvents)? {
        didSet { self.needs = self.events?.needs ?? [] }
    }
    let socket: Socket
    let peerAddress: PeerAddress
    private(set) var options: SocketOptions
    var needs = LegNeeds()
    var queue = SendQueue()
    var ending = Ending.open
    /// Put back by somebody who read too far.
    private var early: ByteBuffer?
    var hasBegun = false
    var inputEnded = false
    var fault: StreamFault?
    /// Everything is sent; the peer's bytes are dropped until its end.
    var isLingering = false
    /// A write has found that the peer has reset the connection, for this reason; what it sent before is still being read.
    var brokenBy: CInt?
    /// What came behind an orderly end and was for nobody.
    var dropped = 0
    var timer: LoopTimer?
    /// What the reader had still to take when it last took something, and when that was.
    var leftForReader = (count: 0, since: NIODeadline.distantPast)
    /// Only where a lost peer must be found soon, and where the system does not do it.
    var lossWatch: LossWatch?
    /// Bytes on their way to this socket that never enter the process.
    var pipe: Pipe?
    var piped = 0
    /// Reads in a row that came back full, while this leg copies; small ones, while it splices.
    var streak = 0
    var isSplicing = false
    var isReading = true
    private var isFull = false
    private var takesSmallSteps = false
    /// Writes leave one by one.
    private var isIsolating = false
    var onClose: (@Sendable () -> Void)?

    /// - Parameter onClose: called once, when the descriptor is closed.
    init(_ socket: Socket, peer: PeerAddress, options: SocketOptions, onClose: (@Sendable () -> Void)? = nil) {
        self.socket = socket
        self.peerAddress = peer
        self.options = options
        self.onClose = onClose
        socket.watcher = self
        #if os(Linux)
        if let silence = options.keepAlive?.silence { self.lossWatch = LossWatch(self, silence: silence) }
        #endif
    }

    var loop: SocketLoop { self.socket.loop }
    package var peer: SocketAddress? { self.peerAddress.socketAddress }
}

// MARK: - Writing

extension SocketLeg {
    package var isWritable: Bool { !self.isFull }
    package var plainSocket: SocketLeg? { self }

    package func write(_ bytes: ByteBuffer) {
        guard self.ending == .open, self.brokenBy == nil else { return }
        self.queue.append(bytes)
        if self.queue.count >= (self.isIsolating ? 1 : self.options.highWaterMark) { self.isFull = true }
    }

    /// Bytes for this connection went into its pipe.
    func tookIntoPipe(_ count: Int) {
        self.piped += count
        self.isFull = true
    }

    package func flush() {
        guard self.hasUnsent, self.ending != .gone else { return }
        while self.hasUnsent, self.socket.isWritable {
            // The pipe is only ever filled behind an empty queue, so what is in it came first.
            switch self.piped > 0 ? self.emptyPipe() : self.queue.write(to: self.socket) {
            case .moved(let count): self.left(count)
            case .notNow, .ended: break
            case .failed(let code): return self.isBroken(by: code)
            }
        }
        self.queue.compact()
        if !self.hasUnsent && self.ending != .open { self.queueLeft() }
    }

    package func isolateWrites() -> Int? {
        self.flush()
        self.isIsolating = true
        if self.queue.count > 0 { self.isFull = true }
        return SocketOptions.isolateWrites(self.socket)
    }

    package func acknowledge() { SocketOptions.acknowledge(self.socket) }

    var hasUnsent: Bool { self.queue.count > 0 || self.piped > 0 }

    package var waiting: Int {
        self.queue.count + self.piped + (self.ending == .open || self.ending == .gone ? 0 : self.socket.unsent)
    }

    private func left(_ count: Int) {
        if self.needs.contains(.counts) { self.events?.sent(count, by: self) }
        let least = self.isIsolating ? 0 : self.options.lowWaterMark
        guard self.isFull, self.queue.count <= least, self.piped == 0 else { return }
        self.isFull = false
        self.events?.writabilityChanged(of: self)
    }
}

// MARK: - Reading

extension SocketLeg {
    package func begin() {
        self.hasBegun = true
        self.deliverEarly()
        if self.ending == .gone {
            self.events?.ended(self, self.fault)
        } else if self.inputEnded {
            self.events?.finished(by: self)
        } else {
            self.stepSmall()
            if self.socket.isReadable { self.socket.again() }
        }
    }

    package func unread(_ bytes: ByteBuffer) { if bytes.readableBytes > 0 { self.early = bytes } }

    private func deliverEarly() {
        guard let early else { return }
        self.early = nil
        self.received(early)
    }

    package func readAtMost(_ count: Int?) {
        self.options.largestRead = min(SocketOptions().largestRead, count ?? .max)
    }

    private func stepSmall() {
        guard self.needs.contains(.smallSteps), !self.takesSmallSteps else { return }
        self.takesSmallSteps = true
        SocketOptions.holdBackLittle(self.socket, most: SocketOptions.smallRead)
    }

    package func setReading(_ reading: Bool) {
        guard reading != self.isReading else { return }
        self.isReading = reading
        if reading && self.hasBegun && self.socket.isReadable { self.socket.again() }
        if self.mustTellEnd { self.socket.again() }
    }

    /// The end has come behind bytes that nobody reads, and is of interest all the same.
    private var mustTellEnd: Bool {
        !self.isReading && self.needs.contains(.earlyEnd) && self.socket.peerHasEnded && self.ending != .gone
    }

    var mayRead: Bool {
        self.isReading && self.hasBegun && self.socket.isReadable && !self.inputEnded && self.ending != .gone
    }

    private func readSome() {
        for _ in 0..<SocketOptions.readsPerTurn where self.mayRead {
            if self.isSplicing, let target = self.events?.plainTarget(of: self) {
                guard self.splice(to: target) else { return }
                continue
            }
            let outcome = self.readOnce()
            if case .moved = outcome { continue }
            return self.hasRead(outcome)
        }
        if self.mayRead { self.socket.again() }
    }

    /// Nothing more for now, or at all.
    func hasRead(_ last: Socket.Outcome) {
        if let brokenBy { return self.failed(brokenBy) }
        switch last {
        case .moved, .notNow: return
        case .ended where self.socket.hasFailed: self.failed(self.socket.takeError())
        case .ended: self.endOfInput()
        case .failed(let code): self.failed(code)
        }
    }

    private func readOnce() -> Socket.Outcome {
        let inSteps = self.needs.contains(.smallSteps) || self.options.largestRead <= SocketOptions.smallRead
        let most = inSteps ? min(SocketOptions.smallRead, self.options.largestRead) : self.options.largestRead
        let loop = self.loop
        let outcome = loop.read(self.socket, most, small: inSteps)
        guard case .moved(let count) = outcome else { return outcome }
        self.streak = count == most ? self.streak + 1 : 0
        self.isSplicing = self.streak >= SocketOptions.fullReadsToSplice
        self.received(inSteps ? loop.smallReadBuffer : loop.readBuffer)
        return outcome
    }

    private func received(_ bytes: ByteBuffer) {
        guard !self.isLingering, self.ending != .closing else { return self.drop(bytes.readableBytes) }
        let isOwn = self.needs.contains(.ownBytes) && bytes.readableBytes < bytes.storageCapacity / 4
        self.events?.received(isOwn ? bytes.compacted : bytes, by: self)
        self.events?.receivedBurst(by: self)
    }

    func endOfInput() {
        self.inputEnded = true
        switch self.ending {
        case .open: self.events?.finished(by: self)
        case .finished:
            self.events?.finished(by: self)
            if self.ending == .finished && !self.hasUnsent { self.queueLeft() }
        case .closing: if self.isLingering { self.closeWhenTaken() }
        case .gone: break
        }
    }
}

extension SocketLeg: SocketWatcher {
    func socketIsReady(_ socket: Socket) {
        // What came before a reset is still there to be read, and the read after it tells of the reset.
        if socket.hasFailed && !self.mayRead { return self.failed(socket.takeError()) }
        // A write would find the reset first.
        if socket.isWritable && !socket.hasFailed { self.flush() }
        self.readSome()
        if self.mustTellEnd { self.events?.finished(by: self) }
    }
}

@available(*, unavailable)
extension SocketLeg: Sendable {}
