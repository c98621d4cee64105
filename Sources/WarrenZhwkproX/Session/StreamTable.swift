// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// One stream, as either end keeps it.
struct StreamRow {
    enum Phase {
        /// Inter-server: it has no place yet (its destination is in use), or no answer (extension).
        case waiting
        /// Exit: its destination is not reached yet.
        case connecting
        case open
        /// Inter-server: the exit has said that it is over; late data may follow.
        case late
        /// Our driver has left it. The exit still has something to send; the inter-server waits for the exit's end of it.
        case leaving
    }

    var id: StreamID
    var endpoint: ZhwkproX.StreamAddress
    var phase: Phase
    /// Payload that waits for the stream to open: from the peer on an exit, for the peer on an inter-server.
    var early = ByteBuffer()

    /// Bytes toward the peer that are not written yet.
    var queued = 0
    var isPaused = false
    /// Our side has said that it will send no more.
    var isFinished = false
    /// The stream is to be ended when ``queued`` is 0.
    var closesWhenSent = false
    /// How the bytes to the peer are marked.
    var head: ZhwkproX.Head
    /// With the extension.
    var window = WindowedStream()

    /// Exit: a request has come for the destination while its last answer was still to be sent.
    var isWanted = false

    // Inter-server, deployed protocol:
    /// The exit has been told of it.
    var firstSaid: NIODeadline?
    var lastSaid = NIODeadline.uptimeNanoseconds(0)
    var hasReceived = false
    /// Data has come since the last thing that was said of it.
    var hasHeard = false
    /// Something was under way to the exit when it ended the stream: it will connect once more.
    var hasCrossed = false

    init(_ id: StreamID, _ endpoint: ZhwkproX.StreamAddress, _ phase: Phase, head: ZhwkproX.Head) {
        self.id = id
        self.endpoint = endpoint
        self.phase = phase
        self.head = head
    }
}

/// The streams of a session: by id, and by a row number that stays the same for the life of a stream.
struct StreamTable {
    private var rows = ContiguousArray<StreamRow>()
    private var places: [StreamID: Int] = [:]
    private var free = ContiguousArray<Int>()
    private var lastID: UInt32 = 0

    var count: Int { self.places.count }

    func row(_ id: StreamID) -> Int? { self.places[id] }

    subscript(row: Int) -> StreamRow {
        get { self.rows[row] }
        _modify { yield &self.rows[row] }
    }

    /// A number for a stream that has none by itself. It is out of use for as long as possible.
    mutating func newID() -> StreamID {
        repeat {
            self.lastID = self.lastID == .max ? 1 : self.lastID + 1
        } while self.places[StreamID(self.lastID)] != nil
        return StreamID(self.lastID)
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
        self.places[stream.id] = row
        return row
    }

    /// Puts another stream in the place of one that is over.
    mutating func replace(_ row: Int, by stream: StreamRow) {
        self.places[self.rows[row].id] = nil
        self.rows[row] = stream
        self.places[stream.id] = row
    }

    mutating func remove(_ row: Int) {
        self.places[self.rows[row].id] = nil
        self.rows[row].early = ByteBuffer()
        self.rows[row].window = WindowedStream()
        self.free.append(row)
    }
}
