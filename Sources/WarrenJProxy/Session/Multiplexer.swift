// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// The streams of one logged-in session: what client and server do alike.
///
/// Commands change tables and queues; what they lead to is said later, through ``notices`` and ``write(writable:)``,
/// because only there is the time known.
struct Multiplexer {
    /// Something that a command left to be said or done in the next step.
    enum Notice {
        case pause(UInt16)
        case resume(UInt16)
        case end(UInt16, StreamFault?)
        /// Start the linger time.
        case finished(UInt16)
        /// Server: answer a CONNECT.
        case accepted(UInt16)
        case refused(UInt16, StreamFault, openedAt: NIODeadline, StreamRow.Kind)
        /// With windows: the driver is done with the stream.
        case reset(UInt16, StreamFault?)
        /// The id is out of use.
        case freed(UInt16, Parting)
    }

    /// How the life of a stream ended, on which depends when its id may live again.
    enum Parting {
        /// The peer said the last word: nothing of that life can still come.
        case byPeer
        /// We did: bytes may be on their way.
        case byUs
        /// We did, before the peer had answered our CONNECT: even that answer may still come.
        case unanswered
        /// The same with windows, where the answer is sure to come: until then the id stays in use.
        case answerIsDue
    }

    /// Packets of one write; about 256 KiB.
    private static let packetsPerWrite = 64
    /// Full packets of one stream, then the next stream: long turns are what makes many streams as fast as one, and
    /// short messages go ahead of them.
    private static let quantum = 32 * Packet.mostData
    /// Control messages that may wait for a peer that does not read before we stop reading from it.
    private static let mostControl = 64 << 10

    let dialect: JProxy.Dialect
    let limits: SessionLimits
    let side: JProxy.Side
    private let cipher: PacketCipher
    let linger: TimeAmount
    let connectTimeout: TimeAmount

    var table = StreamTable()
    var notices = CircularBuffer<Notice>()
    private var reader: PacketReader
    var intake: SlowReaderGuard
    var queue = FairQueue(quantum: Self.quantum)
    var datagrams = CircularBuffer<(id: UInt16, bytes: ByteBuffer)>()
    var datagramBytes = 0
    /// Encrypted messages other than payload; they go first.
    private var control = ByteBuffer()
    /// The last buffer written, used again when the driver has let go of it.
    private var output = ByteBuffer()
    /// Streams whose own side is done, by the time of the last data: answered before that, and others.
    var lingeringAnswered = AgeQueue()
    var lingering = AgeQueue()
    /// Client: streams whose CONNECT is unanswered.
    var connecting = AgeQueue()

    /// Nil with a deployed peer.
    var ledger: CreditLedger?
    private var isWritable = false

    struct Settings {
        var dialect: JProxy.Dialect
        var side: JProxy.Side
        var isStrict: Bool
        var linger: TimeAmount
        var stall: TimeAmount
        var connectTimeout = TimeAmount.zero
        var limits: SessionLimits
    }

    /// - Parameter early: what the peer sent right behind its login.
    init(_ settings: Settings, cipher: PacketCipher, early: ByteBuffer) {
        self.dialect = settings.dialect
        self.limits = settings.limits
        self.side = settings.side
        self.cipher = cipher
        self.linger = settings.linger
        self.connectTimeout = settings.connectTimeout
        self.reader = PacketReader(early, dialect: settings.dialect, isStrict: settings.isStrict)
        self.intake = SlowReaderGuard(settings.limits, stall: settings.stall, opensStreams: settings.side == .client)
    }

    var wantsBytes: Bool { !self.intake.isHeld && self.control.readableBytes <= Self.mostControl }

    /// Credit comes of ``consumed(_:on:)``, behind which no step may follow.
    var wantsTurn: Bool {
        mutating get { self.isWritable && self.ledger?.isDue == true || self.intake.wantsTurn }
    }

    var deadline: NIODeadline? {
        mutating get {
            var first = self.ledger?.keepAlive.deadline ?? .distantFuture
            if let due = self.intake.due { first = min(first, due) }
            if let (_, since) = self.lingeringAnswered.oldest { first = min(first, since + self.linger) }
            if let (_, since) = self.lingering.oldest { first = min(first, since + self.linger) }
            if let (_, since) = self.connecting.oldest { first = min(first, since + self.connectTimeout) }
            return first == .distantFuture ? nil : first
        }
    }

