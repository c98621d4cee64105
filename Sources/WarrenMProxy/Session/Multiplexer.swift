// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// The streams of one tunnel: what relay and device do alike.
///
/// Commands change tables and queues; what they lead to is said later, through ``notices`` and ``write(writable:)``.
struct Multiplexer {
    /// Something that a command left to be said or done in the next step.
    enum Notice {
        case pause(StreamID)
        case resume(StreamID)
        /// Relay: the protocol has no word for "yes".
        case opened(StreamID)
        /// Device: the destination is reached.
        case accepted(StreamID)
        /// Our side of the stream sends no more.
        case finished(StreamID)
        /// Device: the peer had finished before the destination was reached.
        case peerFinished(StreamID)
        case end(StreamID, StreamFault?)
    }

    struct Settings {
        var side: MProxy.Side
        var dialect: MProxy.Dialect
        var linger: TimeAmount
        var stall: TimeAmount
        var limits: SessionLimits
    }

    /// Full frames of one stream, then the next stream.
    private static let quantum = 2 * (64 << 10)
    /// Messages that may wait for a peer that does not read before we stop reading from it.
    private static let mostControl = 64 << 10

    let side: MProxy.Side
    let limits: SessionLimits
    let linger: TimeAmount
    /// A device may find out late.
    var dialect: MProxy.Dialect

    var table = StreamTable()
    var notices = CircularBuffer<Notice>()
    var unpacker = MProxy.Unpacker()
    var intake: SlowReaderGuard
    var queue = FairQueue(quantum: Self.quantum)
    /// Frames other than payload, one message of the carrier each; they go first.
    private var frames = CircularBuffer<ByteBuffer>()
    private var frameBytes = 0
    /// Streams whose own side is done, by the time of the last data.
    var lingering = AgeQueue()
    var resting = Resting()
    /// The time of the last step.
    private(set) var now = NIODeadline.uptimeNanoseconds(0)
    /// Nil with a deployed peer.
    var ledger: CreditLedger?
    private var isWritable = false

    init(_ settings: Settings) {
        self.side = settings.side
        self.dialect = settings.dialect
        self.limits = settings.limits
        self.linger = settings.linger
        // A carrier that is left alone for its only stream brings no tokens, no pongs. The relay opens the streams.
        self.intake = SlowReaderGuard(
            settings.limits, stall: settings.stall, opensStreams: false, knowsStreams: settings.side == .relay)
    }

    var wantsBytes: Bool { !self.intake.isHeld && self.frameBytes <= Self.mostControl }

    /// A frame may wait that no step has led to: a resume, or credit, comes of ``consumed(_:on:)``.
    var wantsTurn: Bool {
        mutating get {
            self.isWritable && (!self.frames.isEmpty || self.ledger?.isDue == true) || self.intake.wantsTurn
        }
    }

    var deadline: NIODeadline? {
        mutating get {
            var first = self.intake.due
            if let (_, since) = self.lingering.oldest { first = min(first ?? .distantFuture, since + self.linger) }
            return first
        }
    }

    // MARK: Frames

    /// Queues a frame about a stream, which waits for nothing. A control message would end a tunnel to a peer in Go, and a body in
    /// anything but data would reach its visitor.
    mutating func say(_ kind: MProxy.Header.Kind, _ header: MProxy.Header, _ body: ByteBuffer = ByteBuffer()) {
        var header = header.answering(kind)
        if self.dialect == .go {
            guard kind == .end else { return }
            header.servicePort = ""
            header.name = ""
        }
        self.append(header, body)
    }

    mutating func say(_ control: MProxy.Control) {
        guard self.dialect == .node else { return }
        self.append(.control(length: 0), control.bytes)
    }

    private mutating func append(_ header: MProxy.Header, _ body: ByteBuffer) {
        // Sizes and texts were checked when the stream began: there is nothing here that cannot be said.
        guard let frame = try? MProxy.Packer.frame(header, body, self.dialect) else { return }
        self.frames.append(frame)
        self.frameBytes += frame.readableBytes
    }

    /// A frame that waits, whether or not the carrier takes payload.
    mutating func nextFrame() -> ByteBuffer? {
        guard let frame = self.frames.popFirst() else { return nil }
        self.frameBytes -= frame.readableBytes
        return frame
    }

    /// The next message for the carrier: one frame, never more; nil if there is none, or no room.
    mutating func write(writable: Bool) -> ByteBuffer? {
        self.isWritable = writable
        guard writable else { return nil }
        self.giveCredit()
        if let frame = self.nextFrame() { return frame }
        let mostData = self.isExtended ? MProxy.Extension.mostData : self.dialect.mostData
        while let first = self.queue.first {
            let row = Int(first.rawValue)
            let most = min(mostData, self.table[row].window.credit)
            guard !self.table[row].isHeld, most > 0, let (_, piece) = self.queue.next(most: most) else {
                self.holdFirst(row)
                if let frame = self.nextFrame() { return frame }
                continue
            }
            let frame = self.frame(piece, of: row)
            self.written(piece.readableBytes, of: row)
            if let frame { return frame }
        }
        return nil
    }

    private mutating func frame(_ data: ByteBuffer, of row: Int) -> ByteBuffer? {
        if let stamp = self.table[row].stamp, stamp.dialect == self.dialect { return stamp.frame(data) }
        let header = self.table[row].header
        self.table[row].stamp = MProxy.HeaderStamp(header, self.dialect)
        return try? MProxy.Packer.frame(header, data, self.dialect)
    }

    private mutating func written(_ count: Int, of row: Int) {
        self.table[row].queued -= count
        if self.table[row].isWindowed { self.table[row].window.credit -= count }
        let queued = self.table[row].queued
        if self.table[row].isPaused, queued < self.limits.queuedPerStream / 2 {
            self.table[row].isPaused = false
            self.notices.append(.resume(self.table[row].id))
        }
        guard queued == 0 else { return }
        if self.table[row].isWindowed, self.table[row].isFinished, self.table[row].phase == .open {
            return self.settleFinish(row)
        }
        guard self.table[row].closesWhenSent else { return }
        if self.table[row].phase != .draining { self.notices.append(.end(self.table[row].id, nil)) }
        self.part(row, self.table[row].window.fault)
    }

    /// How the queue knows the stream of a row.
    func line(_ row: Int) -> StreamID { StreamID(UInt32(truncatingIfNeeded: row)) }

    // MARK: Time

    /// Ends one stream whose time is over; nil if there is none.
    mutating func expire(now: NIODeadline) -> SessionAction? {
        self.now = now
        self.resting.expire(now: now)
        if let row = self.intake.stalled(now: now) { return self.endNow(row, .stalled) }
        while let (row, since) = self.lingering.oldest, since + self.linger <= now {
            if self.table[row].queued == 0 { return self.endNow(row, nil) }
            self.lingering.touch(row, now: now)
        }
        return nil
    }

    /// Ends a stream of our own accord; nil if its driver has left it already.
    private mutating func endNow(_ row: Int, _ fault: StreamFault?) -> SessionAction? {
        let (stream, phase) = (self.table[row].id, self.table[row].phase)
        self.part(row, fault)
        return phase == .draining ? nil : .end(stream, fault)
    }
}
