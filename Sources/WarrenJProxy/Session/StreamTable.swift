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

    /// By which messages it is opened and ended.
    enum Kind {
        case plain
        case windowed
        case datagrams
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
    /// DISCONNECT or RESET follows when ``queued`` is 0.
    var closesWhenSent = false
    /// Our side has said that it will send no more.
    var isFinished = false
    /// The last thing that happened was data from the peer.
    var wasAnswered = false

    /// The stream follows the extension: windows, half-close, reasons.
    var isWindowed = false
    var window = WindowedStream()

    var kind: Kind { self.isDatagram ? .datagrams : self.isWindowed ? .windowed : .plain }
    var stream: StreamID { StreamID(UInt32(self.id)) }
}

/// The live streams: by id, and by a row number that stays the same for the life of a stream.
struct StreamTable {
    /// The rows of 256 ids; without storage while none of them is live.
    private struct Page {
        var rows = ContiguousArray<Int32>()
        var count = 0
    }

    private static let perPage = 256
    private static let none: Int32 = -1

    private var rows = ContiguousArray<StreamRow>()
    private var pages = ContiguousArray<Page>()
    private var free = ContiguousArray<Int>()

    var count: Int { self.rows.count - self.free.count }
    var live: some Sequence<Int> { self.rows.indices.lazy.filter { self.row(self.rows[$0].id) == $0 } }

    func row(_ id: UInt16) -> Int? {
        let page = Int(id) / Self.perPage
        guard page < self.pages.count, self.pages[page].count > 0 else { return nil }
        let row = self.pages[page].rows[Int(id) % Self.perPage]
        return row == Self.none ? nil : Int(row)
    }

    func row(_ stream: StreamID) -> Int? { UInt16(exactly: stream.rawValue).flatMap { self.row($0) } }

    subscript(row: Int) -> StreamRow {
        get { self.rows[row] }
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
        let page = Int(stream.id) / Self.perPage
        while self.pages.count <= page { self.pages.append(Page()) }
        if self.pages[page].count == 0 {
            self.pages[page].rows = ContiguousArray(repeating: Self.none, count: Self.perPage)
        }
        self.pages[page].rows[Int(stream.id) % Self.perPage] = Int32(row)
        self.pages[page].count += 1
        return row
    }

    mutating func remove(_ row: Int) {
        let id = Int(self.rows[row].id)
        let page = id / Self.perPage
        self.pages[page].rows[id % Self.perPage] = Self.none
        self.pages[page].count -= 1
        if self.pages[page].count == 0 { self.pages[page].rows = [] }
        self.rows[row] = StreamRow()
        self.free.append(row)
    }
}
