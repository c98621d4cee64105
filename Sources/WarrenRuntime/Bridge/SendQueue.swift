// SPDX-License-Identifier: Apache-2.0

import CWarrenSystem
import DequeModule
import NIOCore
import WarrenLoop

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Bytes that wait to leave through a socket. Empty most of the time, and without an allocation then.
struct SendQueue {
    private static let mostAtOnce = 32

    private var first: ByteBuffer?
    private var rest = Deque<ByteBuffer>()
    /// So many of `rest` keep no more memory than their own.
    private var compactRest = 0
    /// Bytes in the queue.
    private(set) var count = 0

    mutating func append(_ bytes: ByteBuffer) {
        guard bytes.readableBytes > 0 else { return }
        self.count += bytes.readableBytes
        if self.first == nil { self.first = bytes } else { self.rest.append(bytes) }
    }

    mutating func removeAll() { self = SendQueue() }

    /// Offers the front of the queue to the socket, once.
    mutating func write(to socket: Socket) -> Socket.Outcome {
        guard let first else { return .moved(0) }
        let outcome =
            self.rest.isEmpty ? first.withUnsafeReadableBytes { socket.write($0) } : self.writeSeveral(first, socket)
        if case .moved(let count) = outcome { self.drop(count) }
        return outcome
    }

    private func writeSeveral(_ first: ByteBuffer, _ socket: Socket) -> Socket.Outcome {
        withUnsafeTemporaryAllocation(of: iovec.self, capacity: Self.mostAtOnce) { vectors in
            var used = 0
            var wanted = 0
            func add(_ bytes: ByteBuffer) {
                // The queue keeps the storage alive and in place until the call is over.
                bytes.withUnsafeReadableBytes { bytes in
                    vectors[used] = iovec(iov_base: .init(mutating: bytes.baseAddress), iov_len: bytes.count)
                    wanted += bytes.count
                }
                used += 1
            }
            add(first)
            for bytes in self.rest.prefix(Self.mostAtOnce - 1) { add(bytes) }
            return socket.write(UnsafeBufferPointer(rebasing: vectors[..<used]), wanted)
        }
    }

    private mutating func drop(_ written: Int) {
        self.count -= written
        var left = written
        while left > 0, let first {
            guard left < first.readableBytes else {
                left -= first.readableBytes
                self.first = self.rest.popFirst()
                self.compactRest = max(0, self.compactRest - 1)
                continue
            }
            self.first?.moveReaderIndex(forwardBy: left)
            left = 0
        }
    }

    /// What has to wait must not keep more memory than its own: a short piece of a large read is copied to its size.
    mutating func compact() {
        if let first, first.isMostlyRoom { self.first = first.compacted }
        while self.compactRest < self.rest.count {
            let piece = self.rest[self.compactRest]
            if piece.isMostlyRoom { self.rest[self.compactRest] = piece.compacted }
            self.compactRest += 1
        }
    }
}

extension ByteBuffer {
    fileprivate var isMostlyRoom: Bool { self.readableBytes < self.storageCapacity / 2 }

    /// The readable bytes in storage of just their size.
    var compacted: ByteBuffer {
        var copy = ByteBufferAllocator().buffer(capacity: self.readableBytes)
        copy.writeImmutableBuffer(self)
        return copy
    }
}
