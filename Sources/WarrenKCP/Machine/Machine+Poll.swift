// SPDX-License-Identifier: Apache-2.0

public import NIOCore

extension KCP.Machine {
    /// The next datagram to put out; nil when there is none for now. Ask until nil.
    public mutating func poll(now: NIODeadline) -> ByteBuffer? {
        self.turn(now)
        self.prepare()
        guard self.hasSomethingToSay else { return nil }
        var datagram = ByteBuffer()
        datagram.reserveCapacity(self.mtu)
        return self.write(&datagram) > 0 ? datagram : nil
    }

    /// Appends the next datagram to a buffer, so that an owner who sends many at once needs no buffer for each.
    ///
    /// - Returns: the bytes of the datagram; 0 when there is none for now, and nothing is written then.
    public mutating func poll(into bytes: inout ByteBuffer, now: NIODeadline) -> Int {
        self.turn(now)
        self.prepare()
        guard self.hasSomethingToSay else { return 0 }
        return self.write(&bytes)
    }

    private var mtu: Int { max(self.configuration.mtu, 50) }

    /// Finds out what is due.
    private mutating func prepare() {
        guard self.failure == nil else { return }
        self.giveUpSilent()
        let lost = self.giveUpSkipped()
        if lost > 0 {
            let report = AckReport(lost: lost)
            self.congestion.concluded(
                report, inFlight: self.window.count, underWay: self.window.underWay, now: self.time)
        }
        self.forgetCopies()
        if self.peer.asks(isShut: self.isShut, now: self.time) { self.mustAsk = true }
    }

    private var hasSomethingToSay: Bool {
        mutating get {
            guard self.failure == nil else { return false }
            if self.mustAsk || self.mustTell { return true }
            if let due = self.acknowledgements.due, due <= self.time { return true }
            if self.copyIsDue { return true }
            if !self.window.hasLost, self.queue.isEmpty || !self.peerHasRoom {
                self.congestion.idled(underWay: self.window.underWay, isForPeer: !self.queue.isEmpty)
            }
            return (self.mayRepeat || self.maySendNew) && self.congestion.isOpen(now: self.time)
        }
    }

    private mutating func write(_ out: inout ByteBuffer) -> Int {
        let start = out.writerIndex
        let end = start + self.mtu
        while end - out.writerIndex >= KCP.overhead, let entry = self.acknowledgements.next(awaited: self.received.next)
        {
            out.writeKCPHeader(self.header(.ack, stamp: entry.stamp, number: entry.number))
        }
        if self.mustAsk, end - out.writerIndex >= KCP.overhead {
            out.writeKCPHeader(self.header(.ask, stamp: self.stamp))
            self.mustAsk = false
        }
        if self.mustTell, end - out.writerIndex >= KCP.overhead {
            // Every header tells the window.
            if out.writerIndex == start { out.writeKCPHeader(self.header(.tell, stamp: self.stamp)) }
            self.mustTell = false
        }
        while let number = self.nextToLeave(room: end - out.writerIndex) { self.write(number, &out) }
        self.writeCopies(&out, end: end)
        self.toldEdge = self.received.next &+ UInt32(clamping: self.received.room)
        let count = out.writerIndex - start
        if count > 0 { self.counters.datagramsOut += 1 }
        self.counters.bytesOut += UInt64(count)
        return count
    }

    func header(_ command: KCP.Command, stamp: UInt32, number: UInt32 = 0, fragment: UInt8 = 0) -> KCP.Header {
        KCP.Header(
            conversation: self.configuration.conversation, command: command, fragment: fragment,
            window: UInt16(clamping: self.received.room), stamp: stamp, number: number, awaited: self.received.next)
    }

    // MARK: Data

    var mayRepeat: Bool {
        self.window.hasLost && self.congestion.hasRoomToRepeat(underWay: self.window.underWay)
    }

    /// Whether there is something new and both windows have room for it.
    var maySendNew: Bool {
        !self.queue.isEmpty && self.peerHasRoom
            && self.congestion.hasRoom(segments: self.window.count, underWay: self.window.underWay)
    }

    /// Whether both windows have room for one more.
    private var peerHasRoom: Bool {
        self.window.next.precedes(self.peer.edge)
            && self.window.count < min(max(self.configuration.sendWindow, 1), 65535)
    }

    /// The segment that leaves now, if one fits into so many bytes: what was lost first, then what is new.
    private mutating func nextToLeave(room: Int) -> UInt32? {
        guard room > KCP.overhead, self.congestion.isOpen(now: self.time) else { return nil }
        if self.mayRepeat, let number = self.window.front(of: FlightLines.lost) {
            return self.window[number].size <= room ? number : nil
        }
        guard self.maySendNew, let (data, fragment) = self.cut(room: room - KCP.overhead) else { return nil }
        if self.window.count == 0 {
            self.losses.progressAt = self.time
            self.losses.advancedAt = self.time
        }
        return self.window.append(data, fragment: fragment)
    }

    /// Data of a new segment: all that fits, but not a small piece of a stream where much waits.
    private mutating func cut(room: Int) -> (data: ByteBuffer, fragment: UInt8)? {
        let whole = self.configuration.segment
        guard room < whole else { return self.queue.cut(most: whole) }
        if self.queue.nextLength(most: whole) <= room { return self.queue.cut(most: whole) }
        guard self.configuration.framing == .stream, 2 * room >= whole else { return nil }
        return self.queue.cut(most: room)
    }

    private mutating func write(_ number: UInt32, _ out: inout ByteBuffer) {
        guard let data = self.window[number].data else { return }
        let size = self.window[number].size
        self.counters.pushes += 1
        if self.window[number].sends > 0 { self.counters.repeatedBytes += UInt64(size) }
        let mark = self.congestion.sent(size, underWay: self.window.underWay, now: self.time)
        self.window.sent(number, stamp: self.stamp, now: self.time)
        self.window[number].delivery = mark
        self.planCopies(of: number)
        let fragment = self.window[number].fragment
        out.writeKCPHeader(
            self.header(.push, stamp: self.stamp, number: number, fragment: fragment), count: data.readableBytes)
        out.writeImmutableBuffer(data)
    }
}
