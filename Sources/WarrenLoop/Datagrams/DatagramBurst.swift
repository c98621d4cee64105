// SPDX-License-Identifier: Apache-2.0

import CWarrenSystem
import NIOCore
import WarrenCore

/// Datagrams that are to leave, one behind the other in one buffer, and where each of them goes.
///
/// Storage stays when they have left, so that a datagram costs a copy of its bytes and no allocation.
struct DatagramBurst {
    /// The kernel's bounds for a run: UDP_MAX_SEGMENTS of those before Linux 6.9, and an IPv4 datagram's payload.
    static let mostInRun = 64
    static let mostBytes = 65_507

    private struct Entry {
        var length: Int
        /// Nil for the peer that the socket is connected to.
        var path: DatagramPath?
    }

    private var storage = ByteBuffer()
    private var entries = ContiguousArray<Entry>()
    /// Entries that have left; their bytes have been read.
    private var left = 0
    /// So many of the next ones leave one by one: as a run they were refused.
    private var alone = 0

    var isEmpty: Bool { self.left == self.entries.count }
    var count: Int { self.entries.count - self.left }
    var bytes: Int { self.storage.readableBytes }

    /// Where the next one goes, and how long it is.
    var first: (path: DatagramPath?, length: Int)? {
        self.isEmpty ? nil : (self.entries[self.left].path, self.entries[self.left].length)
    }

    mutating func append(_ bytes: ByteBuffer, to path: DatagramPath?) {
        self.storage.writeImmutableBuffer(bytes)
        self.entries.append(Entry(length: bytes.readableBytes, path: path))
    }

    /// Lets somebody write datagrams at the end, each up to `most` bytes.
    ///
    /// - Returns: the length of what was written; it is one datagram unless that is 0. Longer than `most` it is dropped.
    mutating func append(to path: DatagramPath?, most: Int, _ write: (inout ByteBuffer) -> Int) -> Int {
        let end = self.storage.writerIndex
        _ = write(&self.storage)
        let length = self.storage.writerIndex - end
        if length <= 0 || length > most {
            self.storage.moveWriterIndex(to: max(end, self.storage.readerIndex))
        } else {
            self.entries.append(Entry(length: length, path: path))
        }
        return length
    }

    /// Cuts the next ones into runs: of one path and one length each, but for the last of a run, which may be shorter.
    ///
    /// - Returns: how many runs there are.
    func runs(into runs: UnsafeMutableBufferPointer<cws_outgoing>, splits: Bool) -> Int {
        var (count, index, offset) = (0, self.left, 0)
        while count < runs.count, index < self.entries.count {
            let first = self.entries[index]
            let mayJoin = splits && index - self.left >= self.alone && first.length > 0
            var length = first.length
            let start = index
            index += 1
            while mayJoin, index < self.entries.count, index - start < Self.mostInRun {
                let next = self.entries[index]
                guard next.length > 0, next.length <= first.length, length + next.length <= Self.mostBytes,
                    next.path == first.path
                else { break }
                length += next.length
                index += 1
                if next.length < first.length { break }
            }
            let segment = index - start > 1 ? first.length : 0
            runs[count] = cws_outgoing(first.path, offset: offset, length: length, segment: segment)
            offset += length
            count += 1
        }
        return count
    }

    /// Drops what a run consists of: it has left, or never will.
    ///
    /// - Returns: how many datagrams that was.
    @discardableResult mutating func drop(_ run: cws_outgoing) -> Int {
        let count = run.count
        self.left = min(self.left + count, self.entries.count)
        self.alone = max(0, self.alone - count)
        self.storage.moveReaderIndex(forwardBy: min(run.length, self.storage.readableBytes))
        if self.isEmpty {
            self.storage.clear()
            self.entries.removeAll(keepingCapacity: true)
            self.left = 0
        }
        return count
    }

    /// Makes a run that was refused leave one by one.
    mutating func separate(_ run: cws_outgoing) {
        self.alone = run.count
    }

    /// Moves what waits to the front, once that is not more than has left: for bursts that never leave entirely.
    mutating func compact() {
        guard self.left > self.count, self.storage.readerIndex > self.storage.readableBytes else { return }
        self.storage.discardReadBytes()
        self.entries.removeSubrange(..<self.left)
        self.left = 0
    }

    func withBytes<T>(_ body: (UnsafeRawPointer?) -> T) -> T {
        self.storage.withUnsafeReadableBytes { body($0.baseAddress) }
    }
}

extension cws_outgoing {
    /// How many datagrams it is.
    fileprivate var count: Int { self.segment == 0 ? 1 : (self.length + Int(self.segment) - 1) / Int(self.segment) }

    fileprivate init(_ path: DatagramPath?, offset: Int, length: Int, segment: Int) {
        self.init()
        self.offset = offset
        self.length = length
        self.segment = UInt32(clamping: segment)
        guard let path else { return }
        self.peer = path.peer.system
        self.interface = path.interface
        if let local = path.local { self.from = PeerAddress(local, port: 0).system }
    }
}
