// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// One live stream, as both ends keep it.
struct StreamRow {
    enum Phase {
        /// CONNECT is sent (client) or waits for the destination (server).
        case connecting
        case open
        /// The driver is done with it; what it queued is still on its way.
        case draining
    }

    var id: UInt16 = 0
    var phase = Phase.connecting
    var isDatagram = false
    /// Client: which of its CONNECTs this was.
    var number: UInt64 = 0
    /// UDP on a server: the port that the client named, to be named back.
    var localPort: UInt16 = 0
    var openedAt = NIODeadline.uptimeNanoseconds(0)
    /// Payload that waits for the stream to open: from the peer on a server, for the peer on a client.
    var early = ByteBuffer()

    /// Bytes toward the peer that are not written yet.
    var queued = 0
    var isPaused = false
    /// DISCONNECT follows when ``queued`` is 0.
    var closesWhenSent = false
    /// Our side has said that it will send no more.
    var isFinished = false
    /// The last thing that happened was data from the peer.
    var wasAnswered = false

    /// Bytes that the reader has not taken.
    var unread = 0
    /// When it last began to wait for its reader.
    var blockedSince = NIODeadline.uptimeNanoseconds(0)
    /// The reader has taken something since then.
    var hasProgressed = false
    /// When it began to hold up the session; nil if it does not.
    var holdsSince: NIODeadline?

    var stream: StreamID { StreamID(UInt32(self.id)) }
}

/// The live streams: by id, and by a row number that stays the same for the life of a stream.
struct StreamTable {
    private var rows = ContiguousArray<StreamRow>()
    private var numbers: [UInt16: Int] = [:]
    private var free: [Int] = []

    var count: Int { self.numbers.count }
    var live: some Sequence<Int> { self.numbers.values }

    func row(_ id: UInt16) -> Int? { self.numbers[id] }
    func row(_ stream: StreamID) -> Int? { UInt16(exactly: stream.rawValue).flatMap { self.numbers[$0] } }

    subscript(row: Int) -> StreamRow {
        _read { yield self.rows[row] }
        _modify { yield &self.rows[row] }
    }

    mutating func insert(_ stream: StreamRow) -> Int {
        let row: Int
        if let reused = self.free.popLast() {
            row = reused
            self.rows[row] = stream
        } else {
            row = self.rows.count
            self.rows.append(stream)
        }
        self.numbers[stream.id] = row
        return row
    }

    mutating func remove(_ row: Int) {
        self.numbers[self.rows[row].id] = nil
        self.rows[row] = StreamRow()
        self.free.append(row)
    }
}
