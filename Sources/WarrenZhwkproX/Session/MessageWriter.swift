// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// Fills one outgoing buffer with messages.
///
/// Payload is copied behind its heads and encrypted there at the end, all messages at once: one alone can only be
/// encrypted block after block. Pieces of the same stream that follow each other share messages.
struct MessageWriter {
    private(set) var bytes: ByteBuffer
    private let cipher: MessageCipher
    /// Where the payload of each message is.
    private var payloads = ContiguousArray<(start: Int, count: Int)>()
    /// The message that is not full: whose it is, where its payload begins, how long it is.
    private var open: (row: Int, head: ZhwkproX.Head, start: Int, count: Int)?

    init(_ bytes: ByteBuffer, cipher: MessageCipher) {
        self.bytes = bytes
        self.cipher = cipher
    }

    /// Appends messages that have no payload, and empties their buffer.
    mutating func append(_ messages: inout ByteBuffer) {
        guard messages.readableBytes > 0 else { return }
        self.bytes.writeBuffer(&messages)
        messages.clear()
    }

    /// - Parameter most: payload of one message, in bytes.
    mutating func append(_ piece: ByteBuffer, row: Int, head: ZhwkproX.Head, most: Int) {
        var piece = piece
        if let open, open.row != row { self.close() }
        while piece.readableBytes > 0 {
            let message = self.open ?? self.begin(row, head)
            let count = min(most - message.count, piece.readableBytes)
            if var part = piece.readSlice(length: count) { self.bytes.writeBuffer(&part) }
            self.open = (row, head, message.start, message.count + count)
            if message.count + count >= most { self.close() }
        }
    }

    /// Encrypts all there is.
    mutating func seal() {
        self.close()
        guard !self.payloads.isEmpty else { return }
        let (cipher, payloads, first) = (self.cipher, self.payloads, self.bytes.readerIndex)
        self.bytes.withUnsafeMutableReadableBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            cipher.encrypt(payloads, in: base - first)
        }
        self.payloads.removeAll(keepingCapacity: true)
    }

    /// Writes the head with a length that ``close()`` corrects.
    private mutating func begin(
        _ row: Int, _ head: ZhwkproX.Head
    ) -> (row: Int, head: ZhwkproX.Head, start: Int, count: Int) {
        switch head {
        case .get(let endpoint): self.bytes.writeZhwkproXGet(endpoint, length: 0)
        case .data(let id): self.bytes.writeZhwkproXData(id: id, length: 0)
        }
        return (row, head, self.bytes.writerIndex, 0)
    }

    private mutating func close() {
        guard let open else { return }
        self.open = nil
        let length = UInt32(truncatingIfNeeded: open.count)
        switch open.head {
        case .get: self.bytes.setInteger(length, at: open.start - 4, endianness: .little)
        case .data: self.bytes.setInteger(length, at: open.start - 4)
        }
        self.payloads.append((open.start, open.count))
    }
}
