// SPDX-License-Identifier: Apache-2.0

import CWarrenSystem
import NIOCore
import WarrenCore

/// Where the datagrams of all sockets of one loop are received.
///
/// ```
/// small   | 2 KiB | 2 KiB | ...         one storage: datagrams of usual length
/// large   | 64 KiB |, | 64 KiB |, ...   a storage each: long ones, and runs of several
/// ```
///
/// What comes is told as slices, without a copy. Storage that nobody has kept is used again; storage of which somebody
/// keeps a slice is theirs, so that a slice never keeps more than one run or 16 small datagrams alive.
package final class DatagramIntake {
    static let slots = Int(CWS_MOST_INCOMING)
    static let smallSize = Int(CWS_SMALL_DATAGRAM)
    static let largeSize = 1 << 16

    private var small = ByteBuffer()
    private var large = ContiguousArray(repeating: ByteBuffer(), count: DatagramIntake.slots)
    private var isUsed = ContiguousArray(repeating: true, count: DatagramIntake.slots)
    private let entries = UnsafeMutableBufferPointer<cws_incoming>.allocate(capacity: DatagramIntake.slots)

    init() { self.entries.initialize(repeating: cws_incoming()) }

    deinit { self.entries.deallocate() }

    /// Receives up to `count` messages of up to `most` bytes.
    ///
    /// - Returns: how many; below 0 with the reason in `errno`.
    func receive(_ descriptor: CInt, count: Int, most: Int) -> Int {
        self.prepare()
        return Int(cws_receive_datagrams(descriptor, self.entries.baseAddress, CInt(count), most))
    }

    /// Gives storage to the slots that have lent theirs.
    private func prepare() {
        let small = self.small.space(of: Self.slots * Self.smallSize)
        for index in 0..<Self.slots {
            self.entries[index].small = small.map { $0 + index * Self.smallSize }
            guard self.isUsed[index] else { continue }
            self.isUsed[index] = false
            self.entries[index].large = self.large[index].space(of: Self.largeSize)
        }
    }

    /// Message `index` of those received last.
    subscript(index: Int) -> cws_incoming { self.entries[index] }

    /// Some bytes of message `index`, without a copy.
    func slice(_ index: Int, from offset: Int, _ length: Int) -> ByteBuffer {
        if self.entries[index].length <= Self.smallSize {
            return self.small.getSlice(at: index * Self.smallSize + offset, length: length) ?? ByteBuffer()
        }
        self.isUsed[index] = true
        return self.large[index].getSlice(at: offset, length: length) ?? ByteBuffer()
    }
}

extension ByteBuffer {
    /// Makes all of `size` bytes readable, in fresh storage if somebody has kept a slice of the old one.
    ///
    /// - Returns: where they are, until the next call.
    fileprivate mutating func space(of size: Int) -> UnsafeMutableRawPointer? {
        self.clear(minimumCapacity: size)
        self.moveWriterIndex(to: size)
        // The storage lives as long as this buffer is neither renewed nor gone, and nobody else has a slice of it yet.
        return self.withVeryUnsafeBytesWithStorageManagement { bytes, _ in
            UnsafeMutableRawPointer(mutating: bytes.baseAddress)
        }
    }
}
