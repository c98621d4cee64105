// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

// Writing to a deployed peer: one message at a time, each whole, and of each destination none too soon.
extension Multiplexer {
    /// When ``write(now:writable:)`` may have something that it does not have now; nil if nothing waits for time alone.
    var paceDeadline: NIODeadline? {
        guard let pace, self.isWritable else { return nil }
        guard self.queue.heldBytes > 0, let end = pace.nextEnd else { return pace.nextEmpty }
        return pace.nextEmpty.map { min($0, end) } ?? end
    }

    /// The next message; nil if there is none, no room, or it is too soon.
    mutating func writeMessage(now: NIODeadline, writable: Bool) -> ByteBuffer? {
        self.isWritable = writable
        while let endpoint = self.pace?.rested(now: now) {
            if let row = self.rows[endpoint] { self.queue.release(self.line(row)) }
        }
        guard writable else { return nil }
        if let endpoint = self.pace?.dueEmpty(now: now) {
            self.pace?.rest(endpoint, now: now)
            return self.message(endpoint)
        }
        while let row = self.firstRow {
            guard self.pace?.isResting(self.table[row].endpoint, now: now) == true else {
                self.pace?.rest(self.table[row].endpoint, now: now)
                return self.message(row)
            }
            self.queue.holdFirst()
        }
        return nil
    }

    private var firstRow: Int? { self.queue.first.map { Int($0.rawValue) } }

    private mutating func message(_ endpoint: ZhwkproX.StreamAddress) -> ByteBuffer {
        var bytes = self.takeOutput(ZhwkproX.StreamAddress.longestHead)
        bytes.writeZhwkproXGet(endpoint, length: 0)
        self.output = bytes
        return bytes
    }

    /// As much as fits of what the stream has queued: pieces share a message.
    private mutating func message(_ row: Int) -> ByteBuffer {
        let head = self.table[row].head
        let most = max(self.pieces - head.length, 1)
        let capacity = min(self.table[row].queued, most) + head.length
        var writer = MessageWriter(self.takeOutput(capacity), cipher: self.cipher)
        var room = most
        while room > 0, self.firstRow == row, let (_, piece) = self.queue.next(most: room) {
            writer.append(piece, row: row, head: head, most: most)
            self.written(piece.readableBytes, row)
            room -= piece.readableBytes
        }
        writer.seal()
        self.output = writer.bytes
        return writer.bytes
    }
}