    // MARK: Bytes

    mutating func receive(_ bytes: ByteBuffer) {
        self.ledger?.heard()
        self.reader.receive(bytes)
    }

    mutating func nextIncoming() throws(WireError) -> Incoming? { try self.reader.next(self.cipher) }
    var isInsidePacket: Bool { self.reader.isInsidePacket }

    /// Queues a message that waits for nothing.
    mutating func say(_ message: JProxy.Message) {
        var writer = PacketWriter(self.control, cipher: self.cipher, dialect: self.dialect)
        self.control = ByteBuffer()  // so that the writer's buffer is not shared
        writer.append(message)
        self.control = writer.bytes
    }

    /// What goes on the carrier now: control messages, then payload in turns; nil if there is nothing or no room.
    mutating func write(now: NIODeadline, writable: Bool) -> ByteBuffer? {
        self.isWritable = writable
        guard writable else { return nil }
        self.giveCredit(now: now)
        self.holdThoseWithoutCredit()
        guard self.control.readableBytes > 0 || !self.queue.isEmpty || !self.datagrams.isEmpty else {
            return nil
        }
        let most = Self.packetsPerWrite * Packet.mostBytes
        let ready = self.queue.bytes - self.queue.heldBytes
        let payload = min(ready + ready / 64 + 64 + self.datagramBytes, most)
        // In one expression: a second reference to the output would make the writer copy it.
        var writer = PacketWriter(
            self.takeOutput(self.control.readableBytes + payload), cipher: self.cipher, dialect: self.dialect)
        writer.append(sealed: &self.control)
        let limit = writer.bytes.writerIndex + most
        while !self.datagrams.isEmpty, let (id, bytes) = self.datagrams.popFirst() {
            self.datagramBytes -= Self.cost(bytes)
            writer.append(.datagram(id: id, bytes))
            if writer.room(until: limit) <= 0 { break }
        }
        while case let room = writer.room(until: limit), room > 0, let first = self.queue.first {
            let row = Int(first.rawValue)
            let most = min(room, self.table[row].window.credit)
            guard most > 0, let (_, piece) = self.queue.next(most: most) else {
                self.holdFirst(row)
                continue
            }
            writer.append(piece, id: self.table[row].id)
            self.written(piece.readableBytes, of: row, writer: &writer)
        }
        writer.seal()
        self.output = writer.bytes
        return writer.bytes
    }

    /// How the queue knows the stream of a row.
    func line(_ row: Int) -> StreamID { StreamID(UInt32(truncatingIfNeeded: row)) }

    /// So that the first stream in turn has something that it may send.
    private mutating func holdThoseWithoutCredit() {
        while let first = self.queue.first, self.table[Int(first.rawValue)].window.credit == 0 {
            self.holdFirst(Int(first.rawValue))
        }
    }

    private mutating func takeOutput(_ capacity: Int) -> ByteBuffer {
        self.output.renew(capacity)
        defer { self.output = ByteBuffer() }
        return self.output
    }

    private mutating func written(_ count: Int, of row: Int, writer: inout PacketWriter) {
        self.table[row].queued -= count
        if self.table[row].isWindowed { self.table[row].window.credit -= count }
        let queued = self.table[row].queued
        if self.table[row].isPaused, queued < self.limits.queuedPerStream / 2 {
            self.table[row].isPaused = false
            self.notices.append(.resume(self.table[row].id))
        }
        guard queued == 0 else { return }
        if self.table[row].isWindowed { return self.lastWritten(of: row, writer: &writer) }
        guard self.table[row].closesWhenSent else { return }
        writer.append(.disconnect(id: self.table[row].id))
        if self.table[row].phase != .draining { self.notices.append(.end(self.table[row].id, nil)) }
        self.remove(row, .byUs)
    }

    private mutating func lastWritten(of row: Int, writer: inout PacketWriter) {
        let id = self.table[row].id
        if self.table[row].closesWhenSent {
            writer.append(.extended(.reset(id: id, self.table[row].window.fault)))
            self.remove(row, .byPeer)
        } else if self.table[row].isFinished, self.table[row].phase == .open {
            writer.append(.extended(.finish(id: id)))
            self.finishSaid(row)
        }
    }
}
