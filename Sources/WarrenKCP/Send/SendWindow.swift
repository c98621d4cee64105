// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// What has been sent and not yet acknowledged, in a ring indexed by segment number.
///
/// Numbers from outside are asked for with ``holds(_:)`` first; any other lookup still ends in some slot of the ring.
struct SendWindow {
    private var slots: ContiguousArray<Flight>
    private var mask: UInt32
    private var lines = FlightLines()
    /// The oldest one in flight, and the number that the next new one gets.
    private(set) var oldest: UInt32
    private(set) var next: UInt32
    /// Wire bytes that are under way: neither acknowledged nor given up.
    private(set) var underWay = 0
    /// Data bytes in flight, and those acknowledged without a gap since the beginning.
    private(set) var bytes = 0
    private(set) var acknowledged: UInt64 = 0
    /// Sends of any segments so far.
    private(set) var order: UInt64 = 0

    init(first: UInt32) {
        self.slots = ContiguousArray(repeating: Flight(), count: 16)
        self.mask = 15
        self.oldest = first
        self.next = first
    }

    var count: Int { Int(self.next &- self.oldest) }
    /// Lines with somebody in them, as bits; without the lost.
    var occupied: UInt32 { self.lines.occupied }
    var hasLost: Bool { self.lines[FlightLines.lost].count > 0 }
    /// Nothing is under way or to be repeated: all that may be left is what the peer has and does not yet pass on.
    var isQuiet: Bool { self.lines.occupied == 0 && !self.hasLost }

    subscript(number: UInt32) -> Flight {
        _read { yield self.slots[Int(number & self.mask)] }
        _modify { yield &self.slots[Int(number & self.mask)] }
    }

    /// Whether the number is in flight and not acknowledged.
    func holds(_ number: UInt32) -> Bool {
        number.isWithin(self.count, from: self.oldest) && self[number].data != nil
    }

    /// The flight at the front of a line.
    func front(of line: Int) -> UInt32? {
        let line = self.lines[line]
        return line.count > 0 ? line.first : nil
    }

    /// Takes new data in; it stands in no line until it is sent.
    mutating func append(_ data: ByteBuffer, fragment: UInt8) -> UInt32 {
        if self.count == self.slots.count { self.grow() }
        let number = self.next
        self.next &+= 1
        self[number] = Flight(data: data, length: data.readableBytes, fragment: fragment)
        self.bytes += data.readableBytes
        return number
    }

    /// Notes a send, first or repeated.
    mutating func sent(_ number: UInt32, stamp: UInt32, now: Int64) {
        self.leave(number)
        self.order += 1
        self.underWay += self[number].size
        if self[number].sends == 0 { self[number].firstStamp = stamp }
        self[number].sends += 1
        self[number].stamp = stamp
        self[number].sentAt = now
        self[number].order = self.order
        self[number].lastOrder = self.order
        self[number].copies = 0
        self[number].awaited = self.oldest
        self.join(number, FlightLines.line(waits: self[number].waits))
    }

    /// Notes a copy: what leaves later, and no more what left before, can prove the flight lost.
    mutating func copied(_ number: UInt32) {
        let line = Int(self[number].line)
        self.leave(number)
        self.order += 1
        self.underWay += self[number].size
        self[number].lastOrder = self.order
        self[number].copies += 1
        self.join(number, line)
    }

    /// Gives a flight up: it will be sent again.
    mutating func lose(_ number: UInt32) {
        guard self[number].line != FlightLines.lost, self[number].line != FlightLines.none else { return }
        self.leave(number)
        self.join(number, FlightLines.lost)
    }

    /// Forgets the data of a flight that the peer has. It must be held.
    mutating func acknowledge(_ number: UInt32) {
        self.leave(number)
        self.bytes -= self[number].length
        self[number].data = nil
    }

    /// Moves on behind the oldest, which must be acknowledged.
    mutating func advance() {
        self.acknowledged += UInt64(self[self.oldest].length)
        self.oldest &+= 1
    }

    /// Appends to a line.
    private mutating func join(_ number: UInt32, _ line: Int) {
        var queue = self.lines[line]
        if queue.count > 0 {
            self[queue.last].after = number
            self[number].before = queue.last
        } else {
            queue.first = number
        }
        queue.last = number
        queue.count += 1
        self[number].line = UInt8(truncatingIfNeeded: line)
        self.lines[line] = queue
    }

    /// Takes a flight out of its line, if it stands in one.
    private mutating func leave(_ number: UInt32) {
        let (line, before, after) = (self[number].line, self[number].before, self[number].after)
        guard line != FlightLines.none else { return }
        if line != FlightLines.lost { self.underWay -= self[number].size }
        var queue = self.lines[Int(line)]
        if queue.first == number { queue.first = after } else { self[before].after = after }
        if queue.last == number { queue.last = before } else { self[after].before = before }
        queue.count -= 1
        self[number].line = FlightLines.none
        self.lines[Int(line)] = queue
    }

    private mutating func grow() {
        let mask = self.mask << 1 | 1
        var slots = ContiguousArray(repeating: Flight(), count: Int(mask) + 1)
        for step in 0..<UInt32(truncatingIfNeeded: self.count) {
            let number = self.oldest &+ step
            slots[Int(number & mask)] = self[number]
        }
        self.slots = slots
        self.mask = mask
    }
}
