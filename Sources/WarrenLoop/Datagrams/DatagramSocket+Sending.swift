// SPDX-License-Identifier: Apache-2.0

import CWarrenSystem
package import NIOCore
import WarrenCore

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

extension DatagramSocket {
    /// Bytes of a burst that do not wait for the end of the round.
    private static let fullBurst = 256 << 10
    /// The longest payload of any datagram.
    private static let longest = DatagramBurst.mostBytes
    private static let runsAtOnce = Int(CWS_MOST_OUTGOING)
    /// The network's queue is full, and nobody tells of room in it.
    private static let breath = TimeAmount.milliseconds(1)

    /// Queues a datagram, which leaves with all others at ``flush()`` or at the end of this round of the loop.
    ///
    /// - Parameter path: of the peer; nil for the one the socket is connected to.
    /// - Returns: false, and it is not taken, if too much waits already (the watcher is told of room), or if it is longer
    ///   than any datagram may be.
    @discardableResult package func send(_ bytes: ByteBuffer, to path: DatagramPath? = nil) -> Bool {
        guard bytes.readableBytes <= Self.longest else {
            self.tell(.tooLong(bytes.readableBytes), path)
            return false
        }
        guard self.hasRoom(for: bytes.readableBytes) else { return false }
        self.burst.append(bytes, to: path)
        self.planFlush()
        return true
    }

    /// Lets somebody write a datagram where it leaves from, without a buffer of its own.
    ///
    /// - Parameter write: appends the bytes of one datagram, or nothing, and says how many.
    /// - Returns: the datagram's length; 0 if nothing was written or nothing is taken: see ``isWritable``.
    package func send(to path: DatagramPath? = nil, _ write: (inout ByteBuffer) -> Int) -> Int {
        guard self.hasRoom(for: 1) else { return 0 }
        self.isCollecting = true
        let length = self.burst.append(to: path, most: Self.longest, write)
        self.isCollecting = false
        guard length > 0 else { return 0 }
        guard length <= Self.longest else {
            self.tell(.tooLong(length), path)
            return 0
        }
        self.planFlush()
        return length
    }

    private func hasRoom(for length: Int) -> Bool {
        guard !self.isClosed, !self.isCollecting else { return false }
        if self.burst.bytes >= min(Self.fullBurst, self.options.mostQueued) { self.flush() }
        guard !self.isClosed else { return false }
        // Empty datagrams take room, too.
        let queued = self.burst.bytes + 64 * (self.burst.count + 1)
        guard self.burst.isEmpty || queued + length <= self.options.mostQueued else {
            self.owesWord = true
            return false
        }
        return true
    }

    private func planFlush() {
        guard !self.willFlush, !self.isFlushing, self.isWritable else { return }
        self.willFlush = true
        self.loop.defer {
            self.willFlush = false
            self.flush()
        }
    }

    /// Puts out what is queued, as far as the system takes it.
    package func flush() {
        guard !self.isClosed, self.isWritable, !self.isFlushing, !self.isCollecting else { return }
        self.isFlushing = true
        withUnsafeTemporaryAllocation(of: cws_outgoing.self, capacity: Self.runsAtOnce, self.putOut)
        self.isFlushing = false
        guard !self.isClosed, self.isWritable else { return self.burst.compact() }
        // Whoever hears of a fault may send again: that is for the next round.
        guard self.burst.isEmpty else { return self.again() }
        guard self.owesWord else { return }
        self.owesWord = false
        self.watcher?.datagramSocketIsWritable(self)
    }

    private func putOut(_ runs: UnsafeMutableBufferPointer<cws_outgoing>) {
        var (left, refusals) = (self.burst.count, 0)
        while left > 0, self.isWritable, !self.isClosed {
            let count = self.burst.runs(into: runs, splits: self.splits)
            guard count > 0, let first = runs.first else { return }
            let sent = self.burst.withBytes {
                Int(cws_send_datagrams(self.descriptor, $0, runs.baseAddress, CInt(count)))
            }
            if sent < 0 {
                left -= self.failed(first, errno, &refusals)
            } else {
                refusals = 0
                for index in 0..<min(sent, count) { left -= self.burst.drop(runs[index]) }
            }
        }
    }

    /// - Returns: how many datagrams are dropped.
    private func failed(_ run: cws_outgoing, _ code: CInt, _ refusals: inout Int) -> Int {
        switch code {
        case EINTR: break
        case EAGAIN, EWOULDBLOCK: self.isFull()
        case ENOBUFS:
            self.isWritable = false
            self.retrying = self.loop.timer(in: Self.breath) { self.becameWritable() }
        case ECONNREFUSED where refusals < 2:
            // Of one that left before: the system has told, and takes this one now.
            refusals += 1
            self.tell(.refused, nil)
        case EINVAL where run.segment > 0, EMSGSIZE where run.segment > 0, EIO where run.segment > 0:
            // The way there does not take runs, or not these: datagram by datagram it shows which cannot leave.
            if code == EIO { self.splits = false }
            self.burst.separate(run)
        default:
            let path = self.burst.first?.path
            let count = self.burst.drop(run)
            self.tell(DatagramFault(code, length: run.length), path)
            return count
        }
        return 0
    }

    private func isFull() {
        self.isWritable = false
        guard !self.watchesWriting else { return }
        self.watchesWriting = true
        self.loop.watchWriting(self.descriptor)
    }

    func becameWritable() {
        guard !self.isWritable, !self.isClosed else { return }
        self.retrying?.cancel()
        self.retrying = nil
        self.isWritable = true
        self.flush()
    }
}
