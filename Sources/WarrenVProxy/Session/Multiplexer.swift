// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// The streams of one tunnel: what client and server do alike.
///
/// Commands change tables and queues; what they lead to is said later, through ``notices`` and
/// ``write(now:writable:)``, because only there is the time known.
struct Multiplexer {
    /// Something that is left to be said or done in the next step.
    enum Notice {
        case ready
        case pause(StreamID)
        case resume(StreamID)
        case end(StreamID, StreamFault?)
        /// What has come before the driver could have it.
        case early(StreamID)
        case peerFinished(StreamID)
        /// Our side has no more to send, or is done with the stream.
        case ending(StreamID)
    }

    /// Payload of one write, in bytes.
    static let mostPayload = 256 << 10
    /// Of one stream, then it is the next one's turn.
    private static let quantum = 4 * VProxy.Frame.mostSent
    /// Frames without payload that may wait for a peer that does not read before we stop reading from it.
    private static let mostControl = 64 << 10

    let side: VProxy.Side
    let settings: VProxy.Configuration
    var table = StreamTable()
    var notices = CircularBuffer<Notice>()
    var reader: FrameReader
    var intake: SlowReaderGuard
    var keepAlive: KeepAlive
    /// Set once both ends have said that they know the extension.
    var ledger: CreditLedger?

    var queue = FairQueue(quantum: Self.quantum)
    /// PINGs and answers, which go before everything else; then SYN, FIN, RST.
    var urgent = ByteBuffer()
    var control = ByteBuffer()
    /// The last buffer written, used again when the driver has let go of it.
    var output = ByteBuffer()
    var isWritable = false
    /// Rows whose payload is all written, and which wait for that to go on.
    var drained = ContiguousArray<Int>()

    /// Bytes of the carrier: written in all, and acknowledged.
    var written: UInt64
    var acknowledged: UInt64 = 0
    /// Rows whose last word waits for the acknowledgement of their payload, and then for a moment more.
    var awaiting = AgeQueue()
    var holding = AgeQueue()

    /// Client: streams whose SYN is unanswered.
    var asking = AgeQueue()
    /// Client: the last id that was used.
    var lastID: UInt32?
    /// Client: the number of the PING with our mark and until when its answer is waited for; ready follows.
    var announcement: (number: UInt64, until: NIODeadline)?
    var isReady = false
    /// What the peer is told before a `close` step.
    var farewell: String?
    /// The number of our last PING, and what the ledger calls the one that measures.
    var lastPing: UInt64 = 0
    var measuring: (ping: UInt64, number: UInt64)?

    /// - Parameters:
    ///   - reader: has seen the peer's handshake.
    ///   - written: bytes on the carrier so far.
    init(
        _ side: VProxy.Side, _ settings: VProxy.Configuration, reader: FrameReader, written: UInt64, lastID: UInt32?,
        now: NIODeadline
    ) {
        self.side = side
        self.settings = settings
        self.reader = reader
        self.written = written
        self.lastID = lastID
        self.intake = SlowReaderGuard(
            settings.limits, stall: settings.stall, opensStreams: side == .client)
        self.keepAlive = KeepAlive(
            period: settings.keepAlive ?? (side == .client ? KeepAlive.clientPeriod : KeepAlive.serverPeriod), now: now)
        if side == .client, settings.mayExtend {
            self.announce(now: now)
        } else {
            self.becomeReady()
        }
    }

    var isExtended: Bool { self.ledger != nil }
    private var isCrowded: Bool { self.urgent.readableBytes + self.control.readableBytes > Self.mostControl }
    var wantsBytes: Bool { !self.intake.isHeld && !self.isCrowded }

    /// Credit comes of ``consumed(_:on:)``, behind which no step may follow, and so does room for frames that have come.
    var wantsTurn: Bool {
        mutating get {
            self.intake.wantsTurn || self.isWritable && self.ledger?.isDue == true
                || self.isReadingHeld && !self.intake.isHeld
        }
    }

    /// Frames may have been left unread, as readers have too much.
    var isReadingHeld = false

    /// Deployed peers take the end of the tunnel for an orderly end of its streams.
    var mayEndInOrder: Bool { self.table.count == self.table.windowed }

    var deadline: NIODeadline {
        mutating get {
            var first = self.keepAlive.deadline
            if let due = self.intake.due { first = min(first, due) }
            if let announcement { first = min(first, announcement.until) }
            if let (_, since) = self.holding.oldest { first = min(first, since + self.holdTime) }
            if let (_, since) = self.asking.oldest { first = min(first, since + self.settings.connectTimeout) }
            return first
        }
    }

    mutating func receive(_ bytes: ByteBuffer) {
        self.keepAlive.heard()
        self.reader.receive(bytes)
    }

    mutating func next(now: NIODeadline, writable: Bool) throws(WireError) -> SessionAction? {
        if self.intake.isHeld || self.isCrowded { self.keepAlive.heard() }
        repeat {
            while let notice = self.notices.popFirst() {
                if let action = self.settle(notice, now: now) { return action }
            }
            if let action = self.expire(now: now, writable: writable) { return action }
            while !self.intake.isHeld, let incoming = try self.reader.next() {
                if let action = try self.handle(incoming, now: now) { return action }
                if !self.notices.isEmpty { break }
            }
            self.isReadingHeld = self.intake.isHeld && self.reader.hasBytes
        } while !self.notices.isEmpty
        if let bytes = self.write(now: now, writable: writable) { return .write(bytes) }
        guard self.isExhausted, self.control.readableBytes == 0 else { return nil }
        self.farewell = Farewell.exhausted
        return .close(.finished)
    }

    /// How the queue knows the stream of a row.
    func line(_ row: Int) -> StreamID { StreamID(UInt32(truncatingIfNeeded: row)) }

    // MARK: Frames

    mutating func say(_ type: VProxy.FrameType, _ stream: StreamID, flags: UInt8 = 0) {
        self.control.writeVProxyHead(VProxy.FrameHead(type, flags: flags, stream: stream.rawValue))
    }

    mutating func say(_ message: VProxy.ExtendedMessage, _ stream: StreamID) {
        self.control.writeVProxyExtension(message, stream: stream.rawValue)
    }

    /// - Returns: the number of the PING.
    @discardableResult
    mutating func ping(extra: [UInt8] = []) -> UInt64 {
        self.lastPing += 1
        self.urgent.writeVProxyPing(self.lastPing, extra: extra)
        return self.lastPing
    }
}
