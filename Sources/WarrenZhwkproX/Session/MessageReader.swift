// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// What the carrier brought, decrypted.
enum Incoming {
    /// Payload of one destination, as many messages of it as came in a row; without bytes, a message of length 0.
    case get(ZhwkproX.StreamAddress, ByteBuffer)
    /// Payload of one stream of the extension.
    case data(id: UInt32, ByteBuffer)
    case message(ZhwkproX.ExtendedMessage)
}

/// Cuts the carrier's bytes into messages and decrypts them, all that is there in one pass.
///
/// A message need not be whole: what has come of it is decrypted and delivered, whole blocks at a time, so nothing is ever
/// kept for a length that a peer names. The received buffer is not written to, as the driver's pool shares it; payload is
/// decrypted into ``plain``, where that of consecutive messages lies in one piece.
struct MessageReader {
    private struct Event {
        enum Kind: Hashable {
            case payload(ZhwkproX.Head)
            case message(ZhwkproX.ExtendedMessage)
        }

        var kind: Kind
        var start = 0
        var count = 0
    }

    /// Bounds the list of events, and with it what a read full of tiny messages can cost.
    private static let eventsPerPass = 512

    private let format: ZhwkproX.Format
    private let cipher: MessageCipher
    private let most: Int
    private var inbound = ByteBuffer()
    /// The head, or the block, that the last read cut off; at most 26 bytes.
    private var partial = ByteBuffer()
    private var plain = ByteBuffer()
    private var events = ContiguousArray<Event>()
    private var next = 0
    private var failure: WireError?
    /// The message that is being read, and how much of it is still to come.
    private var head: ZhwkproX.Head?
    private var remaining = 0
    private var chain: MessageCipher.Block

    /// - Parameter most: the longest payload of a GET that is accepted, in bytes.
    init(_ bytes: ByteBuffer, format: ZhwkproX.Format, cipher: MessageCipher, most: Int) {
        self.inbound = bytes
        self.format = format
        self.cipher = cipher
        self.most = most
        self.chain = cipher.start
    }

    mutating func receive(_ bytes: ByteBuffer) { self.inbound.take(bytes) }

    /// True if the carrier's bytes ended inside a message; meaningful once ``nextIncoming()`` has returned nil.
    var isInsideMessage: Bool { self.remaining > 0 || self.partial.readableBytes > 0 || self.inbound.readableBytes > 0 }

    /// The next thing in order; nil when more bytes are needed.
    mutating func nextIncoming() throws(WireError) -> Incoming? {
        while true {
            if self.next < self.events.count {
                let event = self.events[self.next]
                self.next += 1
                switch event.kind {
                case .payload(.get(let endpoint)): return .get(endpoint, self.cut(event))
                case .payload(.data(let id)): return .data(id: id, self.cut(event))
                case .message(let message): return .message(message)
                }
            }
            if let failure { throw failure }
            guard self.inbound.readableBytes > 0 else { return nil }
            self.readAll()
            if self.events.isEmpty, self.failure == nil { return nil }
        }
    }

    private func cut(_ event: Event) -> ByteBuffer { self.plain.piece(at: event.start, length: event.count) }
}

extension MessageReader {
    /// One pass over what is there.
    private mutating func readAll() {
        self.events.removeAll(keepingCapacity: true)
        self.next = 0
        self.plain.renew(self.partial.readableBytes + self.inbound.readableBytes)
        do throws(WireError) {
            while self.partial.readableBytes > 0 {
                guard try self.completePartial() else {
                    self.inbound = ByteBuffer()  // gives the driver's buffer back
                    return
                }
                var partial = self.partial
                self.partial = ByteBuffer()
                try self.read(&partial)
            }
            var inbound = self.inbound
            self.inbound = ByteBuffer()
            try self.read(&inbound)
            if self.events.count < Self.eventsPerPass {
                self.partial.writeBuffer(&inbound)
            } else {
                self.inbound = inbound
            }
        } catch {
            self.failure = error
        }
    }

    /// Moves from the read what completes the head or block that the last one cut off; false if that is still not enough.
    private mutating func completePartial() throws(WireError) -> Bool {
        let unit = try self.remaining > 0 ? min(16, self.remaining) : self.headLength(self.partial)
        let missing = unit - self.partial.readableBytes
        if missing > 0, var piece = self.inbound.readSlice(length: min(missing, self.inbound.readableBytes)) {
            self.partial.writeBuffer(&piece)
        }
        return self.partial.readableBytes >= unit
    }

    private func headLength(_ bytes: ByteBuffer) throws(WireError) -> Int {
        let first = bytes.getInteger(at: bytes.readerIndex, as: UInt8.self) ?? 0
        switch self.format {
        case .plain: return try ByteBuffer.zhwkproXGetLength(first)
        case .extended: return try ByteBuffer.zhwkproXExtensionLength(first)
        }
    }

    /// Reads until the rest is less than a block, or than a head.
    private mutating func read(_ bytes: inout ByteBuffer) throws(WireError) {
        while bytes.readableBytes > 0, self.events.count < Self.eventsPerPass {
            if let head, self.remaining > 0 {
                let whole = bytes.readableBytes >= self.remaining ? self.remaining : bytes.readableBytes & ~15
                guard whole > 0 else { return }
                self.decrypt(whole, of: &bytes, head)
            } else {
                guard try self.headLength(bytes) <= bytes.readableBytes else { return }
                try self.readHead(&bytes)
            }
        }
    }

    private mutating func readHead(_ bytes: inout ByteBuffer) throws(WireError) {
        self.chain = self.cipher.start
        switch self.format {
        case .plain:
            guard let (endpoint, length) = try bytes.readZhwkproXGet(most: self.most) else { return }
            self.head = .get(endpoint)
            self.remaining = length
            if length == 0 { self.events.append(Event(kind: .payload(.get(endpoint)))) }
        case .extended:
            if let (id, length) = try bytes.readZhwkproXData() {
                self.head = .data(id: id)
                self.remaining = length
            } else if let message = try bytes.readZhwkproXExtension() {
                self.events.append(Event(kind: .message(message)))
            }
        }
    }

    private mutating func decrypt(_ count: Int, of bytes: inout ByteBuffer, _ head: ZhwkproX.Head) {
        let start = self.plain.writerIndex
        let cipher = self.cipher
        self.plain.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { target in
            bytes.withUnsafeReadableBytes { source in
                guard let source = source.baseAddress, let target = target.baseAddress else { return 0 }
                cipher.decrypt(source, to: target, count: count, chain: &self.chain)
                return count
            }
        }
        bytes.moveReaderIndex(forwardBy: count)
        self.remaining -= count
        let last = self.events.count - 1
        if last >= 0, self.events[last].count > 0, self.events[last].kind == .payload(head) {
            self.events[last].count += count
        } else {
            self.events.append(Event(kind: .payload(head), start: start, count: count))
        }
    }
}
