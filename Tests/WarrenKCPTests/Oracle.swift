// SPDX-License-Identifier: Apache-2.0

import NIOCore

@testable import WarrenKCP

/// The rules of ikcp.c, written anew and as simply as they are: arrays that are searched, and a flush by the clock.
struct Oracle {
    private struct Sent {
        var number: UInt32
        var fragment: UInt8
        var data: ByteBuffer
        var stamp: UInt32 = 0
        var resendAt: UInt32 = 0
        var timeout: UInt32 = 0
        var skips = 0
        var sends = 0
    }

    let interval: UInt32 = 10
    private let resend: Int
    private let segment = 1226
    private let sendWindow: UInt32 = 128
    private let receiveWindow: UInt32 = 128
    private var peerWindow: UInt32 = 128
    private var waiting: [ByteBuffer] = []
    private var flying: [Sent] = []
    private var early: [UInt32: ByteBuffer] = [:]
    private var ready: [ByteBuffer] = []
    private var acknowledgements: [(number: UInt32, stamp: UInt32)] = []
    private var oldest: UInt32
    private var next: UInt32
    private var awaited: UInt32
    private var smoothed: Int32 = 0
    private var variation: Int32 = 0
    private var timeout: UInt32 = 200
    private var probeWait: UInt32 = 0
    private var probeAt: UInt32 = 0
    private var mustAsk = false
    private var mustTell = false

    init(first: UInt32, resend: Int) {
        (self.oldest, self.next, self.awaited) = (first, first, first)
        self.resend = resend
    }

    var isFinished: Bool { self.waiting.isEmpty && self.flying.isEmpty }
    var waitingSegments: Int { self.waiting.count + self.flying.count }
    private var room: UInt32 { self.receiveWindow - min(UInt32(self.ready.count), self.receiveWindow) }

    mutating func send(_ bytes: ByteBuffer) {
        var bytes = bytes
        if var last = self.waiting.popLast() {
            if let more = bytes.readSlice(length: min(self.segment - last.readableBytes, bytes.readableBytes)) {
                last.writeImmutableBuffer(more)
            }
            self.waiting.append(last)
        }
        while bytes.readableBytes > 0, let piece = bytes.readSlice(length: min(self.segment, bytes.readableBytes)) {
            self.waiting.append(piece)
        }
    }

    mutating func receive() -> ByteBuffer? {
        guard !self.ready.isEmpty else { return nil }
        let wasFull = self.room == 0
        let data = self.ready.removeFirst()
        self.moveReady()
        if wasFull, self.room > 0 { self.mustTell = true }
        return data
    }

    private mutating func moveReady() {
        while self.room > 0, let data = self.early.removeValue(forKey: self.awaited) {
            self.ready.append(data)
            self.awaited &+= 1
        }
    }

    mutating func input(_ datagram: ByteBuffer, now: UInt32) {
        var rest = datagram
        var largest: UInt32?
        while let segment = try? rest.readKCPSegment(conversation: 0) {
            let header = segment.header
            self.peerWindow = UInt32(header.window)
            self.flying.removeAll { $0.number.precedes(header.awaited) }
            self.oldest = self.flying.first?.number ?? self.next
            switch header.command {
            case .ack:
                self.measured(Int32(bitPattern: now &- header.stamp))
                self.flying.removeAll { $0.number == header.number }
                self.oldest = self.flying.first?.number ?? self.next
                if largest?.precedes(header.number) ?? true { largest = header.number }
            case .push:
                guard header.number.precedes(self.awaited &+ self.receiveWindow) else { continue }
                self.acknowledgements.append((header.number, header.stamp))
                if !header.number.precedes(self.awaited), self.early[header.number] == nil {
                    self.early[header.number] = segment.data
                }
                self.moveReady()
            case .ask: self.mustTell = true
            case .tell: break
            }
        }
        guard let largest else { return }
        for place in self.flying.indices where self.flying[place].number.precedes(largest) {
            self.flying[place].skips += 1
        }
    }

    private mutating func measured(_ sample: Int32) {
        guard sample >= 0 else { return }
        if self.smoothed == 0 {
            (self.smoothed, self.variation) = (max(sample, 1), sample / 2)
        } else {
            self.variation = (3 * self.variation + abs(sample - self.smoothed)) / 4
            self.smoothed = max((7 * self.smoothed + sample) / 8, 1)
        }
        let timeout = self.smoothed + max(Int32(self.interval), 4 * self.variation)
        self.timeout = UInt32(min(max(timeout, 30), 60_000))
    }

    /// To be called once in an interval.
    mutating func flush(now: UInt32) -> [ByteBuffer] {
        var datagrams: [ByteBuffer] = []
        var datagram = ByteBuffer()
        func put(_ segment: KCP.Segment) {
            if datagram.readableBytes + KCP.overhead + segment.data.readableBytes > self.segment + KCP.overhead {
                datagrams.append(datagram)
                datagram = ByteBuffer()
            }
            datagram.writeKCPSegment(segment)
        }
        for (number, stamp) in self.acknowledgements { put(self.segment(.ack, number: number, stamp: stamp)) }
        self.acknowledgements.removeAll()
        self.probe(now: now)
        if self.mustAsk { put(self.segment(.ask)) }
        if self.mustTell { put(self.segment(.tell)) }
        (self.mustAsk, self.mustTell) = (false, false)
        while self.next.precedes(self.oldest &+ min(self.sendWindow, self.peerWindow)), !self.waiting.isEmpty {
            self.flying.append(Sent(number: self.next, fragment: 0, data: self.waiting.removeFirst()))
            self.next &+= 1
        }
        for place in self.flying.indices where self.leaves(place, now: now) {
            self.flying[place].sends += 1
            self.flying[place].stamp = now
            put(self.segment(.push, number: self.flying[place].number, stamp: now, data: self.flying[place].data))
        }
        if datagram.readableBytes > 0 { datagrams.append(datagram) }
        return datagrams
    }

    private mutating func leaves(_ place: Int, now: UInt32) -> Bool {
        let sent = self.flying[place]
        if sent.sends == 0 {
            self.flying[place].timeout = self.timeout
        } else if !now.precedes(sent.resendAt) {
            self.flying[place].timeout += self.timeout / 2
        } else if self.resend == 0 || sent.skips < self.resend || sent.sends > 5 {
            return false
        }
        self.flying[place].skips = 0
        self.flying[place].resendAt = now &+ self.flying[place].timeout
        return true
    }

    private mutating func probe(now: UInt32) {
        guard self.peerWindow == 0 else {
            self.probeWait = 0
            return
        }
        if self.probeWait == 0 {
            self.probeWait = 5000
            self.probeAt = now &+ self.probeWait
        } else if !now.precedes(self.probeAt) {
            self.probeWait = min(self.probeWait + self.probeWait / 2, 120_000)
            self.probeAt = now &+ self.probeWait
            self.mustAsk = true
        }
    }

    private func segment(
        _ command: KCP.Command, number: UInt32 = 0, stamp: UInt32 = 0, data: ByteBuffer = ByteBuffer()
    ) -> KCP.Segment {
        let header = KCP.Header(
            command: command, window: UInt16(self.room), stamp: stamp, number: number, awaited: self.awaited)
        return KCP.Segment(header, data: data)
    }
}
