// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// What the peer has sent and the reader has not taken, in order or not, in a ring indexed by segment number.
///
/// ```
///        head            next                        head + limit
///  read   |  to be read   |   out of order, with gaps      |  dropped
/// ```
///
/// It holds at most `limit` segments. What has room is what was advertised, and that edge never moves back.
struct ReceiveWindow {
    enum Arrival: Hashable {
        /// The next one, with nothing behind it.
        case inOrder
        /// Leaves a gap, or fills one.
        case outOfOrder
        case duplicate
        case beyond
    }

    private struct Slot {
        /// Nil while there is nothing.
        var data: ByteBuffer?
        var fragment: UInt8 = 0
    }

    /// So many segments to be read may share the memory of their datagrams, however large that is.
    private static let shared = 64
    private var slots = ContiguousArray(repeating: Slot(), count: 16)
    private var mask: UInt32 = 15
    private var head: UInt32
    /// The next number that is missing.
    private(set) var next: UInt32
    /// Segments that wait behind a gap.
    private var stray = 0
    /// Whole messages among what is to be read.
    private var messages = 0
    private(set) var limit: Int
    private let framing: KCP.Framing
    /// Bytes in order and not yet read.
    private(set) var bytes = 0

    init(first: UInt32, limit: Int, framing: KCP.Framing) {
        self.head = first
        self.next = first
        self.limit = limit
        self.framing = framing
    }

    /// What was advertised stays so: it only grows.
    mutating func widen(to limit: Int) { self.limit = max(self.limit, limit) }

    private var waiting: Int { Int(self.next &- self.head) }
    /// Segments there is room for behind ``next``.
    var room: Int { self.limit - self.waiting }
    /// A message has more segments than there can ever be room for.
    var isStuck: Bool { self.framing == .messages && self.room == 0 && self.messages == 0 }
    var isReadable: Bool { self.framing == .stream ? self.waiting > 0 : self.messages > 0 }

    mutating func insert(_ data: ByteBuffer, number: UInt32, fragment: UInt8) -> Arrival {
        if number.precedes(self.next) { return .duplicate }
        guard number.isWithin(self.limit, from: self.head) else { return .beyond }
        let offset = Int(number &- self.head)
        while offset >= self.slots.count { self.grow() }
        let place = Int(number & self.mask)
        guard self.slots[place].data == nil else { return .duplicate }
        let isNext = number == self.next
        let isLoose = isNext && self.waiting < Self.shared
        self.slots[place] = Slot(data: isLoose ? data : data.withoutSpare, fragment: fragment)
        guard isNext else {
            self.stray += 1
            return .outOfOrder
        }
        self.pass(data.readableBytes, fragment)
        guard self.stray > 0 else { return .inOrder }
        self.closeGap()
        return .outOfOrder
    }

    /// The data of the next segment, or the next whole message; nil if there is none.
    mutating func take() -> ByteBuffer? {
        switch self.framing {
        case .stream:
            while let (data, _) = self.pop() {
                if data.readableBytes > 0 { return data }
            }
            return nil
        case .messages:
            guard self.messages > 0, let first = self.pop() else { return nil }
            var message = first.data
            var fragment = first.fragment
            while fragment != 0, let piece = self.pop() {
                message.writeImmutableBuffer(piece.data)
                fragment = piece.fragment
            }
            self.messages -= 1
            return message
        }
    }

    private mutating func pop() -> (data: ByteBuffer, fragment: UInt8)? {
        guard self.head != self.next else { return nil }
        let place = Int(self.head & self.mask)
        guard let data = self.slots[place].data else { return nil }
        let fragment = self.slots[place].fragment
        self.slots[place].data = nil
        self.head &+= 1
        self.bytes -= data.readableBytes
        return (data, fragment)
    }

    private mutating func pass(_ count: Int, _ fragment: UInt8) {
        self.next &+= 1
        self.bytes += count
        if fragment == 0 { self.messages += 1 }
    }

    /// Moves on over what has been waiting behind the gap.
    private mutating func closeGap() {
        while self.stray > 0, let data = self.slots[Int(self.next & self.mask)].data {
            self.stray -= 1
            self.pass(data.readableBytes, self.slots[Int(self.next & self.mask)].fragment)
        }
    }

    private mutating func grow() {
        let mask = self.mask << 1 | 1
        var slots = ContiguousArray(repeating: Slot(), count: Int(mask) + 1)
        for step in 0...self.mask {
            let number = self.head &+ step
            slots[Int(number & mask)] = self.slots[Int(number & self.mask)]
        }
        self.slots = slots
        self.mask = mask
    }
}

extension ByteBuffer {
    /// Itself, or a copy where it would keep much more memory than it has bytes.
    fileprivate var withoutSpare: ByteBuffer {
        guard self.storageCapacity > 2 * self.readableBytes + 1024 else { return self }
        return ByteBuffer(bytes: self.readableBytesView)
    }
}
