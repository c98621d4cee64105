// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// One live stream, as both ends keep it.
struct StreamRow {
    enum Phase {
        /// Device: the destination is not reached yet.
        case connecting
        case open
        /// The driver is done with it; what it queued is still on its way.
        case draining
    }

    var id: StreamID
    /// The visitor's address, and what else is repeated in every frame.
    var header: MProxy.Header
    /// The header in front of its data; nil before there was any.
    var stamp: MProxy.HeaderStamp?
    var phase: Phase
    /// Device: `connection` has come for it.
    var isAnnounced = false
    /// Device: payload that waits for the destination.
    var early = ByteBuffer()

    /// Bytes from the peer since the stream began: what pause and resume tell.
    var received: UInt64 = 0
    /// We have asked the peer to pause.
    var hasPausedPeer = false

    /// Bytes toward the peer that are not written yet.
    var queued = 0
    /// Our source was told to pause.
    var isPaused = false
    /// The peer has asked us to pause.
    var isHeld = false
    /// Our side has said that it will send no more.
    var isFinished = false
    /// The stream is to be ended when ``queued`` is 0, with the window's fault.
    var closesWhenSent = false

    /// The stream follows the extension: windows and half-close.
    var isWindowed = false
    var window = WindowedStream()

    init(_ id: StreamID, _ header: MProxy.Header, _ phase: Phase) {
        self.id = id
        self.header = header
        self.phase = phase
    }
}

/// The live streams: by number, by the visitor's address, and by a row that stays the same for the life of a stream.
struct StreamTable {
    private var rows = ContiguousArray<StreamRow>()
    private var free = ContiguousArray<Int>()
    private var byID: [StreamID: Int] = [:]
    private var bySource: [MProxy.Address: Int] = [:]
    private var lastID: UInt32 = 0

    var count: Int { self.byID.count }

    func row(_ stream: StreamID) -> Int? { self.byID[stream] }
    func row(_ source: MProxy.Address) -> Int? { self.bySource[source] }

    subscript(row: Int) -> StreamRow {
        // Not `_read`: Swift 6.3 uses what was yielded of a row of this size after the frame it stood in is gone.
        get { self.rows[row] }
        _modify { yield &self.rows[row] }
    }

    /// A number that no live stream has.
    mutating func newID() -> StreamID {
        repeat { self.lastID &+= 1 } while self.byID[StreamID(self.lastID)] != nil
        return StreamID(self.lastID)
    }

    /// The source is that of no live stream.
    mutating func insert(_ stream: StreamRow) -> Int {
        let row: Int
        if let reused = self.free.popLast() {
            row = reused
            self.rows[row] = stream
        } else {
            row = self.rows.count
            self.rows.append(stream)
        }
        self.byID[stream.id] = row
        self.bySource[stream.header.source] = row
        return row
    }

    mutating func remove(_ row: Int) {
        self.byID[self.rows[row].id] = nil
        self.bySource[self.rows[row].header.source] = nil
        self.rows[row].early = ByteBuffer()
        self.rows[row].queued = 0
        self.rows[row].window = WindowedStream()
        self.free.append(row)
    }
}
