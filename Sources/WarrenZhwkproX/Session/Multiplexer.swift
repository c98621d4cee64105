// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// What all ends of a logged-in session do alike, whichever language they speak: cut, queue, write.
///
/// Commands change tables and queues; what they lead to is said later, through ``notices`` and
/// ``write(writable:)``, because only there is the time known.
struct Multiplexer {
    /// Something that a command left to be said or done in the next step.
    enum Notice {
        case pause(StreamID)
        case resume(StreamID)
        case end(StreamID, StreamFault?)
        /// Inter-server: the stream has its place.
        case opened(StreamID)
        /// Exit: the destination is reached.
        case accepted(StreamID)
        /// All that a stream was to send before its end is written.
        case drained(StreamID)
        /// Inter-server: nothing of this destination is under way any more.
        case freed(ZhwkproX.StreamAddress)
        /// Extension: our side has no more to send, or is done with the stream.
        case finished(StreamID)
        case reset(StreamID, StreamFault?)
    }

    /// Payload of one write, in bytes.
    private static let mostPayload = 256 << 10
    /// Of one stream, then it is the next one's turn.
    private static let quantum = 128 << 10
    /// Control messages that may wait for a peer that does not read before we stop reading from it.
    private static let mostControl = 64 << 10

    let limits: SessionLimits
    let cipher: MessageCipher
    /// A whole message toward the peer, head included, in bytes.
    var pieces: Int
    /// Deployed peers: when something may be said of which destination. Nil between two Warrens.
    var pace: Pace?
    /// Deployed peers: the carrier takes something.
    var isWritable = false

    var table = StreamTable()
    /// Deployed peers: the stream that has a destination.
    var rows: [ZhwkproX.StreamAddress: Int] = [:]
    var notices = CircularBuffer<Notice>()
    private var reader: MessageReader
    var queue = FairQueue(quantum: Self.quantum)
    /// Messages without payload; they go first.
    private var control = ByteBuffer()
    /// The last buffer written, used again when the driver has let go of it.
    var output = ByteBuffer()
    /// Rows whose payload the last write has taken.
    private(set) var wrote = ContiguousArray<Int>()

    struct Settings {
        var format: ZhwkproX.Format
        var key: ZhwkproX.Key
        var pieces: Int
        /// From one message of a destination to the next; nil between two Warrens.
        var gap: TimeAmount?
        var largestMessage: Int
        var limits: SessionLimits
    }

    /// - Parameter early: what the peer sent right behind its login.
    init(_ settings: Settings, early: ByteBuffer) {
        self.limits = settings.limits
        self.cipher = MessageCipher(settings.key)
        self.pieces = settings.pieces
        self.pace = settings.gap.map { Pace(gap: $0) }
        self.reader = MessageReader(
            early, format: settings.format, cipher: self.cipher, most: settings.largestMessage)
    }

    var isCrowded: Bool {
        let empties = (self.pace?.waiting ?? 0) * ZhwkproX.StreamAddress.longestHead
        return self.control.readableBytes + empties > Self.mostControl
    }
    var isInsideMessage: Bool { self.reader.isInsideMessage }
    mutating func receive(_ bytes: ByteBuffer) { self.reader.receive(bytes) }
    mutating func nextIncoming() throws(WireError) -> Incoming? { try self.reader.nextIncoming() }

    // MARK: Sending

    /// Queues a message of length 0, behind all that was said of its destination.
    mutating func sayEmpty(_ endpoint: ZhwkproX.StreamAddress) { self.pace?.sayEmpty(endpoint) }
    mutating func say(_ message: ZhwkproX.ExtendedMessage) { self.control.writeZhwkproXExtension(message) }

    mutating func send(_ bytes: ByteBuffer, on stream: StreamID) {
        guard bytes.readableBytes > 0, let row = self.table.row(stream), !self.table[row].isFinished else { return }
        switch self.table[row].phase {
        case .open: self.queue.append(bytes, to: self.line(row))
        case .waiting: self.table[row].early.writeImmutableBuffer(bytes)
        case .connecting, .late, .leaving: return
        }
        self.table[row].queued += bytes.readableBytes
        if !self.table[row].isPaused, self.table[row].queued >= self.limits.queuedPerStream {
            self.table[row].isPaused = true
            self.notices.append(.pause(stream))
        }
    }

