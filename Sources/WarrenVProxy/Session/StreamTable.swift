// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// One stream, as either end keeps it.
struct StreamRow {
    enum Phase {
        /// Client: SYN is unanswered.
        case asking
        /// Server: the target is not reached yet.
        case connecting
        case open
        /// Our driver has left it; what it queued is still on its way.
        case leaving
    }

    let id: StreamID
    /// Both ends keep windows for it: an extension of Warren.
    let isWindowed: Bool
    var phase: Phase
    /// Payload from the peer that waits until the driver may have it.
    var early = ByteBuffer()
    /// The peer has said that it sends no more.
    var isPeerFinished = false
    /// Our driver knows.
    var hasToldFinish = false

    /// Bytes toward the peer that are not written yet.
    var queued = 0
    var isPaused = false
    /// Our side has said that it will send no more, or nothing at all.
    var isFinished = false
    /// What that leads to is due once ``queued`` is 0.
    var isEnding = false
    /// Where on the carrier the last payload ended, and when it was written; nil if there was none.
    var lastByte: (end: UInt64, at: NIODeadline)?
    var window = WindowedStream()

    init(_ id: StreamID, _ phase: Phase, isWindowed: Bool) {
        self.id = id
        self.phase = phase
        self.isWindowed = isWindowed
    }
}

/// The live streams: by id, and by a row number that stays the same for the life of a stream.
struct StreamTable {
    private var rows = ContiguousArray<StreamRow>()
    private var places: [StreamID: Int] = [:]
    private var free = ContiguousArray<Int>()
    /// How many of them have windows.
    private(set) var windowed = 0

    var count: Int { self.places.count }

    func row(_ id: StreamID) -> Int? { self.places[id] }
    func row(_ id: UInt32) -> Int? { self.places[StreamID(id)] }

    subscript(row: Int) -> StreamRow {
        get { self.rows[row] }
        _modify { yield &self.rows[row] }
    }

    /// The id is that of no live stream.
    mutating func insert(_ stream: StreamRow) -> Int {
        let row: Int
        if let reused = self.free.popLast() {
            row = reused
            self.rows[row] = stream
        } else {
            row = self.rows.count
            self.rows.append(stream)
        }
        self.places[stream.id] = row
        if stream.isWindowed { self.windowed += 1 }
        return row
    }

    mutating func remove(_ row: Int) {
        self.places[self.rows[row].id] = nil
        if self.rows[row].isWindowed { self.windowed -= 1 }
        self.rows[row].early = ByteBuffer()
        self.rows[row].window = WindowedStream()
        self.free.append(row)
    }
}