    func hasRoom(on stream: StreamID) -> Bool { self.table.row(stream).map { !self.table[$0].isPaused } ?? true }

    /// Inter-server: the stream may send; what the driver sent before that goes now.
    mutating func admit(_ row: Int) {
        self.table[row].phase = .open
        self.queue.append(self.table[row].early, to: self.line(row))
        self.table[row].early = ByteBuffer()
    }

    mutating func addCredit(_ bytes: Int, _ row: Int) throws(WireError) {
        try self.table[row].window.grant(bytes, most: ZhwkproX.Extension.mostCredit)
        if bytes > 0 { self.queue.release(self.line(row)) }
    }

    /// Drops what a stream has queued.
    mutating func purge(_ row: Int) {
        guard self.table[row].queued > 0 else { return }
        self.queue.purge(self.line(row))
        self.table[row].early = ByteBuffer()
        self.table[row].queued = 0
    }

    /// Forgets a stream with all that waits for it.
    mutating func remove(_ row: Int) {
        self.purge(row)
        self.table.remove(row)
    }

    /// The step of a notice that means the same everywhere; nil if its stream is gone.
    func settlePressure(_ id: StreamID, isPaused: Bool) -> SessionAction? {
        guard let row = self.table.row(id), self.table[row].isPaused == isPaused, self.table[row].phase != .leaving
        else { return nil }
        return isPaused ? .pause(id) : .resume(id)
    }

    /// How the queue knows the stream of a row.
    func line(_ row: Int) -> StreamID { StreamID(UInt32(truncatingIfNeeded: row)) }
}

// MARK: Writing

extension Multiplexer {
    /// What goes on the carrier now: messages without payload, then payload in turns; nil if there is nothing or no room.
    mutating func write(now: NIODeadline, writable: Bool) -> ByteBuffer? {
        self.wrote.removeAll(keepingCapacity: true)
        if self.pace != nil { return self.writeMessage(now: now, writable: writable) }
        guard writable else { return nil }
        self.holdThoseWithoutCredit()
        guard self.control.readableBytes > 0 || !self.queue.isEmpty else { return nil }
        let ready = min(self.queue.bytes - self.queue.heldBytes, Self.mostPayload)
        // In one expression: a second reference to the output would make the writer copy it.
        var writer = MessageWriter(
            self.takeOutput(self.control.readableBytes + ready + ready / 32 + 64), cipher: self.cipher)
        writer.append(&self.control)
        var room = Self.mostPayload
        while room > 0, let first = self.queue.first {
            let row = Int(first.rawValue)
            let most = min(room, self.table[row].window.credit)
            guard most > 0, let (_, piece) = self.queue.next(most: most) else {
                self.queue.holdFirst()
                continue
            }
            let head = self.table[row].head
            writer.append(piece, row: row, head: head, most: max(self.pieces - head.length, 1))
            self.written(piece.readableBytes, row)
            room -= piece.readableBytes
        }
        writer.seal()
        self.output = writer.bytes
        return writer.bytes
    }

    /// So that the first stream in turn has something that it may send.
    private mutating func holdThoseWithoutCredit() {
        while let first = self.queue.first, self.table[Int(first.rawValue)].window.credit == 0 {
            self.queue.holdFirst()
        }
    }

    mutating func takeOutput(_ capacity: Int) -> ByteBuffer {
        self.output.renew(capacity)
        defer { self.output = ByteBuffer() }
        return self.output
    }

    mutating func written(_ count: Int, _ row: Int) {
        if self.wrote.last != row { self.wrote.append(row) }
        self.table[row].queued -= count
        if self.table[row].window.credit != .max { self.table[row].window.credit -= count }
        let (queued, id) = (self.table[row].queued, self.table[row].id)
        if self.table[row].isPaused, queued < self.limits.queuedPerStream / 2 {
            self.table[row].isPaused = false
            self.notices.append(.resume(id))
        }
        if queued == 0 || self.table[row].window.isCutOff, self.table[row].closesWhenSent {
            self.notices.append(.drained(id))
        }
    }
}

extension ZhwkproX.Head {
    /// In bytes.
    var length: Int {
        switch self {
        case .get(let endpoint): endpoint.headLength
        case .data: ByteBuffer.zhwkproXDataLength
        }
    }
}
